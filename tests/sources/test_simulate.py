"""The sample business: repeatable, consistent, and with incidents that show in the metrics."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from sources import lifecycle, tables
from sources.errors import HubError
from sources.settings import Settings
from sources.simulate import TABLES, load_sample
from sources.simulate.statuses import OUTCOMES
from tests.conftest import TEMPLATE, clone, execute

AS_OF = date(2025, 11, 16)  # a Sunday: few bookings, but the payment outage must show even then
DAYS = 420  # the last 60 days and the same days a year before


def load_small(settings: Settings, seed: int = 7) -> dict[str, int]:
    return load_sample(settings, bookings=200, days=60, seed=seed, as_of=AS_OF)


@dataclass(frozen=True)
class Sample:
    connection: psycopg.Connection
    counts: dict[str, int]

    def rows(self, query: str) -> list[tuple[object, ...]]:
        return self.connection.execute(query).fetchall()

    def number(self, query: str) -> float:
        value = self.rows(query)[0][0]
        assert isinstance(value, int | float | Decimal)
        return float(value)


@pytest.fixture(scope="module")
def sample(server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sample]:
    """Return a sample of 3,000 bookings over 420 days, in a database of this module."""
    url = clone(server, TEMPLATE)
    settings = Settings(home=tmp_path_factory.mktemp("sample"), database_url=url)
    counts = load_sample(settings, bookings=3_000, days=DAYS, as_of=AS_OF)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("analyze")
        yield Sample(connection, counts)
    execute(server, f"drop database {urlsplit(url).path[1:]} with (force)")


def fingerprint(connection: psycopg.Connection) -> dict[str, str]:
    """Return a hash of the rows of every table, without row_version, the only column that the database fills in."""
    return {
        table.name: connection.execute(
            f"select md5(string_agg((to_jsonb(r) - 'row_version')::text, '' order by id)) from app.{table.name} r"
        ).fetchall()[0][0]
        for table in TABLES
    }


def test_the_same_arguments_give_the_same_rows(server: str, tmp_path: Path) -> None:
    fingerprints = []
    for _ in range(2):
        url = clone(server, TEMPLATE)
        load_small(Settings(home=tmp_path, database_url=url))
        with psycopg.connect(url) as connection:
            fingerprints.append(fingerprint(connection))
    assert fingerprints[0] == fingerprints[1]
    assert None not in fingerprints[0].values()


def test_a_second_load_writes_nothing(settings: Settings, connection: psycopg.Connection) -> None:
    counts = load_small(settings)
    versions = "select max(row_version), (select count(*) from app.tombstones) from app.bookings"
    before = connection.execute(versions).fetchone()
    assert load_small(settings) == counts
    assert connection.execute(versions).fetchone() == before
    assert counts["bookings"] == 200


def test_other_arguments_replace_the_sample_and_write_tombstones(
    settings: Settings, connection: psycopg.Connection
) -> None:
    first = load_small(settings)
    other = connection.execute(
        "insert into app.organizations (id, org_id, name, slug, timezone, currency) "
        "select i, i, 'Own', 'own', 'UTC', 'EUR' from uuidv7() i returning id"
    ).fetchone()
    second = load_small(settings, seed=8)
    tombstones = connection.execute("select table_name, count(*) from app.tombstones group by 1").fetchall()
    assert dict(tombstones) == {name: rows for name, rows in first.items() if name != "sample_incidents"}
    assert connection.execute("select count(*) from app.bookings").fetchone() == (second["bookings"],)
    assert connection.execute("select id from app.organizations where slug = 'own'").fetchone() == other


def test_too_small_a_sample_is_refused(settings: Settings) -> None:
    with pytest.raises(HubError, match="at least 20 bookings and 14 days"):
        load_sample(settings, bookings=5, days=60, as_of=AS_OF)


def test_every_foreign_key_holds(sample: Sample) -> None:
    """The load may skip the foreign key checks of the database, so that each is checked again here."""
    keys = sample.rows(
        "select conrelid::regclass, conname, pg_get_constraintdef(oid) from pg_constraint "
        "where contype = 'f' and connamespace = 'app'::regnamespace"
    )
    assert len(keys) > 40
    for table, name, definition in keys:
        sample.connection.execute(f"alter table {table} drop constraint {name}, add constraint {name} {definition}")


def test_returned_counts_are_the_rows_of_the_tables(sample: Sample) -> None:
    for table in TABLES:
        assert sample.number(f"select count(*) from app.{table.name}") == sample.counts[table.name] > 0


def test_two_organisations_have_their_own_time_zones(sample: Sample) -> None:
    shares = sample.rows(
        "select o.timezone, o.currency, count(*) * 100 / 3000 from app.bookings b "
        "join app.organizations o on o.id = b.org_id group by 1, 2 order by 1"
    )
    assert shares == [("America/New_York", "USD", 40), ("Europe/Madrid", "EUR", 60)]


# Name of a rule -> query for the rows that violate it.
VIOLATIONS = {
    "history ends with the status": """
        select b.id from app.bookings b
        join lateral (
            select to_status from app.booking_status_history h where h.booking_id = b.id
            order by changed_at desc limit 1
        ) h on true where h.to_status <> b.status""",
    "every booking has one first status": """
        select b.id from app.bookings b where 1 <> (
            select count(*) from app.booking_status_history h where h.booking_id = b.id and from_status is null)""",
    "history is a chain, in time": """
        select id from (
            select id, from_status, changed_at,
                lag(to_status) over w as previous, lag(changed_at) over w as previous_at
            from app.booking_status_history window w as (partition by booking_id order by changed_at)
        ) h where from_status is distinct from previous or changed_at <= previous_at""",
    "completed_at and cancelled_at agree with the status": f"""
        select id from app.bookings
        where (status = 'completed') <> (completed_at is not null)
            or (status = any('{{{",".join(lifecycle.CANCELLED)}}}')) <> (cancelled_at is not null)
            or completed_at < created_at or cancelled_at < created_at""",
    "no booking begins before it is made": """
        select id from app.bookings where scheduled_start <= created_at""",
    "invoice lines sum to the total": """
        select i.id from app.invoices i join app.invoice_lines l on l.invoice_id = i.id
        group by i.id having sum(l.amount) <> i.total_amount""",
    "every invoice has lines": """
        select id from app.invoices where id not in (select invoice_id from app.invoice_lines)""",
    "completed bookings are invoiced in full": """
        select b.id from app.bookings b left join app.invoices i on i.booking_id = b.id and i.status <> 'void'
        where b.status = 'completed' group by b.id having coalesce(sum(i.total_amount), 0) <> b.total_amount""",
    "invoice numbers have no gaps": """
        select org_id from app.invoices group by org_id
        having count(*) <> max(right(invoice_number, 6)::int) or min(right(invoice_number, 6)::int) <> 1""",
    "payments agree with the invoice's status": """
        select i.id, i.status, i.total_amount, coalesce(p.net, 0) from app.invoices i left join (
            select invoice_id, sum(case kind when 'refund' then -amount else amount end) as net
            from app.payments where status = 'succeeded' group by invoice_id
        ) p on p.invoice_id = i.id
        where not case i.status
            when 'paid' then p.net = i.total_amount
            when 'part_paid' then p.net > 0 and p.net < i.total_amount
            when 'void' then coalesce(p.net, 0) = 0
            when 'overdue' then coalesce(p.net, 0) < i.total_amount and i.due_at < timestamptz '2025-11-17 12:00Z'
            else p.net is null end""",
    "a failed payment has a reason and no day": """
        select id from app.payments where (status = 'failed') <> (failure_reason is not null)
            or (status = 'succeeded') <> (paid_at is not null)""",
    "completed bookings have full progress": """
        select b.id from app.bookings b where status = 'completed' and (
            progress_pct <> 100
            or exists (select from app.milestones m where m.booking_id = b.id and m.status <> 'approved')
            or exists (select from app.tasks t where t.booking_id = b.id and t.status <> 'done'))""",
    "progress of milestones is the roll-up of their tasks": """
        select m.id from app.milestones m join app.tasks t on t.milestone_id = m.id and t.status <> 'cancelled'
        group by m.id having m.progress_pct <> round(sum(t.progress_pct * t.weight) / sum(t.weight), 2)""",
    "progress of bookings is the roll-up of their milestones": """
        select b.id from app.bookings b join app.milestones m on m.booking_id = b.id and m.status <> 'cancelled'
        group by b.id having b.progress_pct <> round(sum(m.progress_pct * m.weight) / sum(m.weight), 2)""",
    "an approved milestone has its approval": """
        select m.id from app.milestones m where (m.status = 'approved') <> exists (
            select from app.approvals a where a.milestone_id = m.id and a.status = 'approved')""",
    "work is recorded between the first and the last hour of a working day": """
        select t.id from app.time_entries t join app.organizations o on o.id = t.org_id
        where extract(hour from started_at at time zone o.timezone) not between 9 and 17
            or (ended_at at time zone o.timezone)::time > time '18:00'
            or ended_at - started_at > interval '4 hours'
            or extract(isodow from started_at at time zone o.timezone) = 7""",
    "work begins when the booking is in progress": """
        select t.id from app.time_entries t where started_at < (
            select min(changed_at) from app.booking_status_history h
            where h.booking_id = t.booking_id and to_status = 'in_progress')""",
    "reviews follow completion": """
        select r.id from app.reviews r join app.bookings b on b.id = r.booking_id
        where b.completed_at is null or r.reviewed_at <= b.completed_at""",
    "no service on a public holiday": """
        select b.id from app.bookings b join app.organizations o on o.id = b.org_id
        where to_char(scheduled_start at time zone o.timezone, 'MM-DD') in ('12-25', '01-01')""",
}


def test_the_sample_has_the_terms_of_sale_that_the_api_needs(sample: Sample) -> None:
    assert sample.rows("select count(*) from app.service_add_ons group by service_id having count(*) <> 2") == []
    assert sample.rows("select count(*) from app.price_rules group by org_id") == [(2,), (2,)]
    assert sample.rows("select settings -> 'deposit_pct' from app.organizations") == [(40,), (40,)]
    last = "select max(right(invoice_number, 6)::int) from app.invoices as i where i.org_id = n.org_id"
    assert sample.rows(f"select last_number - ({last}) from app.number_series as n") == [(0,), (0,)]


@pytest.mark.parametrize("rule", VIOLATIONS)
def test_no_row_violates_a_rule(sample: Sample, rule: str) -> None:
    assert sample.rows(VIOLATIONS[rule])[:3] == []


def test_only_scheduled_and_due_moments_lie_after_as_of(sample: Sample) -> None:
    for table in tables.OPERATIONAL:
        moments = [c.name for c in table.c if c.type is tables.Timestamp and c.computed is None]
        past = [name for name in moments if not name.startswith(("scheduled_", "due_"))]
        late = " or ".join(f"(r.{name} at time zone o.timezone)::date > date '{AS_OF}'" for name in past)
        query = f"select r.id from app.{table.name} r join app.organizations o on o.id = r.org_id where {late}"
        assert sample.rows(query) == [], table.name
        assert sample.rows(f"select id from app.{table.name} where updated_at < created_at") == [], table.name


def test_identifiers_are_uuid7_of_the_creation_time(sample: Sample) -> None:
    for table in tables.OPERATIONAL:
        wrong = (
            f"select id from app.{table.name} where uuid_extract_version(id) is distinct from 7 "
            "or abs(extract(epoch from uuid_extract_timestamp(id) - created_at)) > 0.001"
        )
        assert sample.rows(wrong) == [], table.name


def test_statuses_agree_with_as_of(sample: Sample) -> None:
    found = {
        (str(row[0]), str(row[1]))
        for row in sample.rows(
            f"select case when scheduled_end < '{AS_OF}' then 'past' "
            f"when scheduled_start >= date '{AS_OF}' + 2 then 'future' else 'running' end, status from app.bookings"
        )
    }
    assert {("past", status) for status in (*OUTCOMES, "delivered")} <= found
    assert {("future", "confirmed"), ("future", "scheduled"), ("running", "in_progress")} <= found
    assert {("future", "completed"), ("future", "in_progress")} & found == set()
    completed = sample.number(
        f"select avg((status = 'completed')::int) from app.bookings where scheduled_end < date '{AS_OF}' - 30"
    )
    assert 0.75 < completed < 0.9


def test_some_work_is_late(sample: Sample) -> None:
    late = sample.number("select avg((completed_at > due_at + interval '1 day')::int) from app.milestones")
    overdue = sample.number(
        f"select count(*) from app.milestones where due_at < '{AS_OF}' and status in ('pending', 'in_progress')"
    )
    assert 0.02 < late < 0.4
    assert overdue > 0


@pytest.mark.parametrize("moment", ["created_at", "scheduled_start"])
def test_there_are_few_bookings_on_weekends_and_in_august_in_madrid(sample: Sample, moment: str) -> None:
    local = f"b.{moment} at time zone o.timezone"
    weekend = sample.number(
        f"select avg((extract(isodow from {local}) > 5)::int) "
        "from app.bookings b join app.organizations o on o.id = b.org_id"
    )
    august, october = (
        sample.number(
            f"select count(*) from app.bookings b join app.organizations o on o.id = b.org_id "
            f"where o.country = 'ES' and to_char({local}, 'YYYY-MM') = '2025-{month}'"
        )
        for month in ("08", "10")
    )
    assert 0 < weekend < 0.15
    assert august < 0.8 * october


def test_the_business_grows(sample: Sample) -> None:
    autumns = [
        sample.number(f"select count(*) from app.bookings where created_at between '{year}-09-24' and '{year}-11-15'")
        for year in (2024, 2025)
    ]
    assert autumns[1] > autumns[0] * 1.05


# Metric -> table, timestamp column, value and condition of its value on a local day.
DAILY = {
    "bookings_created": ("bookings", "created_at", "one", "true"),
    "booked_revenue": ("bookings", "created_at", "total_amount", "true"),
    "bookings_completed": ("bookings", "completed_at", "one", "true"),
    "bookings_cancelled": ("bookings", "cancelled_at", "one", "true"),
    "failed_payments": ("payments", "created_at", "one", "status = 'failed'"),
    "collected_revenue": ("payments", "paid_at", "case kind when 'refund' then -amount else amount end", "true"),
    "tracked_hours": ("time_entries", "started_at", "extract(epoch from ended_at - started_at) / 3600", "true"),
}


def test_every_kind_of_incident_is_planted(sample: Sample) -> None:
    kinds = sample.rows("select distinct kind from app.sample_incidents where starts_on > date '2025-04-30'")
    assert len(kinds) >= 6
    assert sample.number(f"select count(*) from app.sample_incidents where ends_on >= date '{AS_OF}' - 1") > 0


def level(sample: Sample, metric: str, org_id: object, members: str, first: object, last: object) -> float:
    """Return the mean of a metric from `first` to `last`, over that of the same weekdays of the twelve weeks before."""
    table, moment, value, condition = DAILY[metric]
    return sample.number(f"""
        with daily as (
            select d::date as day, d::date >= '{first}' as is_during, coalesce(sum({value}), 0) as value
            from generate_series(date '{first}' - 84, date '{last}', '1 day') d
            cross join (select timezone from app.organizations where id = '{org_id}') o
            left join (select *, 1 as one from app.{table}) r on r.org_id = '{org_id}' and {members} and {condition}
                and (r.{moment} at time zone o.timezone)::date = d::date
            group by 1
        )
        select avg(value) filter (where is_during) / greatest(avg(value) filter (where not is_during), 0.01) from daily
        where extract(dow from day) in (select extract(dow from day) from daily where is_during)""")


def test_every_incident_shows_in_its_direction(sample: Sample) -> None:
    incidents = sample.rows(
        "select org_id, kind, unnest(metrics), dimension, member, direction, starts_on, ends_on "
        "from app.sample_incidents"
    )
    assert len(incidents) > len(sample.rows("select from app.sample_incidents"))
    for org_id, kind, metric, dimension, member, direction, first, last in incidents:
        members = "true" if dimension == "total" else f"{dimension}_id = '{member}'"
        ratio = level(sample, str(metric), org_id, members, first, last)
        if kind == "price_change":  # the price per booking changes; the number of bookings is random
            ratio /= level(sample, "bookings_created", org_id, members, first, last)
        assert ratio > 1.3 if direction == "up" else ratio < 0.6, f"{kind}: {metric} is {ratio:.2f} of usual"


def test_providers_are_booked_when_they_work_and_have_free_hours(sample: Sample) -> None:
    """Exceptions: the few clients who insist, and some bookings of the provider who falls ill."""
    share_on_days_off = sample.number("""
        select avg((extract(isodow from b.scheduled_start at time zone o.timezone)::int
            <> all(coalesce(p.working_days, '{1,2,3,4,5}')))::int)
        from app.bookings b join app.profiles p on p.id = b.provider_id join app.organizations o on o.id = b.org_id""")
    assert share_on_days_off < 0.02
    share_while_absent = sample.number("""
        select avg(exists (
            select from app.provider_absences a where a.provider_id = b.provider_id
            and (b.scheduled_start at time zone o.timezone)::date between a.starts_on and a.ends_on)::int)
        from app.bookings b join app.organizations o on o.id = b.org_id where b.provider_id is not null""")
    assert share_while_absent < 0.01


def test_absences_are_entered_by_as_of_and_planned_ahead(sample: Sample) -> None:
    entered_later = f"select count(*) from app.provider_absences where created_at::date > '{AS_OF}'::date + 1"
    assert sample.number(entered_later) == 0
    assert sample.number(f"select count(*) from app.provider_absences where starts_on > '{AS_OF}'") > 0
    assert sample.number("select count(*) from app.profiles where working_days is not null and role <> 'provider'") == 0
    assert sample.number("select count(distinct working_days) from app.profiles") == 2


def test_a_target_is_a_little_more_than_a_usual_month(sample: Sample) -> None:
    query = f"""
        select targets.target / (count(*) * 30.4375 / {DAYS})
        from app.metric_targets as targets
        inner join app.bookings as bookings on bookings.org_id = targets.org_id
        where targets.metric = 'bookings_created' and targets.grain = 'month'
        group by targets.org_id, targets.target
    """
    for (share,) in sample.rows(query):
        assert isinstance(share, Decimal)
        assert 0.9 < share < 1.2
