"""The catalogue: services on offer, and the people of the organisation."""

from decimal import Decimal
from typing import Final
from uuid import UUID

from pydantic import BaseModel, Field

from sources.operations.bookings.access import All, Page, page_of
from sources.operations.field_types import Money, Request, Words
from sources.operations.transaction import Tx
from sources.row_values import PersonRole

MOST_SERVICES: Final = 500


class Package(BaseModel):
    """A package of a service at its own price."""

    id: UUID
    name: str
    price: Money
    currency: str
    hours_included: Decimal | None


class AddOnOffer(BaseModel):
    """An add-on of a service."""

    id: UUID
    name: str
    price: Money
    currency: str


class Service(BaseModel):
    """A service on offer, with its packages and add-ons."""

    id: UUID
    name: str
    category: str | None
    base_price: Money
    currency: str
    duration_hours: Decimal | None
    packages: list[Package]
    add_ons: list[AddOnOffer]


class Person(BaseModel):
    """A person of the organisation."""

    id: UUID
    name: str
    role: PersonRole
    email: str | None = Field(description="For admins only.")
    is_active: bool


class PeopleQuery(Request):
    """The filters and the page of a list of people."""

    role: PersonRole | None = None
    q: Words | None = Field(None, description="A part of the name.", examples=["garcia"])
    limit: int = Field(50, ge=1, le=200)
    after: UUID | None = Field(None, description="`next` of the previous page.")


SELECT_SERVICES: Final = """
select services.id, services.name, services.category, services.base_price, services.currency,
    services.duration_hours,
    coalesce((
        select jsonb_agg(jsonb_build_object(
            'id', packages.id, 'name', packages.name, 'price', packages.price::text, 'currency', packages.currency,
            'hours_included', packages.hours_included::text
        ) order by packages.price, packages.name)
        from app.service_packages as packages
        where packages.org_id = services.org_id and packages.service_id = services.id
    ), '[]') as packages,
    coalesce((
        select jsonb_agg(jsonb_build_object(
            'id', add_ons.id, 'name', add_ons.name, 'price', add_ons.price::text, 'currency', add_ons.currency
        ) order by add_ons.name)
        from app.service_add_ons as add_ons
        where add_ons.org_id = services.org_id and add_ons.service_id = services.id and add_ons.is_active
    ), '[]') as add_ons
from app.services as services
where services.org_id = $1 and services.is_active
order by services.name
limit $2
"""
SELECT_PEOPLE: Final = """
select id, full_name as name, role, is_active, case when (select app.sees_all()) then email end as email
from app.profiles
where org_id = $1 and ($2::text is null or role = $2) and ($3::uuid is null or id > $3)
    and ($4::text is null or position(app.folded($4) in app.folded(full_name)) > 0)
    and (is_active and role <> 'admin' or (select app.sees_all()))
order by id
limit $5
"""


async def list_services(tx: Tx) -> All[Service]:
    """Return the services on offer, by name, at most MOST_SERVICES."""
    return All.model_construct(
        items=[Service.model_validate(dict(row)) for row in await tx.rows(SELECT_SERVICES, tx.org_id, MOST_SERVICES)]
    )


async def list_people(tx: Tx, query: PeopleQuery) -> Page[Person]:
    """Return the people whom the caller may see: an admin all, others providers and the people of their bookings."""
    rows = await tx.rows(SELECT_PEOPLE, tx.org_id, query.role, query.after, query.q, query.limit + 1)
    people = [Person.model_construct(**dict(row)) for row in rows]
    return page_of(people, [person.id for person in people], query.limit)
