"""Erasure: no text about a person is left in any table, figures and invoices are, and the log says who did it."""

from collections.abc import Iterator

import psycopg
import pytest

from sources.operations.errors import Refusal
from sources.operations.settings import people
from sources.operations.settings.people import Erasure
from sources.settings import Settings
from tests.sources.business import NORTH, Business, open_business
from tests.sources.entering import enter_as
from tests.sources.planting import ADDRESSES, NAMES, found, plant


@pytest.fixture
def planted(settings: Settings) -> Iterator[Business]:
    """A business of its own, with the words of planting.py."""
    with psycopg.connect(settings.database_url, autocommit=True) as connection:
        plant(connection)
        connection.execute("update app.bookings set status = 'completed', completed_at = now()")
    with open_business(settings) as business:
        yield business


def erase(business: Business, who: str, name: str | None = None) -> people.PersonDetails:
    erasure = Erasure(name=name or NAMES[who])
    return business.run("admin", lambda tx: people.erase_person(tx, NORTH.id_of(who), erasure))


def test_nothing_of_two_people_is_left(planted: Business) -> None:
    owner = planted.connection
    before = found(owner)
    assert len(before) > 30
    figures = "select total_amount, client_id, status from app.bookings"
    invoice = "select invoice_number, total_amount, issued_at, client_id from app.invoices where org_id = %s"
    kept = owner.execute(figures).fetchall(), owner.execute(invoice, [NORTH.id]).fetchall()
    for who in NAMES:
        person = erase(planted, who)
        assert person.name.startswith("Erased person ")
        assert (person.is_active, person.email, person.valid_keys) == (False, None, 0)
    assert found(owner) == {}
    assert (owner.execute(figures).fetchall(), owner.execute(invoice, [NORTH.id]).fetchall()) == kept
    target = owner.execute("select target from app.notification_channels where org_id = %s", [NORTH.id]).fetchone()
    assert target == ("owner@planted.example",)
    log = owner.execute("select actor_id, row_id from app.audit_log where action = 'erase' order by id").fetchall()
    assert log == [(NORTH.admin, NORTH.id_of(who)) for who in NAMES]
    state = "select array_agg(kept::text order by id) from app.bookings as kept"
    once = owner.execute(state).fetchall()
    erase(planted, "client", erase(planted, "client", person_name(planted, "client")).name)
    assert owner.execute(state).fetchall() == once


def person_name(business: Business, who: str) -> str:
    row = business.connection.execute("select full_name from app.profiles where id = %s", [NORTH.id_of(who)]).fetchone()
    assert row
    return str(row[0])


def test_what_a_table_is_left_out_is_found(planted: Business) -> None:
    """The search above finds each single column of free texts that an erasure leaves out."""
    owner = planted.connection
    texts = owner.execute("select table_name, column_name from app.free_texts()").fetchall()
    listed = ", ".join(f"('{table}', '{column}')" for table, column in texts)
    with owner.transaction(force_rollback=True):
        for table, column in texts:
            with owner.transaction(force_rollback=True):
                left = listed.replace(f"('{table}', '{column}'), ", "").replace(f", ('{table}', '{column}')", "")
                owner.execute(
                    "create or replace function app.free_texts() returns table (table_name text, column_name text) "
                    f"immutable language sql as $$ values {left} $$"
                )
                enter_as(owner, "system", NORTH.id)
                for who in NAMES:
                    owner.execute("select app.erase_person(%s)", [NORTH.id_of(who)])
                assert f"app.{table}" in found(owner), (table, column)


def test_an_erasure_is_confirmed_by_the_name_and_waits_for_open_bookings(planted: Business) -> None:
    with pytest.raises(Refusal, match="not the name of the person"):
        erase(planted, "client", "Somebody Else")
    planted.connection.execute("update app.bookings set status = 'scheduled', completed_at = null")
    with pytest.raises(Refusal, match="is the client of"):
        erase(planted, "client")
    with pytest.raises(Refusal, match="last active admin"):
        erase(planted, "admin", "North Admin")
    with pytest.raises(Refusal, match="for admins only"):
        planted.run("analyst", lambda tx: people.erase_person(tx, NORTH.client2, Erasure(name="North Client2")))
    assert ADDRESSES["client"] in str(found(planted.connection))


def test_the_audit_log_is_changed_by_an_erasure_alone(planted: Business) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
        planted.connection.execute("update app.audit_log set before = null")
    with planted.connection.transaction(force_rollback=True):
        planted.connection.execute("select set_config('hub.erases', 'yes', true)")
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
            planted.connection.execute("update app.audit_log set actor_role = 'other'")
