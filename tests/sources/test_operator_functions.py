"""The functions with which an operator's login changes something: in its organisations, and refused elsewhere."""

from collections.abc import Iterator
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.types.json import Jsonb

from sources import bi_access, database
from sources.settings import Settings
from tests.sources.business import NORTH, SOUTH, seed


@pytest.fixture
def operator(settings: Settings, connection: psycopg.Connection) -> Iterator[psycopg.Connection]:
    """The connection of a login of NORTH that is an operator."""
    seed(connection)
    name = f"test_{uuid4().hex[:20]}"
    password = bi_access.add(connection, name, [NORTH.id])
    assert password
    connection.execute(f"grant hub_operator to {name}")
    with psycopg.connect(database.url_of(settings, name, password), autocommit=True) as login:
        yield login
    bi_access.revoke(connection, name)


def one(connection: psycopg.Connection, query: str, *values: object) -> tuple[object, ...]:
    row = connection.execute(query.encode(), values).fetchone()
    assert row is not None
    return row


def insight(connection: psycopg.Connection, org_id: UUID) -> UUID:
    """Return the id of a new open insight."""
    [made] = one(
        connection,
        "insert into app.insight_events (org_id, kind, severity, metric, day, title, summary, dedupe_key, first_seen, "
        "last_seen) values (%s, 'anomaly', 'high', 'no_shows', '2026-03-01', 'No-shows', 'Many.', 'x', now(), now()) "
        "returning id",
        org_id,
    )
    assert isinstance(made, UUID)
    return made


def delivery(connection: psycopg.Connection, org_id: UUID) -> UUID:
    """Return the id of a new pending delivery."""
    [made] = one(
        connection,
        "with channel as (insert into app.notification_channels (org_id, name, kind, target) "
        "values (%s, 'mail', 'email', 'a@b.example') returning org_id, id) "
        "insert into app.notification_deliveries (org_id, channel_id, digest_day, recipient, event) "
        "select org_id, id, '2026-03-01', 'a@b.example', 'digest' from channel returning id",
        org_id,
    )
    assert isinstance(made, UUID)
    return made


def test_a_request_waits_until_it_is_claimed(operator: psycopg.Connection, connection: psycopg.Connection) -> None:
    request = one(operator, "select app.generate_daily_insights(%s)", NORTH.id)
    assert one(operator, "select app.generate_daily_insights(%s)", NORTH.id) == request
    waiting = "select status, org_id, requested_by like 'login test%%' from app.insight_run_logs where id = %s"
    assert one(connection, waiting, *request) == ("requested", NORTH.id, True)
    connection.execute("update app.insight_run_logs set status = 'succeeded', counts = %s", [Jsonb({})])
    assert one(operator, "select app.generate_daily_insights(%s)", NORTH.id) != request


def test_what_is_due_is_requested_for_the_organizations_of_the_login(
    operator: psycopg.Connection, connection: psycopg.Connection
) -> None:
    due = "select * from app.fn_auto_generate_insights()"
    assert operator.execute(due).fetchall() == []
    connection.execute(
        "insert into raw.run_clock (org_id, as_of, as_of_at) select unnest(%s), '2026-03-01', now()",
        [[NORTH.id, SOUTH.id]],
    )
    requested = operator.execute(due).fetchall()
    assert (
        connection.execute("select id from app.insight_run_logs where org_id = %s", [NORTH.id]).fetchall() == requested
    )
    assert one(connection, "select count(*) from app.insight_run_logs") == (1,)
    assert len(connection.execute(due).fetchall()) == 2  # the owner: for both


def test_an_insight_is_resolved_once(operator: psycopg.Connection, connection: psycopg.Connection) -> None:
    insight_id = insight(connection, NORTH.id)
    resolve = "select app.resolve_insight(%s, %s, 'Two people were ill.')"
    operator.execute(resolve, [NORTH.id, insight_id])
    assert one(
        connection,
        "select status, feedback, resolved_at is not null, closed_by like 'login test%%' from app.insight_events",
    ) == ("resolved", "Two people were ill.", True, True)
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="already resolved"):
        operator.execute(resolve, [NORTH.id, insight_id])
    with pytest.raises(psycopg.errors.NoDataFound, match="no such insight"):
        operator.execute(resolve, [NORTH.id, insight(connection, SOUTH.id)])


def test_attempts_are_logged_until_one_succeeds(operator: psycopg.Connection, connection: psycopg.Connection) -> None:
    delivery_id = delivery(connection, NORTH.id)
    log = "select app.log_notification_attempt(%s, %s, %s, %s)"
    with connection.transaction():  # a worker sends it
        connection.execute("select pg_advisory_xact_lock(hashtextextended(%s::text, 0))", [delivery_id])
        with pytest.raises(psycopg.errors.LockNotAvailable, match="is sending"):
            operator.execute(log, [NORTH.id, delivery_id, True, None])
    operator.execute(log, [NORTH.id, delivery_id, False, "The mailbox is full."])
    present = "select state, attempts, last_error, sent_at is not null from app.notification_deliveries"
    assert one(connection, present) == ("failed", 1, "The mailbox is full.", False)
    operator.execute(log, [NORTH.id, delivery_id, True, None])
    assert one(connection, present) == ("sent", 2, None, True)
    attempts = connection.execute(
        "select attempt, outcome, detail from app.notification_attempts order by 1"
    ).fetchall()
    assert attempts == [(1, "failed", "The mailbox is full."), (2, "sent", None)]
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="already sent"):
        operator.execute(log, [NORTH.id, delivery_id, True, None])
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="p_ok"):
        operator.execute(log, [NORTH.id, delivery_id, None, None])
    with pytest.raises(psycopg.errors.NoDataFound, match="no such delivery"):
        operator.execute(log, [NORTH.id, delivery(connection, SOUTH.id), True, None])


@pytest.mark.parametrize(
    "call",
    [
        "generate_daily_insights(%(org)s)",
        "resolve_insight(%(org)s, %(id)s, null)",
        "log_notification_attempt(%(org)s, %(id)s, true, null)",
    ],
)
def test_another_organization_is_refused(
    operator: psycopg.Connection, connection: psycopg.Connection, call: str
) -> None:
    made = delivery if call.startswith("log") else insight
    parameters = {"org": SOUTH.id, "id": made(connection, SOUTH.id)}
    query = f"select app.{call}".encode()
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="is not one of the login"):
        operator.execute(query, parameters)
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="is not one of the login"):
        operator.execute(query, {**parameters, "org": None})
    connection.execute(query, parameters)  # the owner may


def test_operators_alone_call_them(operator: psycopg.Connection, connection: psycopg.Connection) -> None:
    allowed = connection.execute(
        "select proname from pg_proc where pronamespace = 'app'::regnamespace "
        "and has_function_privilege('hub_operator', oid, 'execute') order by 1"
    ).fetchall()
    assert [name for (name,) in allowed] == [
        "fn_auto_generate_insights", "generate_daily_insights", "log_notification_attempt", "resolve_insight",
    ]  # fmt: skip
    for role in ("hub_reader", "hub_api", "hub_source"):
        for (name,) in allowed:
            assert one(
                connection,
                "select has_function_privilege(%s, oid, 'execute') from pg_proc "
                "where proname = %s and pronamespace = 'app'::regnamespace",
                role,
                name,
            ) == (False,)
