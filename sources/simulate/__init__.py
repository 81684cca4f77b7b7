"""The sample business: two organisations with a history, generated in memory and loaded by COPY.

Each organisation is made by vectorised steps, one module per step: people (people, services and packages),
availability (working hours and absences), bookings (requests with day, provider and price), statuses (intake),
planned_work (milestones, tasks and hours), statuses (timelines cut off at as_of), then the rows that depend on them:
progress, billing, feedback, sales_terms, targets. The module incidents plants the anomalies that an analyst should
find.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Final
from uuid import UUID

import numpy as np
import psycopg
from psycopg import sql

from sources import database, tables
from sources.errors import HubError
from sources.settings import Settings
from sources.simulate.availability import add_absences, add_calendar_events, free_hours, plan_absences
from sources.simulate.billing import add_billing
from sources.simulate.bookings import Orders, first_bookings, make_requests, place_orders, popular_service
from sources.simulate.business import BUSINESSES, Business
from sources.simulate.calendar import NEVER, Texts, day_number
from sources.simulate.copy import as_text, copy_rows
from sources.simulate.feedback import add_messages, add_reviews
from sources.simulate.incidents import Incident
from sources.simulate.people import People, World, add_organization, add_people_and_services, make_world
from sources.simulate.planned_work import plan_delivery
from sources.simulate.progress import add_bookings, add_delivery, progress_of
from sources.simulate.sales_terms import add_terms, settings_terms
from sources.simulate.statuses import add_history, make_timelines, plan_intake
from sources.simulate.targets import add_targets

TABLES: Final = (*tables.OPERATIONAL, tables.sample_incidents)  # parents before children
# Terms on which the API sells services; the warehouse reads none of them.
TERMS: Final = (tables.service_add_ons, tables.price_rules, tables.number_series)
# Tables of rows that users add to a sample organisation through the API, removed with it; children first.
ADDED_BY_USERS: Final = (
    tables.saved_views,
    tables.import_files,
    tables.import_jobs,
    tables.idempotency_keys,
    tables.api_keys,
    tables.booking_search,
    tables.live_changes,
    tables.booking_add_ons,
    tables.price_rules,
    tables.service_add_ons,
    tables.number_series,
    tables.processor_events,
)
SLUGS: Final = [business.slug for business in BUSINESSES]
MIN_BOOKINGS: Final = 20
MIN_DAYS: Final = 14

INDEX_FOR_SEARCH: Final = """
    insert into app.booking_search (booking_id, org_id, document)
    select b.id, b.org_id, app.search_document(b.booking_number, b.title, p.full_name, b.notes)
    from app.bookings as b
    inner join app.profiles as p on p.org_id = b.org_id and p.id = b.client_id
    where b.org_id in (select id from app.organizations where slug = any(%s))
    on conflict (booking_id) do nothing"""
NOTIFY_READERS: Final = """
    insert into app.live_changes (org_id, kind, data)
    select id, 'reload', '{}' from app.organizations where slug = any(%s)"""
DELETION: Final = "delete from {} as old where org_id in (select id from app.organizations where slug = any(%(slugs)s))"
DELETION_WITH_TOMBSTONES: Final = """
    with gone as ({deletion} returning old.id, old.org_id)
    insert into app.tombstones (table_name, row_id, org_id) select %(table)s, id, org_id from gone
    on conflict (table_name, row_id) do update
    set deleted_at = excluded.deleted_at, row_version = excluded.row_version"""


def load_sample(
    settings: Settings,
    *,
    bookings: int = 20_000,
    days: int = 730,
    seed: int = 7,
    as_of: date,
    progress: Callable[[str], None] | None = None,
) -> dict[str, int]:
    """Load the sample business into the operational database, in one transaction; return the number of rows by table.

    The same arguments give the same rows. If they are loaded already, nothing is written; a sample of other arguments
    is replaced. Only scheduled and due moments lie after the end of `as_of`.
    Raises HubError if `bookings` or `days` are too few, or the database cannot be reached.
    """
    _refuse_too_few(bookings, days)
    arguments: dict[str, object] = {"seed": seed, "as_of": as_of.isoformat(), "bookings": bookings, "days": days}
    report = progress or (lambda _: None)
    with database.connect(database.source_url(settings)) as connection:
        connection.execute("set local timezone to 'UTC'")
        connection.execute("select pg_advisory_xact_lock(hashtext('hub sample'))")
        present = _present(connection)
        if present == dict.fromkeys(SLUGS, arguments):
            report("The same sample is loaded already.")
            return _counts(connection)
        _skip_row_checks(connection)
        if present:
            report("Removing the earlier sample.")
            _remove(connection)
        rng = np.random.default_rng([seed, as_of.toordinal(), bookings, days])
        # The server loads one table while the next is generated here; one thread, as it alone uses the connection.
        with ThreadPoolExecutor(1) as loader:
            loads = []
            for business, count in zip(BUSINESSES, _shares(bookings), strict=True):
                report(f"{business.name}: {count:,} bookings.")
                world = simulate(business, rng, count, days, day_number(as_of), {"sample": arguments})
                for table in (table for table in (*TABLES, *TERMS) if table.name in world.rows):
                    rows = as_text(table, world.rows[table.name])
                    loads.append(loader.submit(copy_rows, connection, table, world.rows[table.name], rows))
            for load in loads:
                load.result()
        connection.execute(INDEX_FOR_SEARCH, [SLUGS])
        connection.execute(NOTIFY_READERS, [SLUGS])
        return _counts(connection)


def simulate(
    business: Business, rng: np.random.Generator, bookings: int, days: int, as_of: int, settings: dict[str, object]
) -> World:
    """Return the world of one organisation, with the rows of each table in `World.rows`.

    as_of: days since 1970-01-01.
    """
    world = make_world(business, rng, days, as_of)
    add_organization(world, settings | settings_terms())
    requests = make_requests(world, bookings)
    people = add_people_and_services(world, first_bookings(requests))
    absences = plan_absences(world, people)
    orders = place_orders(world, people, requests, free_hours(world, people, absences))
    add_absences(world, people, absences, orders.ill_provider)
    intake = plan_intake(world, orders)
    delivery = plan_delivery(world, people, orders, intake.start)
    timelines = make_timelines(world, orders, intake, delivery)
    progress = progress_of(world, timelines, delivery, timelines.at("confirmed") < NEVER)
    booking_ids = add_bookings(world, people, orders, timelines, progress)
    add_history(world, people, orders, timelines, booking_ids)
    add_delivery(world, people, orders, timelines, delivery, progress, booking_ids)
    add_billing(world, people, orders, timelines, booking_ids)
    add_messages(world, people, orders, timelines, booking_ids)
    add_reviews(world, people, orders, timelines, booking_ids)
    _add_incidents(world, people, orders)
    add_terms(world, people)
    add_calendar_events(world)
    add_targets(world, orders)
    return world


def _refuse_too_few(bookings: int, days: int) -> None:
    if bookings < MIN_BOOKINGS or days < MIN_DAYS:
        raise HubError(
            f"A sample of {bookings} bookings over {days} days is too small: "
            f"ask for at least {MIN_BOOKINGS} bookings and {MIN_DAYS} days."
        )


def _shares(bookings: int) -> list[int]:
    first = [round(bookings * business.share) for business in BUSINESSES[:-1]]
    return [*first, bookings - sum(first)]


def _add_incidents(world: World, people: People, orders: Orders) -> None:
    rows = [
        (incident, metrics, direction)
        for incident in world.incidents.values()
        for metrics, direction in ((incident.plan.rises, "up"), (incident.plan.falls, "down"))
        if metrics
    ]
    members = [_member(world, people, orders, incident) for incident, _, _ in rows]
    written = np.full(len(rows), world.now - 1)
    world.add_rows(
        "sample_incidents", world.new_ids(written), written, written,
        kind=_column([incident.plan.kind for incident, _, _ in rows]),
        description=_column([
            incident.plan.description.format(member=name)
            for (incident, _, _), (_, name) in zip(rows, members, strict=True)
        ]),
        metrics=_column(["{" + ",".join(metrics) + "}" for _, metrics, _ in rows]),
        dimension=_column([incident.plan.dimension for incident, _, _ in rows]),
        member=_column([member for member, _ in members]),
        direction=_column([direction for _, _, direction in rows]),
        starts_on=np.array([incident.first for incident, _, _ in rows], dtype="datetime64[D]"),
        ends_on=np.array([incident.last for incident, _, _ in rows], dtype="datetime64[D]"),
    )  # fmt: skip


def _member(world: World, people: People, orders: Orders, incident: Incident) -> tuple[str, str]:
    """Return the member of its dimension that an incident affects, and the name for its description."""
    if incident.plan.dimension == "service":
        popular = popular_service(world)
        return _dashed(people.services[popular]), world.business.services[popular].name
    if incident.plan.dimension == "provider":
        return _dashed(people.providers[orders.ill_provider]), people.provider_names[orders.ill_provider]
    return "all", ""


def _dashed(identifier: bytes) -> str:
    return str(UUID(identifier.decode()))


def _column(values: list[str]) -> Texts:
    return np.array(values, dtype=object)


def _present(connection: psycopg.Connection) -> dict[str, object]:
    """Return the arguments of each sample organisation that is loaded, by slug."""
    query = "select slug, settings -> 'sample' from app.organizations where slug = any(%s)"
    return dict(connection.execute(query, [SLUGS]).fetchall())


def _counts(connection: psycopg.Connection) -> dict[str, int]:
    counted = {}
    for table in TABLES:
        query = sql.SQL(
            "select count(*) from {} where org_id in (select id from app.organizations where slug = any(%s))"
        ).format(sql.Identifier(tables.SCHEMA, table.name))
        counted[table.name] = connection.execute(query, [SLUGS]).fetchall()[0][0]
    return counted


def _skip_row_checks(connection: psycopg.Connection) -> None:
    """Skip row triggers and foreign key checks, if the role may: they take most of the time.

    The rows satisfy them by construction, and the tests check every foreign key again.
    """
    query = "select has_parameter_privilege('session_replication_role', 'set')"
    if connection.execute(query).fetchone() == (True,):
        connection.execute("set local session_replication_role = replica")


def _remove(connection: psycopg.Connection) -> None:
    """Delete all rows of the sample organisations, and write the tombstones that the skipped triggers would write."""
    for table in (*ADDED_BY_USERS, *reversed(TABLES)):
        leaves_tombstones = table in tables.OPERATIONAL
        statement = sql.SQL(DELETION_WITH_TOMBSTONES if leaves_tombstones else "{deletion}").format(
            deletion=sql.SQL(DELETION).format(sql.Identifier(tables.SCHEMA, table.name))
        )
        connection.execute(statement, {"slugs": SLUGS, "table": table.name})
