"""Row security: the rows that hub_api sees and may change in SQL, independently of the API's own checks.

The tables are read from the catalog, so new ones are tested too; everything.py has a row of each.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import psycopg
import pytest
from psycopg import sql

from sources import database
from sources.settings import Settings
from sources.tables import OPERATIONAL
from tests.sources.business import NORTH, PEOPLE, SOUTH, Organization
from tests.sources.conftest import seeded_settings
from tests.sources.entering import enter, enter_as
from tests.sources.everything import write_everything

# Tables that everybody in the organisation sees.
COMMON: Final = {
    "organizations", "services", "service_packages", "service_add_ons", "price_rules", "number_series",
}  # fmt: skip
WITHOUT_ORGANIZATION: Final = {"alembic_version"}


@pytest.fixture(scope="module")
def settings(seeded: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with seeded_settings(seeded, tmp_path_factory.mktemp("hub")) as it:
        with psycopg.connect(it.database_url, autocommit=True) as owner:
            write_everything(owner)
        yield it


@pytest.fixture(scope="module")
def owner(settings: Settings) -> Iterator[psycopg.Connection]:
    with psycopg.connect(settings.database_url, autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="module")
def hub_api(settings: Settings) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database.api_url(settings), autocommit=True) as connection:
        yield connection


def _tables(owner: psycopg.Connection, right: str) -> set[str]:
    """Return the tables and views of schema app on which hub_api has `right`."""
    rows = owner.execute(
        "select relname from pg_class where relnamespace = 'app'::regnamespace and relkind in ('r', 'p', 'v', 'm') "
        "and has_table_privilege('hub_api', oid, %s)",
        [right],
    )
    return {name for (name,) in rows}


def _all_tables(owner: psycopg.Connection) -> set[str]:
    rows = owner.execute("select relname from pg_class where relnamespace = 'app'::regnamespace and relkind = 'r'")
    return {name for (name,) in rows}


@contextmanager
def _entered(hub_api: psycopg.Connection, person: str) -> Iterator[None]:
    """Act as a person of NORTH, or as the system, in a transaction that is rolled back."""
    with hub_api.transaction(force_rollback=True):
        if person == "system":
            enter_as(hub_api, "system", NORTH.id)
        else:
            enter(hub_api, NORTH.id, NORTH.id_of(person))
        yield


def _count(connection: psycopg.Connection, table: str, condition: str = "true", *values: object) -> int:
    row = connection.execute(f"select count(*) from app.{table} where {condition}", values).fetchone()
    assert row is not None
    return int(row[0])


def _refused(connection: psycopg.Connection, statement: str, *values: object) -> bool:
    """Return True if the statement is refused; otherwise its changes are rolled back."""
    try:
        with connection.transaction(force_rollback=True):
            connection.execute(statement, values)
    except (psycopg.errors.InsufficientPrivilege, psycopg.errors.FeatureNotSupported):
        return True
    return False


def test_every_table_with_a_grant_has_rows_in_both_organizations(owner: psycopg.Connection) -> None:
    """Without rows the tests below prove nothing: add a row of a new table to everything.py."""
    for table in _tables(owner, "select") - WITHOUT_ORGANIZATION:
        for org in (NORTH, SOUTH):
            assert _count(owner, table, "org_id = %s", org.id) > 0, table


def test_every_table_with_a_grant_has_row_security(owner: psycopg.Connection) -> None:
    without = owner.execute(
        "select relname from pg_class where relnamespace = 'app'::regnamespace and not relrowsecurity"
    )
    assert _tables(owner, "select") & {name for (name,) in without} == WITHOUT_ORGANIZATION


@pytest.mark.parametrize("table", [table.name for table in OPERATIONAL])
def test_every_operational_table_has_what_the_others_have(owner: psycopg.Connection, table: str) -> None:
    found = owner.execute(
        """
        select array(select tgname::text from pg_trigger where tgrelid = pg_class.oid),
            array(
                select polname::text from pg_policy
                where polrelid = pg_class.oid and polname !~ '^admins_' order by polname
            ),
            relrowsecurity, has_table_privilege('hub_source', oid, 'select')
        from pg_class where oid = to_regclass(%s)
        """,
        [f"app.{table}"],
    ).fetchone()
    assert found is not None
    triggers, *others = found
    assert {"stamp", "leave_tombstones"} <= set(triggers), "call make_operational of sources/migrations/helpers.py"
    assert others == [["caller", "source"], True, True]


def test_tables_without_a_grant_are_refused(owner: psycopg.Connection, hub_api: psycopg.Connection) -> None:
    closed = _all_tables(owner) - _tables(owner, "select")
    assert {"tombstones", "sessions", "notification_attempts"} <= closed
    for table in closed:
        assert _refused(hub_api, f"select from app.{table}"), table
    for schema in ("raw", "marts", "analytics", "ml"):
        assert not owner.execute(
            "select from pg_namespace where nspname = %s and has_schema_privilege('hub_api', oid, 'usage')", [schema]
        ).fetchone()


def test_without_a_caller_no_row_is_visible(owner: psycopg.Connection, hub_api: psycopg.Connection) -> None:
    for table in _tables(owner, "select") - WITHOUT_ORGANIZATION:
        assert _count(hub_api, table) == 0, table


def test_the_caller_is_of_one_transaction_only(owner: psycopg.Connection, hub_api: psycopg.Connection) -> None:
    with _entered(hub_api, "admin"):
        assert _count(hub_api, "bookings") == 1
    assert _count(hub_api, "bookings") == 0


@pytest.mark.parametrize("person", [*PEOPLE, "system"])
def test_nobody_sees_another_organization(owner: psycopg.Connection, hub_api: psycopg.Connection, person: str) -> None:
    seen = 0
    with _entered(hub_api, person):
        for table in _tables(owner, "select") - WITHOUT_ORGANIZATION:
            assert _count(hub_api, table, "org_id is distinct from %s", NORTH.id) == 0, table
            seen += _count(hub_api, table)
    assert seen > 0


def test_an_admin_sees_the_organization(owner: psycopg.Connection, hub_api: psycopg.Connection) -> None:
    personal = {"notifications", "idempotency_keys"}
    with _entered(hub_api, "admin"):
        for table in _tables(owner, "select") - WITHOUT_ORGANIZATION - personal:
            assert _count(hub_api, table) > 0, table
        assert all(_count(hub_api, table) == 0 for table in personal)


PERSONAL: Final = {"notifications", "idempotency_keys", "saved_views"}  # what an analyst writes
OF_ADMINS: Final = {
    "api_keys", "audit_log", "import_files", "import_jobs", "notification_channels", "notification_deliveries",
    "processor_events",
}  # fmt: skip


def test_an_analyst_sees_what_admins_see_but_what_is_for_them_alone(
    owner: psycopg.Connection, hub_api: psycopg.Connection
) -> None:
    with _entered(hub_api, "analyst"):
        for table in _tables(owner, "select") - WITHOUT_ORGANIZATION - PERSONAL:
            assert (_count(hub_api, table) > 0) == (table not in OF_ADMINS), table


def test_an_analyst_sends_no_dashboard(hub_api: psycopg.Connection) -> None:
    insert = (
        "insert into app.saved_views (org_id, profile_id, name, is_shared, sent_to) values (%s, %s, 'Mine', true, %s)"
    )
    for person in ("admin", "analyst"):
        values = [NORTH.id, NORTH.id_of(person), NORTH.id_of("channel")]
        with _entered(hub_api, person):
            if person == "admin":
                hub_api.execute(insert, values)
            else:
                with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
                    hub_api.execute(insert, values)


# Of a table a column that hub_api may update, where it may not update updated_at.
UPDATED = {"organizations": "settings", "import_jobs": "mapping"}


def test_an_analyst_changes_nothing_of_the_organization(owner: psycopg.Connection, hub_api: psycopg.Connection) -> None:
    """Any change of a table of which hub_api may change anything; the trigger refuses it, not a missing grant."""
    rights = owner.execute(
        "select relname, has_any_column_privilege('hub_api', oid, 'insert'), "
        "has_any_column_privilege('hub_api', oid, 'update'), has_table_privilege('hub_api', oid, 'delete') "
        "from pg_class where relnamespace = 'app'::regnamespace and relkind = 'r'"
    ).fetchall()
    statements = [
        statement
        for table, *allowed in rights
        if table not in PERSONAL
        for statement, is_allowed in zip(
            (
                f"insert into app.{table} (org_id) select org_id from app.{table} where false",
                f"update app.{table} set {UPDATED.get(table, 'updated_at')} = null where false",
                f"delete from app.{table} where false",
            ),
            allowed,
            strict=True,
        )
        if is_allowed
    ]
    assert len(statements) > 50
    for statement in statements:
        with (
            _entered(hub_api, "analyst"),
            pytest.raises(psycopg.errors.InsufficientPrivilege, match="An analyst reads, and changes nothing"),
        ):
            hub_api.execute(statement)


@pytest.mark.parametrize(("owning", "stranger"), [("client", "client2"), ("provider", "provider2")])
def test_people_see_their_own_rows_only(
    owner: psycopg.Connection, hub_api: psycopg.Connection, owning: str, stranger: str
) -> None:
    tables = _tables(owner, "select") - WITHOUT_ORGANIZATION - COMMON
    with _entered(hub_api, owning):
        assert _count(hub_api, "bookings") == 1
        assert _count(hub_api, "invoice_lines") == 1
        assert _count(hub_api, "insight_events") == 0
    with _entered(hub_api, stranger):
        for table in tables - {"profiles"}:
            assert _count(hub_api, table) == 0, table
        people = "role = 'client' and id <> %s"
        assert _count(hub_api, "profiles", people, NORTH.id_of(stranger)) == 0


@pytest.mark.parametrize("person", ["admin", "system"])
def test_nobody_writes_into_another_organization(
    owner: psycopg.Connection, hub_api: psycopg.Connection, person: str
) -> None:
    elsewhere = "where org_id = %s returning 1"
    with _entered(hub_api, person):
        for table in _tables(owner, "update"):
            with hub_api.transaction():
                changed = hub_api.execute(f"update app.{table} set updated_at = now() {elsewhere}", [SOUTH.id])
            assert changed.fetchall() == [], table
            moved = f"update app.{table} set org_id = %s where org_id = %s"
            assert _refused(hub_api, moved, SOUTH.id, NORTH.id) or _count(hub_api, table) == 0, table
        for table in _tables(owner, "delete"):
            assert hub_api.execute(f"delete from app.{table} {elsewhere}", [SOUTH.id]).fetchall() == [], table
        for table in _tables(owner, "insert"):
            assert _refused(hub_api, _copy(owner, table), SOUTH.id), table


def _copy(owner: psycopg.Connection, table: str, org: Organization = SOUTH) -> str:
    """Return an insert statement that copies a row of `org`, with a new id."""
    columns = [
        name
        for (name,) in owner.execute(
            "select attname from pg_attribute where attrelid = %s::regclass and attnum > 0 and not attisdropped "
            "and attgenerated = '' and attname <> 'id'",
            [f"app.{table}"],
        )
    ]
    row = owner.execute(
        f"select to_jsonb(t)::text from app.{table} as t where org_id = %s limit 1", [org.id]
    ).fetchone()
    assert row is not None
    literal = sql.Literal(row[0]).as_string(owner)
    listed = ", ".join(columns)
    return (
        f"insert into app.{table} ({listed}) select {listed} from jsonb_populate_record(null::app.{table}, {literal}) "
        "where org_id = %s"
    )


def test_another_client_changes_nothing(owner: psycopg.Connection, hub_api: psycopg.Connection) -> None:
    with _entered(hub_api, "client2"):
        for table in _tables(owner, "update"):
            assert hub_api.execute(f"update app.{table} set updated_at = now() returning 1").fetchall() == [], table


@pytest.mark.parametrize("person", ["client", "provider"])
def test_only_admins_write_what_is_theirs(owner: psycopg.Connection, hub_api: psycopg.Connection, person: str) -> None:
    tables = owner.execute("select distinct polrelid::regclass::text from pg_policy where polname ~ '^admins_'")
    of_admins = {name.removeprefix("app.") for (name,) in tables}
    assert {"services", "service_packages", "service_add_ons", "price_rules", "organizations"} <= of_admins
    for table in of_admins:
        with _entered(hub_api, "admin"):
            own = hub_api.execute(f"update app.{table} set updated_at = now() returning 1")
            assert own.fetchall(), table
        with _entered(hub_api, person):
            assert not hub_api.execute(f"update app.{table} set updated_at = now() returning 1").fetchall(), table
            if table in _tables(owner, "insert"):
                assert _refused(hub_api, _copy(owner, table, NORTH), NORTH.id), table
            if table in _tables(owner, "delete"):
                assert not hub_api.execute(f"delete from app.{table} returning 1").fetchall(), table


def test_hub_api_has_no_further_privileges(owner: psycopg.Connection, hub_api: psycopg.Connection) -> None:
    role = owner.execute(
        "select rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication "
        "from pg_roles where rolname = 'hub_api'"
    ).fetchone()
    assert role == (False,) * 5
    groups = owner.execute(
        "select roleid::regrole::text from pg_auth_members where member = 'hub_api'::regrole"
    ).fetchall()
    assert groups == [("hub_reader",)]  # with the walls of BI: of the caller's organisation, for those who see all
    assert owner.execute("select from pg_class where relowner = 'hub_api'::regrole").fetchone() is None
    for statement in (
        "set role hub",
        "set session authorization hub",
        "alter role hub_api bypassrls",
        "alter table app.bookings disable row level security",
        "drop policy caller on app.bookings",
        "create table app.mine (id int)",
        "copy app.bookings to program 'cat'",
        "select pg_read_file('/etc/passwd')",
    ):
        assert _refused(hub_api, statement), statement
    hub_api.execute(
        "set row_security = off"
    )  # statements that would be filtered are refused now; no further rows are visible
    try:
        assert _refused(hub_api, "select from app.bookings")
    finally:
        hub_api.execute("reset row_security")


def test_only_the_api_executes_functions_of_the_hub(owner: psycopg.Connection) -> None:
    """Functions that a later migration adds included: EXECUTE goes to every role unless the migration revokes it."""
    open_to_others = owner.execute(
        "select oid::regprocedure::text from pg_proc where pronamespace = 'app'::regnamespace "
        "and has_function_privilege('hub_source', oid, 'execute')"
    ).fetchall()
    assert open_to_others == []
