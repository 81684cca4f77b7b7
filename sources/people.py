"""What is kept of a person in schema `app`, read for the operator who answers the person's request."""

from collections.abc import Iterator
from typing import Any, Final
from uuid import UUID

from psycopg import Connection
from psycopg.rows import dict_row
from psycopg.sql import SQL, Composable, Identifier
from sqlalchemy import LargeBinary, Table

from sources.errors import HubError
from sources.tables.columns import OPERATIONAL_NAMES, XID8, metadata

# Rows that belong to the client of such a row are the client's too: messages, milestones, payments.
_OF_CLIENTS: Final = ("bookings", "invoices")

_SELECT_PEOPLE: Final = """
select id, full_name, email, role, is_active, created_at
from app.profiles
where org_id = %(org_id)s
order by full_name, id
"""
_SELECT_PERSON: Final = """
select id, email
from app.profiles
where org_id = %(org_id)s and (email = %(who)s or id::text = %(who)s)
"""


def listed(connection: Connection, org_id: UUID) -> list[dict[str, Any]]:
    """Return the people of an organisation by name, with id, e-mail address, role and whether they are active."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(_SELECT_PEOPLE, {"org_id": org_id}).fetchall()


def exported(source: Connection, hub: Connection, org_id: UUID, who: str) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of schema `app` that name a person or belong to the person's bookings and invoices, by table.

    The operational tables are read from `source`, the Hub's own from `hub`, each in one transaction, which is to be
    REPEATABLE READ, so that the tables agree. `who` is the person's id or e-mail address. Hashes of secrets are left
    out, and tables without such a row. Raises HubError if the organisation has no such person.
    """
    person_id, email = _found(source, org_id, who)
    values = {"org_id": org_id, "person_id": person_id, "email": email}
    export = {}
    for table in metadata.sorted_tables:
        conditions = list(_conditions(table))
        if not conditions:
            continue
        query = SQL("select {} from app.{} where org_id = %(org_id)s and ({}) order by id").format(
            SQL(", ").join(Identifier(column.name) for column in table.columns if _is_told(column.type)),
            Identifier(table.name),
            SQL(" or ").join(conditions),
        )
        connection = source if table.name in OPERATIONAL_NAMES else hub
        with connection.cursor(row_factory=dict_row) as cursor:
            rows = cursor.execute(query, values).fetchall()
        if rows:
            export[table.name] = rows
    return export


def id_of(connection: Connection, org_id: UUID, who: str) -> UUID:
    """Return the id of the person with this id or e-mail address. Raises HubError if there is none."""
    return _found(connection, org_id, who)[0]


def _found(connection: Connection, org_id: UUID, who: str) -> tuple[UUID, str | None]:
    found = connection.execute(_SELECT_PERSON, {"org_id": org_id, "who": who}).fetchone()
    if found is None:
        raise HubError(f"There is no person with the id or address {who} in this organisation: see `hub people list`.")
    return found[0], found[1]


def _is_told(kind: object) -> bool:
    return not isinstance(kind, LargeBinary | XID8)


def _conditions(table: Table) -> Iterator[Composable]:
    """Yield the conditions, one of which holds for a row of the person; none if the table keeps nothing of people."""
    if table.name == "profiles":
        yield SQL("id = %(person_id)s")
    if "id" not in table.columns:  # the search index of bookings holds words of columns that are read here
        return
    parents = {key.parent.name: key.column.table.name for key in table.foreign_keys if key.parent.name != "org_id"}
    for column in (each.name for each in table.columns):
        if column in ("profile_id", "actor_id") or parents.get(column) == "profiles":
            yield SQL("{} = %(person_id)s").format(Identifier(column))
        elif column.endswith("_by"):  # an id, or as operations on insights write it
            yield SQL("{}::text in (%(person_id)s::text, 'profile ' || %(person_id)s::text)").format(Identifier(column))
        elif parents.get(column) in _OF_CLIENTS:
            yield SQL("{} in (select id from app.{} where org_id = %(org_id)s and client_id = %(person_id)s)").format(
                Identifier(column), Identifier(parents[column])
            )
    if "recipient" in table.columns:
        yield SQL("recipient = %(email)s")
