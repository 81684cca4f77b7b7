"""Who has the password of hub_api, or runs SQL in a transaction of the API, becomes nobody else by it."""

import asyncio
from collections.abc import Iterator
from typing import Final, LiteralString
from uuid import UUID

import asyncpg
import psycopg
import pytest

from sources import database, entry
from sources.operations.transaction import EnteringConnection, connect
from sources.settings import Settings
from tests.sources.business import NORTH, SOUTH
from tests.sources.conftest import seeded_settings
from tests.sources.entering import enter, enter_as, make_proof

REFUSED: Final = (psycopg.errors.InsufficientPrivilege, psycopg.errors.ObjectNotInPrerequisiteState)
ENTER: Final = "select app.enter(%s, %s, null, 8000, %s)"
SETTINGS: Final[LiteralString] = """
select set_config('hub.org_id', %s, true), set_config('hub.profile_id', %s, true), set_config('hub.role', %s, true)
"""
SEEN: Final = "select count(*) from app.bookings"


@pytest.fixture(scope="module")
def settings(seeded: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with seeded_settings(seeded, tmp_path_factory.mktemp("hub")) as it:
        with psycopg.connect(it.database_url) as owner:
            owner.execute(
                "insert into app.bookings (org_id, booking_number, client_id, service_id, status, title, total_amount, "
                "currency) values (%s, 'B-1', %s, %s, 'requested', 'One', 10, 'EUR')",
                [NORTH.id, NORTH.client, NORTH.service],
            )
        yield it


@pytest.fixture
def attacker(settings: Settings) -> Iterator[psycopg.Connection]:
    """A session with the password of hub_api."""
    with psycopg.connect(database.api_url(settings), autocommit=True) as connection:
        yield connection


def _one(connection: psycopg.Connection, query: LiteralString, *values: object) -> object:
    row = connection.execute(query, values).fetchone()
    assert row is not None
    return row[0]


@pytest.mark.parametrize("role", ["admin", "system"])
def test_settings_made_by_hand_have_no_effect(attacker: psycopg.Connection, role: str) -> None:
    with attacker.transaction(force_rollback=True):  # no caller was ever set in this session
        attacker.execute(SETTINGS, [str(NORTH.id), str(NORTH.admin), role])
        with pytest.raises(REFUSED):
            attacker.execute(SEEN)
    with attacker.transaction():
        enter(attacker, NORTH.id, NORTH.admin)
        assert _one(attacker, SEEN) == 1
    with attacker.transaction():  # those of the transaction before
        attacker.execute(SETTINGS, [str(NORTH.id), str(NORTH.admin), "admin"])
        assert _one(attacker, SEEN) == 0
    with attacker.transaction():
        enter(attacker, NORTH.id, NORTH.provider2)
        assert _one(attacker, SEEN) == 0
        attacker.execute(SETTINGS, [str(NORTH.id), str(NORTH.admin), role])
        assert _one(attacker, SEEN) == 0
        attacker.execute("set local role hub_reader")
        assert _one(attacker, "select cardinality(app.organizations_of_login())") == 0


def test_a_proof_of_ones_own_is_refused(attacker: psycopg.Connection) -> None:
    for forged in (None, b"", bytes(32), entry.proof("guessed", attacker.info.backend_pid, 1, "x")):
        attacker.execute("select app.challenge()")
        with pytest.raises(REFUSED):
            attacker.execute(ENTER, [NORTH.id, NORTH.admin, forged])
        with pytest.raises(REFUSED):
            attacker.execute("select app.enter_as('system', %s, 8000, %s)", [NORTH.id, forged])


def test_a_proof_counts_for_its_person_once_and_in_its_session(
    settings: Settings, attacker: psycopg.Connection
) -> None:
    proof = make_proof(attacker, entry.person(NORTH.id, NORTH.client, None))
    for org_id, profile_id in ((NORTH.id, NORTH.admin), (SOUTH.id, NORTH.client)):
        with pytest.raises(REFUSED):
            attacker.execute(ENTER, [org_id, profile_id, proof])
    with psycopg.connect(database.api_url(settings), autocommit=True) as other:
        other.execute("select app.challenge()")
        with pytest.raises(REFUSED):
            other.execute(ENTER, [NORTH.id, NORTH.client, proof])
    attacker.execute(ENTER, [NORTH.id, NORTH.client, proof])
    with pytest.raises(REFUSED):
        attacker.execute(ENTER, [NORTH.id, NORTH.client, proof])


@pytest.mark.parametrize(
    "statement",
    [
        "select app.set_caller(null, null, 'admin', null, null, 8000)",
        "select nextval('app.challenges')",
        "select setval('app.callers', 1)",
        "select nextval('app.callers')",
        "select inner_key from app.entry_keys",
        "select app.check_proof('x', 'y')",
        "select * from app.live_changes_since(pg_current_snapshot()::text, 10)",
        "select * from app.request_links('ada@north.example', array['h'::bytea], now() + interval '1 hour', now(), 3)",
        "select session_hash from app.sessions",
    ],
)
def test_what_makes_a_caller_is_out_of_reach(attacker: psycopg.Connection, statement: LiteralString) -> None:
    with attacker.transaction(force_rollback=True):
        enter(attacker, NORTH.id, NORTH.admin)
        with pytest.raises(REFUSED):
            attacker.execute(statement)


def test_a_change_without_a_trace_is_refused(attacker: psycopg.Connection) -> None:
    """The settings are emptied after the policies were asked, and before the audit log is written."""
    statement = """
        with changed as (update app.services set name = 'x' returning id),
            emptied as (select set_config('hub.role', '', true))
        select * from changed, emptied
    """
    with attacker.transaction(force_rollback=True):
        enter(attacker, NORTH.id, NORTH.admin)
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="The change has no caller"):
            attacker.execute(statement)


def test_a_part_of_the_hub_has_its_own_rights_only(attacker: psycopg.Connection) -> None:
    for role in ("live", "sign_in"):
        with attacker.transaction():
            enter_as(attacker, role, None)
            assert _one(attacker, SEEN) == 0
    with attacker.transaction():
        enter_as(attacker, "live", None)
        attacker.execute("select * from app.live_changes_since(pg_current_snapshot()::text, 10)")
    with attacker.transaction():
        enter_as(attacker, "system", NORTH.id)
        assert _one(attacker, SEEN) == 1


def test_a_connection_of_the_api_enters_again_after_an_error(settings: Settings) -> None:
    async def enter_twice() -> list[UUID | None]:
        connection = await connect(database.api_url(settings), settings.secret("api_entry_secret"))
        try:
            entered = [await _entered(connection, 8000)]
            with pytest.raises(asyncpg.InvalidParameterValueError):
                await _entered(connection, -1)
            return [*entered, await _entered(connection, 8000)]
        finally:
            await connection.close()

    async def _entered(connection: EnteringConnection, timeout_ms: int) -> UUID | None:
        what = entry.person(NORTH.id, NORTH.client, None)
        query = "select * from app.enter($1, $2, $3, $4, $5)"
        row = await connection.enter(query, what, NORTH.id, NORTH.client, None, timeout_ms)
        found: UUID | None = row["profile_id"]
        return found

    assert asyncio.run(enter_twice()) == [NORTH.client, NORTH.client]
