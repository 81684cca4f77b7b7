"""Enter the database as the API does, from psycopg."""

import os
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import scalar_row

from sources import entry


def enter(
    connection: psycopg.Connection[Any], org_id: UUID, profile_id: UUID | None = None, email: str | None = None
) -> None:
    """Make the transaction of `connection` that of a person, by profile or e-mail."""
    proof = make_proof(connection, entry.person(org_id, profile_id, email))
    connection.execute("select app.enter(%s, %s, %s, 60000, %s)", [org_id, profile_id, email, proof])


def enter_as(connection: psycopg.Connection[Any], role: str, org_id: UUID | None) -> None:
    """Make the transaction of `connection` that of a part of the Hub."""
    proof = make_proof(connection, entry.part(role, org_id))
    connection.execute("select app.enter_as(%s, %s, 60000, %s)", [role, org_id, proof])


def make_proof(connection: psycopg.Connection[Any], what: str) -> bytes:
    """Return the proof for `what` in this session, after a new challenge."""
    challenge = connection.cursor(row_factory=scalar_row).execute("select app.challenge()").fetchone()
    assert isinstance(challenge, int)
    return entry.proof(os.environ["HUB_API_ENTRY_SECRET"], connection.info.backend_pid, challenge, what)
