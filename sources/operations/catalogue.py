"""What can be booked, and with whom."""

from decimal import Decimal
from typing import Final, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from sources.operations.children import All, Page, page_of
from sources.operations.transaction import Tx
from sources.operations.values import Money, Request, Words

MOST_SERVICES: Final = 500


class Package(BaseModel):
    """A service at a price of its own."""

    id: UUID
    name: str
    price: Money
    currency: str
    hours_included: Decimal | None


class AddOnOffer(BaseModel):
    """An extra of a service."""

    id: UUID
    name: str
    price: Money
    currency: str


class Service(BaseModel):
    """A service on offer, with its packages and extras."""

    id: UUID
    name: str
    category: str | None
    base_price: Money
    currency: str
    duration_hours: Decimal | None
    packages: list[Package]
    add_ons: list[AddOnOffer]


class Person(BaseModel):
    """Somebody of the organisation."""

    id: UUID
    name: str
    role: Literal["client", "provider", "admin"]
    email: str | None = Field(description="For admins only.")
    is_active: bool


class PeopleQuery(Request):
    """Which people."""

    role: Literal["client", "provider", "admin"] | None = None
    q: Words | None = Field(None, description="A part of the name.", examples=["garcia"])
    limit: int = Field(50, ge=1, le=200)
    after: UUID | None = Field(None, description="`next` of the page before.")


SELECT_SERVICES: Final = """
select s.id, s.name, s.category, s.base_price, s.currency, s.duration_hours,
    coalesce((
        select jsonb_agg(jsonb_build_object(
            'id', k.id, 'name', k.name, 'price', k.price::text, 'currency', k.currency,
            'hours_included', k.hours_included::text
        ) order by k.price, k.name)
        from app.service_packages as k where k.org_id = s.org_id and k.service_id = s.id
    ), '[]') as packages,
    coalesce((
        select jsonb_agg(jsonb_build_object(
            'id', a.id, 'name', a.name, 'price', a.price::text, 'currency', a.currency
        ) order by a.name)
        from app.service_add_ons as a where a.org_id = s.org_id and a.service_id = s.id and a.is_active
    ), '[]') as add_ons
from app.services as s
where s.org_id = $1 and s.is_active
order by s.name
limit $2
"""
SELECT_PEOPLE: Final = """
select p.id, p.full_name as name, p.role, p.is_active,
    case when (select app.sees_all()) then p.email end as email
from app.profiles as p
where p.org_id = $1 and ($2::text is null or p.role = $2) and ($3::uuid is null or p.id > $3)
    and ($4::text is null or position(app.folded($4) in app.folded(p.full_name)) > 0)
    and (p.is_active and p.role <> 'admin' or (select app.sees_all()))
order by p.id
limit $5
"""


async def list_services(tx: Tx) -> All[Service]:
    """Every service on offer, by name; the first MOST_SERVICES of them."""
    return All.model_construct(
        items=[Service.model_validate(dict(row)) for row in await tx.rows(SELECT_SERVICES, tx.org_id, MOST_SERVICES)]
    )


async def list_people(tx: Tx, query: PeopleQuery) -> Page[Person]:
    """Those whom the caller may know: an admin everybody, others the providers and the people of their bookings."""
    rows = await tx.rows(SELECT_PEOPLE, tx.org_id, query.role, query.after, query.q, query.limit + 1)
    people = [Person.model_construct(**dict(row)) for row in rows]
    return page_of(people, [person.id for person in people], query.limit)
