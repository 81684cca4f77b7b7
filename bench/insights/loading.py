"""Rows of the operational tables, as they stood at a moment: the Hub is given nothing that was not known by then."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

import numpy as np
import pandas as pd
import psycopg
from psycopg import sql

from bench.insights.incidents import DAY
from bench.insights.simulation import HOUR, NEVER, Business, World
from sources import tables

DUE_AFTER: Final = 14 * DAY
VOID_AFTER: Final = 6 * DAY  # until the copy of an invoice is noticed
BEGINNING: Final = -NEVER
KINDS_OF_ROWS: Final = (
    "organizations", "profiles", "services", "bookings", "booking_status_history", "milestones", "invoices",
    "payments", "time_entries",
)  # fmt: skip


def organization_id(number: int) -> UUID:
    """Return the id of the organisation with this number."""
    return UUID(_ids(number, "organizations", [0])[0])


def load(connection: psycopg.Connection, number: int, business: Business, world: World, since: int, until: int) -> None:
    """Write what became known in [since, until), local seconds; the first time with `since` BEGINNING."""
    connection.execute("select set_config('timezone', %s, true)", [business.kind.timezone])
    connection.execute("set local session_replication_role = replica")
    if since == BEGINNING:
        _write(connection, "organizations", _organization(number, business))
        _write(connection, "services", _services(number, business))
        _write(connection, "profiles", _people(number, business))
    bookings = world.bookings
    _write(connection, "profiles", _clients(number, business, bookings, since, until))
    _write(connection, "bookings", _bookings(connection, number, business, bookings, since, until))
    _write(connection, "booking_status_history", _history(number, bookings, since, until))
    _write(connection, "milestones", _milestones(number, business, bookings, since, until))
    _write(connection, "invoices", _invoices(number, business, world, since, until))
    _write(connection, "payments", _payments(number, business, world, since, until))
    _write(connection, "time_entries", _hours(number, world, since, until))


def _write(connection: psycopg.Connection, table: str, rows: pd.DataFrame) -> None:
    """Insert rows by id, or update those that exist."""
    if rows.empty:
        return
    columns = [sql.Identifier(name) for name in rows.columns]
    names = {
        "table": sql.Identifier(tables.SCHEMA, table),
        "landed": sql.Identifier(f"landed_{table}"),
        "columns": sql.SQL(", ").join(columns),
        "changes": sql.SQL(", ").join(sql.SQL("{0} = excluded.{0}").format(column) for column in columns),
    }
    connection.execute(
        sql.SQL("create temp table {landed} as select {columns} from {table} with no data").format(**names)
    )
    with connection.cursor().copy(sql.SQL("copy {landed} ({columns}) from stdin").format(**names)) as copy:
        copy.write(rows.to_csv(sep="\t", na_rep="\\N", header=False, index=False))
    connection.execute(
        sql.SQL(
            "insert into {table} ({columns}) select {columns} from {landed} "
            "on conflict (id) do update set {changes}, row_version = pg_current_xact_id()"
        ).format(**names)
    )
    connection.execute(sql.SQL("drop table {landed}").format(**names))


def _organization(number: int, business: Business) -> pd.DataFrame:
    kind = business.kind
    created = _moments([business.first * DAY])
    return pd.DataFrame(
        {
            "id": _ids(number, "organizations", [0]), "org_id": _ids(number, "organizations", [0]),
            "name": f"{kind.name.capitalize()} {business.seed}", "slug": business.slug, "timezone": kind.timezone,
            "country": kind.country, "currency": kind.currency, "created_at": created, "updated_at": created,
        }
    )  # fmt: skip


def _services(number: int, business: Business) -> pd.DataFrame:
    offers = business.kind.services
    return _rows(
        number, "services", range(len(offers)), np.full(len(offers), business.first * DAY),
        name=[offer.name for offer in offers], base_price=[offer.price for offer in offers],
        currency=business.kind.currency, duration_hours=[offer.hours for offer in offers],
    )  # fmt: skip


def _people(number: int, business: Business) -> pd.DataFrame:
    """Return the providers and one administrator."""
    count = business.kind.providers
    names = [f"Provider {position + 1}" for position in range(count)]
    return _rows(
        number, "profiles", range(count + 1), np.full(count + 1, business.first * DAY),
        role=["provider"] * count + ["admin"], full_name=[*names, "Owner"],
        email=[f"person{position}@{business.slug}.example" for position in range(count + 1)],
        client_group=None, capacity_hours_per_day=[8.0] * count + [None],
    )  # fmt: skip


def _clients(number: int, business: Business, bookings: pd.DataFrame, since: int, until: int) -> pd.DataFrame:
    """Return the clients whose first booking is made in the time."""
    first = bookings.sort_values("created").drop_duplicates("client")
    first = first[first["created"].between(since, until - 1)]
    groups = np.array(list(business.kind.groups))[first["group"]]
    return _rows(
        number, "profiles", _client_numbers(first["client"]), first["created"],
        role="client", full_name=[f"Client {position + 2}" for position in first["client"]],
        email=[f"client{position + 2}@{business.slug}.example" for position in first["client"]],
        client_group=groups, capacity_hours_per_day=None,
    )  # fmt: skip


def _client_numbers(clients: pd.Series) -> list[int]:
    return [100 + position for position in clients]  # after the providers and the administrator


def _bookings(
    connection: psycopg.Connection, number: int, business: Business, bookings: pd.DataFrame, since: int, until: int
) -> pd.DataFrame:
    kind = business.kind
    moments = ["created", "moved_at", "start", "completed", "cancelled"]
    known = bookings[(bookings["created"] < until) & _any_within(bookings, moments, since, until)]
    is_moved = known["moved_at"] < until
    start = known["start"].where(is_moved, known["start_before"])
    provider = known["provider"].where(is_moved, known["provider_before"])
    is_ended, is_completed = known["cancelled"] < until, known["completed"] < until
    status = np.select(
        [is_ended & known["is_missed"], is_ended, is_completed, start < until],
        ["no_show", "cancelled", "completed", "in_progress"],
        "confirmed",
    )
    rows = _rows(
        number, "bookings", known.index, known["created"],
        booking_number=[f"B-{position:06d}" for position in known.index],
        client_id=_ids(number, "profiles", _client_numbers(known["client"])),
        provider_id=_ids(number, "profiles", provider) if kind.providers else None,
        service_id=_ids(number, "services", known["service"]), status=status,
        title=np.array([offer.name for offer in kind.services])[known["service"]], total_amount=known["amount"],
        currency=kind.currency, scheduled_start=_moments(start),
        scheduled_end=_moments(start + (known["hours"] * HOUR).astype(int)),
        progress_pct=np.where(is_completed, 100, 0), cancelled_at=_moments(known["cancelled"].where(is_ended, NEVER)),
        completed_at=_moments(known["completed"].where(is_completed, NEVER)), is_exclusive=False,
    )  # fmt: skip
    changes = known[moments]
    rows["updated_at"] = _moments(changes.where(changes < until, 0).max(axis=1))
    if _has_channels(connection):
        rows["channel"] = np.array(list(kind.channels))[known["channel"]]
    return rows


def _has_channels(connection: psycopg.Connection) -> bool:
    query = """select count(*) from information_schema.columns
    where (table_schema, table_name, column_name) = ('app', 'bookings', 'channel')"""
    return connection.execute(query).fetchone() == (1,)


def _history(number: int, bookings: pd.DataFrame, since: int, until: int) -> pd.DataFrame:
    """Return the changes of status: confirmed, begun, and the end."""
    has_begun = (bookings["start"] < bookings["cancelled"]) & ~bookings["is_missed"]
    ends = np.where(bookings["is_missed"], "no_show", "cancelled")
    steps = (
        (0, None, "confirmed", bookings["created"]),
        (1, "confirmed", "in_progress", bookings["start"].where(has_begun, NEVER)),
        (2, "in_progress", "completed", bookings["completed"]),
        (3, "confirmed", ends, bookings["cancelled"]),
    )
    frames = []
    for step, before, after, moment in steps:
        is_known = (moment >= since) & (moment < until)
        positions = bookings.index[is_known]
        frames.append(
            _rows(
                number, "booking_status_history", positions * 4 + step, moment[is_known],
                booking_id=_ids(number, "bookings", positions), from_status=before,
                to_status=after[is_known] if isinstance(after, np.ndarray) else after,
                changed_at=_moments(moment[is_known]),
            )
        )  # fmt: skip
    return pd.concat(frames)


def _milestones(number: int, business: Business, bookings: pd.DataFrame, since: int, until: int) -> pd.DataFrame:
    offers = business.kind.services
    counts = pd.Series(np.array([offer.milestones for offer in offers])[bookings["service"]], index=bookings.index)
    known = bookings[(bookings["created"] < until) & _any_within(bookings, ["created", "completed"], since, until)]
    frames = []
    for place in range(max(offer.milestones for offer in offers)):
        part = known[counts[known.index] > place]
        share = (place + 1) / counts[part.index]
        is_done = part["completed"] < until
        frames.append(
            _rows(
                number, "milestones", part.index * 8 + place, part["created"],
                booking_id=_ids(number, "bookings", part.index), title=f"Step {place + 1}", position=place + 1,
                status=np.where(is_done, "approved", "pending"), progress_pct=np.where(is_done, 100, 0),
                due_at=_moments((part["start"] + share * part["hours"] * HOUR).astype(int) + DAY),
                completed_at=_moments(part["completed"].where(is_done, NEVER)),
            )
        )  # fmt: skip
    return pd.concat(frames) if frames else pd.DataFrame()


def _invoices(number: int, business: Business, world: World, since: int, until: int) -> pd.DataFrame:
    paid = _paid(world.payments).set_axis(world.payments["booking"])
    invoices = world.invoices.assign(
        paid=world.invoices["booking"].map(paid).where(world.invoices["copy"] == 0, NEVER),
        due=world.invoices["issued"] + DUE_AFTER,
        voided=(world.invoices["issued"] + VOID_AFTER).where(world.invoices["copy"] == 1, NEVER),
    )
    known = invoices[
        (invoices["issued"] < until) & _any_within(invoices, ["issued", "paid", "due", "voided"], since, until)
    ]
    status = np.select(
        [known["voided"] < until, known["paid"] < until, known["due"] < until], ["void", "paid", "overdue"], "issued"
    )
    numbers = known["booking"] * 2 + known["copy"]
    clients = _client_numbers(world.bookings["client"].loc[known["booking"]])
    return _rows(
        number, "invoices", numbers, known["issued"],
        booking_id=_ids(number, "bookings", known["booking"]), client_id=_ids(number, "profiles", clients),
        invoice_number=[f"I-{position:07d}" for position in numbers], status=status, total_amount=known["amount"],
        currency=business.kind.currency, issued_at=_moments(known["issued"]), due_at=_moments(known["due"]),
    )  # fmt: skip


def _payments(number: int, business: Business, world: World, since: int, until: int) -> pd.DataFrame:
    """Return the failed attempts and the successful payments of the time."""
    payments = world.payments
    is_failed = payments["retried"] < NEVER
    failed = payments[is_failed & payments["attempted"].between(since, until - 1)]
    paid = payments.assign(paid=_paid(payments))
    paid = paid[paid["paid"].between(since, until - 1)]
    frames = []
    for part, moment, status in ((failed, failed["attempted"], "failed"), (paid, paid["paid"], "succeeded")):
        frames.append(
            _rows(
                number, "payments", part["booking"] * 2 + (status == "failed"), moment,
                booking_id=_ids(number, "bookings", part["booking"]),
                invoice_id=_ids(number, "invoices", part["booking"] * 2), status=status, amount=part["amount"],
                currency=business.kind.currency, failure_reason="card declined" if status == "failed" else None,
                paid_at=_moments(moment) if status == "succeeded" else None,
            )
        )  # fmt: skip
    return pd.concat(frames)


def _paid(payments: pd.DataFrame) -> pd.Series:
    """Return the moment at which each payment succeeds."""
    paid: pd.Series = payments["attempted"].where(payments["retried"] == NEVER, payments["retried"])
    return paid


def _hours(number: int, world: World, since: int, until: int) -> pd.DataFrame:
    ended = world.hours["started"] + (world.hours["hours"] * HOUR).astype(int)
    part = world.hours[(ended >= since) & (ended < until)]
    providers = world.bookings["provider"].loc[part["booking"]]
    return _rows(
        number, "time_entries", part["booking"], ended[part.index],
        booking_id=_ids(number, "bookings", part["booking"]), provider_id=_ids(number, "profiles", providers),
        started_at=_moments(part["started"]), ended_at=_moments(ended[part.index]), is_exclusive=False,
    )  # fmt: skip


def _rows(number: int, table: str, positions: Sequence[int], created: object, **columns: object) -> pd.DataFrame:
    """Return rows of a table, whose ids are made of their positions."""
    moments = _moments(created)
    return pd.DataFrame(
        {
            "id": _ids(number, table, positions),
            "org_id": str(organization_id(number)),
            **{name: getattr(values, "array", values) for name, values in columns.items()},
            "created_at": moments,
            "updated_at": moments,
        }
    )


def _ids(number: int, table: str, positions: Sequence[int]) -> list[str]:
    """Return one UUID for each position, unique to the organisation and the table."""
    prefix = f"{number + 1:08x}-{KINDS_OF_ROWS.index(table):04x}-7000-8000-"
    return [f"{prefix}{int(position) + 1:012x}" for position in positions]


def _moments(seconds: object) -> list[str | None]:
    """Return local moments as text; None for NEVER."""
    values = pd.Series(np.asarray(seconds, dtype=np.int64))
    texts = pd.to_datetime(values.where(values < NEVER), unit="s").dt.strftime("%Y-%m-%d %H:%M:%S")
    return [text if isinstance(text, str) else None for text in texts]


def _any_within(frame: pd.DataFrame, moments: list[str], since: int, until: int) -> pd.Series:
    """Return True for the rows of which one of the moments lies in [since, until)."""
    within: pd.Series = ((frame[moments] >= since) & (frame[moments] < until)).any(axis=1)
    return within
