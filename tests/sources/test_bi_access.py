"""Logins of BI tools: their passwords, limits and names."""

from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg
import pytest

from sources import bi_access, database
from sources.errors import HubError
from sources.settings import Settings

ORG, OTHER = uuid4(), uuid4()


@pytest.fixture
def name(connection: psycopg.Connection) -> Iterator[str]:
    """The name of a login, which is dropped in the end: roles belong to the server, which all tests share."""
    login = f"test_{uuid4().hex[:20]}"
    yield login
    connection.execute("reset role")
    if connection.execute("select from app.bi_access where login = %s", [login]).fetchone() is not None:
        bi_access.revoke(connection, login)


def test_a_login_has_limits_and_a_hashed_password(
    settings: Settings, connection: psycopg.Connection, name: str
) -> None:
    with psycopg.connect(settings.database_url) as owner:
        password = bi_access.add(owner, name, [ORG])
    assert password
    stored = connection.execute(
        "select rolpassword, rolconnlimit, rolsuper or rolbypassrls or rolcreaterole or rolcreatedb or rolreplication "
        "from pg_authid where rolname = %s",
        [name],
    ).fetchone()
    assert stored
    assert stored[0].startswith("SCRAM-SHA-256$4096:")
    assert stored[1:] == (bi_access.CONNECTIONS, False)
    with psycopg.connect(database.url_of(settings, name, password)) as reader:
        for setting, value in bi_access.SESSION.items():
            assert reader.execute("select current_setting(%s)", [setting]).fetchone() in [(value,), ("1min",)]
    logged = connection.execute("select query from pg_stat_statements where query ~ %s", [password]).fetchall()
    assert logged == []


def test_organizations_are_added_and_revoked_until_the_login_is_dropped(
    connection: psycopg.Connection, name: str
) -> None:
    assert bi_access.add(connection, name, [ORG])
    assert bi_access.add(connection, name, [ORG, OTHER]) is None
    [login] = [row for row in bi_access.listed(connection) if row["login"] == name]
    assert (set(login["org_ids"]), login["exists"], login["connections"]) == ({ORG, OTHER}, True, 0)
    assert bi_access.revoke(connection, name, [OTHER]) is False
    with pytest.raises(HubError, match="hub bi list"):
        bi_access.revoke(connection, name, [OTHER])
    assert bi_access.revoke(connection, name) is True
    assert connection.execute("select from pg_roles where rolname = %s", [name]).fetchone() is None


def test_a_login_that_owns_objects_elsewhere_is_closed_for_good(
    settings: Settings, connection: psycopg.Connection, name: str
) -> None:
    password = bi_access.add(connection, name, [ORG])
    assert password
    url = database.url_of(settings, name, password)
    other = urlunsplit(urlsplit(settings.database_url)._replace(path="/postgres"))
    with psycopg.connect(other, autocommit=True) as elsewhere, psycopg.connect(url, autocommit=True) as reader:
        elsewhere.execute(f"create table {name} (); alter table {name} owner to {name}")
        with (
            pytest.raises(HubError, match=r"is closed: .* another database \(postgres\)"),
            psycopg.connect(settings.database_url) as owner,
        ):
            bi_access.revoke(owner, name)
        with pytest.raises(psycopg.OperationalError):
            reader.execute("select 1")
        with pytest.raises(psycopg.OperationalError, match="not permitted to log in"):
            psycopg.connect(url)
        assert connection.execute("select from app.bi_access where login = %s", [name]).fetchone() is None
        elsewhere.execute(f"drop owned by {name}; drop role {name}")


def test_a_login_keeps_to_its_database_and_takes_no_advisory_lock(
    settings: Settings, connection: psycopg.Connection, name: str
) -> None:
    password = bi_access.add(connection, name, [ORG])
    assert password
    url = database.url_of(settings, name, password)
    for other in ("postgres", "template1"):
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            psycopg.connect(urlunsplit(urlsplit(url)._replace(path=f"/{other}")))
    with psycopg.connect(url, autocommit=True) as reader:
        for lock in ("pg_advisory_lock(1)", "pg_try_advisory_xact_lock(1, 2)", "pg_advisory_lock_shared(1)"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                reader.execute(f"select {lock}".encode())


def test_a_restored_database_gets_its_logins_again(connection: psycopg.Connection, name: str) -> None:
    """A dump has the rows of app.bi_access, but no roles."""
    bi_access.add(connection, name, [ORG])
    connection.execute(f"drop role {name}")
    assert [row["exists"] for row in bi_access.listed(connection) if row["login"] == name] == [False]
    assert bi_access.add(connection, name, [ORG])


@pytest.mark.parametrize("login", ["", "Metabase", "pg_monitor", "meta base", "x" * 41, 'a"b'])
def test_a_name_that_is_none_is_refused(connection: psycopg.Connection, login: str) -> None:
    with pytest.raises(HubError, match="is no name of a login"):
        bi_access.add(connection, login, [ORG])


@pytest.mark.parametrize("login", ["hub", "hub_api", "hub_reader"])
def test_a_role_of_others_is_refused(connection: psycopg.Connection, login: str) -> None:
    with pytest.raises(HubError, match="no login of this Hub"):
        bi_access.add(connection, login, [ORG])


def test_an_owner_without_superuser_manages_logins(
    settings: Settings, connection: psycopg.Connection, name: str
) -> None:
    owner = f"owner_{uuid4().hex[:20]}"
    connection.execute(f"create role {owner}")
    try:
        connection.execute(f"grant all on app.bi_access to {owner}; grant usage on schema app to {owner}")
        connection.execute(f"set role {owner}")
        with pytest.raises(HubError, match="alter role"), connection.transaction():
            bi_access.add(connection, name, [ORG])
        connection.execute("reset role")
        connection.execute(f"alter role {owner} createrole; grant hub_reader to {owner} with admin option")
        connection.execute(f"set role {owner}")
        password = bi_access.add(connection, name, [ORG])
        assert password
        with psycopg.connect(database.url_of(settings, name, password), autocommit=True) as reader:
            reader.execute("create temp table mine (id int)")
            assert bi_access.revoke(connection, name) is True
            with pytest.raises(psycopg.OperationalError):
                reader.execute("select 1")
    finally:
        connection.execute(f"reset role; drop owned by {owner}; drop role {owner}")


def test_the_policy_of_a_table_is_set_right_again(connection: psycopg.Connection) -> None:
    policy = "select pg_get_expr(polqual, polrelid) from pg_policy where polrelid = 'ml.walled'::regclass"
    connection.execute("create table ml.walled (org_id uuid); select app.wall_off('ml.walled')")
    right = connection.execute(policy).fetchall()
    connection.execute("alter policy readers on ml.walled using (true); select app.wall_off('ml.walled')")
    assert connection.execute(policy).fetchall() == right
    connection.execute("select app.wall_off('ml.walled', true)")
    assert connection.execute(policy).fetchall() == [("true",)]
