"""The people of the organisation."""

from typing import Final
from uuid import UUID

from pydantic import BaseModel, Field

from sources.operations.bookings.access import Page, page_of
from sources.operations.field_types import Request, Words
from sources.operations.transaction import Tx
from sources.row_values import PersonRole


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


SELECT_PEOPLE: Final = """
select id, full_name as name, role, is_active, case when (select app.administers()) then email end as email
from app.profiles
where org_id = $1 and ($2::text is null or role = $2) and ($3::uuid is null or id > $3)
    and ($4::text is null or position(app.folded($4) in app.folded(full_name)) > 0)
    and (is_active and role <> 'admin' or (select app.sees_all()))
order by id
limit $5
"""


async def list_people(tx: Tx, query: PeopleQuery) -> Page[Person]:
    """Return the people whom the caller may see: an admin all, others providers and the people of their bookings."""
    rows = await tx.rows(SELECT_PEOPLE, tx.org_id, query.role, query.after, query.q, query.limit + 1)
    people = [Person.model_construct(**dict(row)) for row in rows]
    return page_of(people, [person.id for person in people], query.limit)
