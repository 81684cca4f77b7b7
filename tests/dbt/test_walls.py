"""A BI login sees the rows of its organisations in marts, analytics and ml, all of them, and nothing else anywhere.

The relations and functions are read from the catalogue, so that new ones are tested too.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import sql

from sources import bi_access, database
from sources.settings import Settings
from tests.conftest import clone
from tests.dbt.conftest import AS_OF, COMMON, READABLE, open_walls, rows
from tests.sources.entering import enter

pytestmark = pytest.mark.slow

OPEN_SCHEMAS: Final = {"marts", "analytics", "ml"}
VERSION: Final = "app.alembic_version"  # of the tables, which the API compares with its own
MARK: Final = "app.callers"  # a sequence: its current value in a session is the hash of the caller there
INSIGHTS: Final = "app.insight_events"  # some columns, for a function with the rights of the caller
RELATIONS: Final = """
    select nspname || '.' || relname, exists (
        select from pg_attribute where attrelid = pg_class.oid and attname = 'org_id' and not attisdropped
    )
    from pg_class
    join pg_namespace on pg_namespace.oid = relnamespace
    where nspname !~ '^pg_' and nspname <> 'information_schema' and relkind in ('r', 'p', 'v', 'm', 'f', 'S')
    order by 1
"""
FUNCTIONS: Final = """
    select nspname || '.' || proname, coalesce(proargnames[1:pronargs], '{}'), pronargdefaults
    from pg_proc
    join pg_namespace on pg_namespace.oid = pronamespace
    where nspname !~ '^pg_' and nspname <> 'information_schema' and has_function_privilege(pg_proc.oid, 'execute')
        and not exists (select from pg_depend where objid = pg_proc.oid and deptype = 'e')
"""
# A table of a model of the package ml or of landing that has no row of the organisation gets one.
REQUIRED: Final = """
    select attname, format_type(atttypid, null) as kind
    from pg_attribute
    where attrelid = %s::regclass and attnum > 0 and not attisdropped
        and (attname in ('id', 'org_id') or attnotnull and not atthasdef)
"""
VALUES: Final[dict[str, object]] = {
    "text": "x", "numeric": 1, "integer": 1, "double precision": 1, "boolean": False,
}  # fmt: skip


@dataclass(frozen=True)
class Counts:
    """Rows of a relation: of the organisation, and of others. A relation without org_id has only others."""

    own: int
    foreign: int


Seen = dict[str, Counts]


@pytest.fixture(scope="module")
def settings(server: str, built: Settings) -> Settings:
    """A clone of the built business, in which every table of ml and raw has rows of both organisations."""
    it = built.model_copy(update={"database_url": clone(server, built.database_url.rpartition("/")[2])})
    with psycopg.connect(it.database_url) as connection:
        org_ids = organizations(it)
        connection.execute(
            "insert into app.insight_events (org_id, kind, severity, metric, day, title, summary, dedupe_key, "
            "first_seen, last_seen) select org_id, 'anomaly', 'high', 'no_shows', as_of, 'x', 'x', 'x', now(), "
            "now() from marts.dim_organization"
        )
        for name, has_organization in connection.execute(RELATIONS).fetchall():
            if has_organization and name.startswith(("ml.", "raw.")):
                for org_id in org_ids:
                    _fill(connection, name, org_id)
        connection.execute(
            "update ml.anomalies set is_anomaly = true, severity = 'high', direction = 'up', day = as_of, began = as_of"
        )
    return it


def _fill(connection: psycopg.Connection, table: str, org_id: UUID) -> None:
    if connection.execute(f"select from {table} where org_id = %s limit 1", [org_id]).fetchone() is not None:
        return
    columns = connection.execute(REQUIRED, [table]).fetchall()
    values = {
        name: org_id if name == "org_id" else AS_OF if name == "as_of" else _value(kind) for name, kind in columns
    }
    connection.execute(
        sql.SQL("insert into {} ({}) values ({})").format(
            sql.Identifier(*table.split(".")),
            sql.SQL(", ").join(map(sql.Identifier, values)),
            sql.SQL(", ").join(map(sql.Literal, values.values())),
        )
    )


def _value(kind: str) -> object:
    if kind == "uuid":
        return uuid4()
    return "2025-07-01" if kind == "date" else VALUES[kind]


def organizations(settings: Settings) -> list[UUID]:
    return [row["org_id"] for row in rows(settings, "select org_id from marts.dim_organization order by slug")]


@pytest.fixture(scope="module")
def own(settings: Settings) -> UUID:
    return organizations(settings)[0]


@pytest.fixture
def login(settings: Settings, own: UUID) -> Iterator[str]:
    """The address of a login of one organisation."""
    name = f"one_{uuid4().hex[:20]}"  # roles belong to the server
    with psycopg.connect(settings.database_url) as owner:
        password = bi_access.add(owner, name, [own])
    assert password
    yield database.url_of(settings, name, password)
    with psycopg.connect(settings.database_url) as owner:
        bi_access.revoke(owner, name)


def seen(connection: psycopg.Connection, org_id: UUID) -> Seen:
    """Count the rows of each relation that the role of the connection may read."""
    found = {}
    # Whole views are counted, for which nested loops take minutes; the walls are the same in every plan.
    connection.execute("set enable_nestloop = off")
    for name, has_organization in connection.execute(RELATIONS).fetchall():
        is_own = "org_id = %(org_id)s" if has_organization else "false"
        query = f"select count(*) filter (where {is_own}), count(*) from {name}"
        try:
            with connection.transaction():
                row = connection.execute(query, {"org_id": org_id}).fetchone()
        except psycopg.errors.InsufficientPrivilege:
            continue
        assert row
        found[name] = Counts(row[0], row[1] - row[0])
    return found


@pytest.fixture(scope="module")
def expected(settings: Settings, own: UUID) -> Seen:
    """What a login of the organisation has to see: every row of it, and of the common tables."""
    with psycopg.connect(settings.database_url) as owner:
        everything = seen(owner, own)
    assert [name for name, counts in everything.items() if name not in COMMON and name.startswith("ml.") and not (
        counts.own and counts.foreign)] == []  # fmt: skip
    return {
        name: Counts(counts.own, counts.foreign if name in COMMON else 0)
        for name, counts in everything.items()
        if name == INSIGHTS or (name.partition(".")[0] in OPEN_SCHEMAS and name != "ml.fingerprints")
    }


def test_a_login_sees_every_row_of_its_organization_and_no_other(
    settings: Settings, own: UUID, expected: Seen, login: str
) -> None:
    with psycopg.connect(login) as reader:
        assert seen(reader, own) == expected
    with psycopg.connect(settings.database_url) as owner:
        alone = [name for name, counts in seen(owner, own).items() if name in expected and not counts.foreign]
    # Everywhere else there are rows of the other organisation to be hidden.
    assert set(alone) <= {
        "analytics.v_booking_pace", "analytics.v_other_currencies", "analytics.v_forecast_accuracy",
        "analytics.v_metric_forecast_accuracy",
    }  # fmt: skip


@pytest.fixture(scope="module")
def members(settings: Settings, own: UUID) -> dict[str, UUID]:
    """A person of each role in the organisation."""
    found = rows(
        settings, f"select role, min(id::text)::uuid as id from app.profiles where org_id = '{own}' group by role"
    )
    return {row["role"]: row["id"] for row in found}


def test_a_page_reads_what_a_login_of_its_visitors_organization_reads(
    settings: Settings, own: UUID, expected: Seen, members: dict[str, UUID]
) -> None:
    with psycopg.connect(database.api_url(settings)) as page:
        enter(page, own, members["admin"])
        found = seen(page, own)
        assert {name: counts for name, counts in found.items() if name in expected} == expected
        foreign = {name for name, counts in found.items() if name not in expected and counts.foreign}
        assert foreign <= {VERSION, MARK}


@pytest.mark.parametrize("role", ["client", "provider"])
def test_a_page_reads_no_figures_for_clients_and_providers(
    settings: Settings, own: UUID, expected: Seen, members: dict[str, UUID], role: str
) -> None:
    with psycopg.connect(database.api_url(settings)) as page:
        enter(page, own, members[role])
        found = seen(page, own)
    common = {name: counts for name, counts in expected.items() if name in COMMON}
    figures = {
        name: counts
        for name, counts in found.items()
        if name.partition(".")[0] in OPEN_SCHEMAS and counts != Counts(0, 0)
    }
    assert figures == {name: counts for name, counts in common.items() if counts != Counts(0, 0)}


def test_a_connection_of_the_api_that_is_nobodys_reads_nothing(settings: Settings, own: UUID) -> None:
    with psycopg.connect(database.api_url(settings)) as nobody:
        found = seen(nobody, own)
    assert {name for name, counts in found.items() if counts != Counts(0, 0)} <= {*COMMON, VERSION, MARK}


@pytest.mark.parametrize(
    "mutation",
    [
        "drop policy readers on marts.fct_payments",
        "drop policy readers on ml.anomalies",
        "alter table marts.fct_payments disable row level security",
        "alter table ml.forecasts disable row level security",
        "alter view analytics.v_booking_trends set (security_invoker = false)",
        "alter view marts.dim_member set (security_invoker = false)",
        "create policy further on marts.dim_client to hub_reader using (true)",
        "grant usage on schema raw to hub_reader",
        "insert into app.bi_access (login, org_id) select session_user, org_id from marts.dim_organization "
        "on conflict do nothing",
    ],
)
def test_the_rows_show_an_open_wall(settings: Settings, own: UUID, expected: Seen, login: str, mutation: str) -> None:
    name = psycopg.conninfo.conninfo_to_dict(login)["user"]
    with psycopg.connect(settings.database_url) as owner, owner.transaction(force_rollback=True):
        owner.execute(mutation.replace("session_user", f"'{name}'"))
        owner.execute(sql.SQL("set local session authorization {}").format(sql.Identifier(str(name))))
        assert seen(owner, own) != expected


@pytest.mark.parametrize(
    ("mutation", "relation"),
    [
        # Joins with other tables hide the rows of these from each view that reads them.
        ("alter table intermediate.int_booking_states disable row level security", "intermediate.int_booking_states"),
        ("alter view staging.stg_app__run_clock set (security_invoker = false)", "staging.stg_app__run_clock"),
        ("alter policy readers on raw.bookings using (true)", "raw.bookings"),
        ("drop policy readers on marts.dim_date", "marts.dim_date"),
    ],
)
def test_the_catalogue_shows_an_open_wall(settings: Settings, mutation: str, relation: str) -> None:
    with psycopg.connect(settings.database_url) as owner, owner.transaction(force_rollback=True):
        assert len(owner.execute(READABLE).fetchall()) > 80
        assert open_walls(owner) == set()
        owner.execute(mutation)
        assert open_walls(owner) == {relation}


def test_a_table_without_organizations_fails(settings: Settings) -> None:
    with psycopg.connect(settings.database_url) as owner:
        owner.execute("create table marts.fct_anything (id uuid)")
        with pytest.raises(psycopg.errors.UndefinedColumn, match="org_id"):
            owner.execute("select app.wall_off('marts.fct_anything')")


def test_access_follows_the_list_at_once(settings: Settings) -> None:
    first, second = organizations(settings)
    name = f"two_{uuid4().hex[:20]}"
    count = "select count(distinct org_id) from marts.fct_bookings"
    with psycopg.connect(settings.database_url, autocommit=True) as owner:
        password = bi_access.add(owner, name, [first, second])
        assert password
        with psycopg.connect(database.url_of(settings, name, password), autocommit=True) as reader:
            assert reader.execute(count).fetchone() == (2,)
            assert bi_access.revoke(owner, name, [second]) is False
            assert reader.execute(count).fetchone() == (1,)
            assert bi_access.add(owner, name, [second]) is None
            assert reader.execute(count).fetchone() == (2,)
            assert bi_access.revoke(owner, name) is True
            with pytest.raises(psycopg.OperationalError):
                reader.execute(count)


def test_functions_show_no_other_organization(settings: Settings, own: UUID, login: str) -> None:
    """The functions that a login may call, but for those of extensions."""
    other = next(org_id for org_id in organizations(settings) if org_id != own)
    values = {"p_from": "'2000-01-01'", "p_to": "'2100-01-01'", "p_metric": "'booked_revenue'"}
    called, without = set(), set()
    with psycopg.connect(login, autocommit=True) as reader:
        for name, arguments, defaults in reader.execute(FUNCTIONS).fetchall():
            if arguments[:1] != ["p_org_id"]:
                without.add(name)
                continue
            needed = [values[argument] for argument in arguments[1 : len(arguments) - defaults]]
            query = "select count(*) from {}({})"
            answer = reader.execute(query.format(name, ", ".join([f"'{other}'", *needed])).encode()).fetchone()
            assert answer == (0,), name
            called.add(name)
    assert len(called) >= 7
    assert without == {"app.organizations_of_login"}


def test_the_list_is_read_once_for_each_table(login: str) -> None:
    with psycopg.connect(login) as reader:
        plan = reader.execute("explain (analyze, costs off, timing off) select * from marts.fct_bookings").fetchall()
    lines = "\n".join(line for (line,) in plan)
    assert "InitPlan" in lines
    assert not re.search(r"(Filter|Cond): .*organizations_of_login", lines)


def test_a_session_cannot_get_round_the_walls(settings: Settings, own: UUID, login: str) -> None:
    with psycopg.connect(login, autocommit=True) as reader:
        for statement in (
            "set role hub_reader",
            "set role hub",
            "set session authorization hub",
            "select app.wall_off('marts.fct_bookings')",
            "select * from app.bi_access",
            "insert into marts.dim_metric select * from marts.dim_metric",
            "delete from marts.fct_bookings",
            "create table analytics.mine (id int)",
            "create table public.mine (id int)",
            "alter table marts.fct_bookings disable row level security",
            "select pg_read_file('/etc/passwd')",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                reader.execute(statement)
        reader.execute("set row_security = off")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            reader.execute("select from marts.fct_bookings")
        reader.execute("reset row_security")
        # A function that tells what it is called with sees only the rows that the policy lets through.
        told: list[str] = []
        reader.add_notice_handler(lambda notice: told.append(str(notice.message_primary)))
        reader.execute(
            "create function pg_temp.tell(uuid) returns boolean language plpgsql cost 0.0000001 as "
            "$$ begin raise notice '%', $1; return true; end $$"
        )
        for relation in ("marts.fct_bookings", "analytics.v_booking_status"):
            reader.execute(f"select count(*) from {relation} where pg_temp.tell(org_id)")
        assert set(told) == {str(own)}
