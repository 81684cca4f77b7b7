"""Businesses of any kind, made by hypothesis: a description each, and from it the rows of schema app.

A description says everything: the same one gives the same rows. What is known of the figures is computed here from the
made bookings, in a way of its own.
"""

import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

import psycopg
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from psycopg import sql

TODAY = date(2026, 3, 31)
NOW = datetime.combine(TODAY, time(12), UTC)
ZONES = (
    "UTC", "Europe/Lisbon", "Europe/Berlin", "Europe/Madrid", "Europe/Kyiv", "Europe/Istanbul", "Africa/Casablanca",
    "Africa/Lagos", "Africa/Cairo", "Africa/Johannesburg", "Asia/Dubai", "Asia/Karachi", "Asia/Kolkata",
    "Asia/Kathmandu", "Asia/Dhaka", "Asia/Shanghai", "Asia/Tokyo", "Australia/Adelaide", "Australia/Sydney",
    "Australia/Lord_Howe", "Pacific/Auckland", "Pacific/Kiritimati", "Pacific/Chatham", "Pacific/Honolulu",
    "Pacific/Pago_Pago", "America/Anchorage", "America/Los_Angeles", "America/New_York", "America/St_Johns",
    "America/Sao_Paulo",
)  # fmt: skip
CURRENCIES = ("EUR", "USD", "JPY")
ODD_NAMES = (
    "[/b] Bold & <i>Sons</i>", "O'Neil \"the cut\" {{ name }} %s {0}", "Студия Ночь", "美容室 さくら", "صالون الأناقة",
    "👩‍🚀 Rocket ✂️ Cuts 🇵🇹", "ร้านตัดผม", "N" * 200, "\\n $1 -- ; drop table", "Café\u00a0Ñandú", "1e400", "nan",
)  # fmt: skip
names = st.sampled_from(ODD_NAMES) | st.text(
    st.characters(exclude_categories=("Cc", "Cf", "Cs", "Cn", "Co", "Zl", "Zp")), min_size=1, max_size=200
).map(lambda text: text.strip() or "A business")


@dataclass(frozen=True)
class Business:
    """A made business. `ended`: days from its last day of booking to TODAY, negative for one that is yet to begin."""

    name: str
    timezone: str
    bookings: int
    ended: int
    days: int = 1
    gap: bool = False
    clients: int = 5
    providers: int = 1
    services: int = 1
    most_lead: int = 0
    service_hours: int = 1
    amounts: str = "usual"
    currencies: int = 1
    cancelled: float = 0.0
    pending: float = 0.0
    pays: bool = False
    tracks: bool = False
    has_capacity: bool = False
    has_history: bool = True
    seed: int = 0

    @property
    def shown(self) -> str:
        """The description for people: as it is written, with a long name cut."""
        return repr(self).replace(self.name, self.name[:30])


EMPTY = Business("Nothing yet", "Europe/Berlin", bookings=0, ended=0)
# What has to be among the businesses of every run, however few are drawn.
ALWAYS = (
    EMPTY,
    Business("One booking", "America/New_York", bookings=1, ended=3, most_lead=30),
    Business("Two thousand hands", "Asia/Kolkata", 1500, ended=0, days=200, providers=2000, services=70, most_lead=20),
    Business("A year's gap", "Europe/Lisbon", 900, ended=1, days=900, gap=True, most_lead=40, cancelled=0.3, pays=True),
    Business("Ended long ago", "Europe/Madrid", 800, ended=3000, days=500, providers=300, services=20, most_lead=10),
    Business("Begins tomorrow", "Pacific/Kiritimati", 30, ended=-40, days=39, most_lead=5, pending=0.5),
    Business("Three currencies", "Asia/Tokyo", 600, ended=0, days=300, currencies=3, most_lead=3, tracks=True),
    Business("Very long", "Pacific/Pago_Pago", 60, ended=5, days=400, service_hours=300 * 24, has_capacity=True),
    Business("Corrections", "Australia/Lord_Howe", 300, ended=2, days=120, amounts="negative", has_history=False),
    Business(ODD_NAMES[0], "America/Sao_Paulo", 400, ended=0, days=150, amounts="zero", has_capacity=True, pays=True),
)

businesses = st.builds(
    Business,
    name=names,
    timezone=st.sampled_from(ZONES),
    bookings=st.sampled_from((1, 2, 3, 12, 60, 400, 1200)),
    ended=st.sampled_from((-60, -1, 0, 1, 9, 27, 28, 29, 400, 3000)),
    days=st.sampled_from((1, 13, 60, 200, 700, 1500)),
    gap=st.booleans(),
    clients=st.sampled_from((1, 5, 200)),
    providers=st.sampled_from((0, 1, 3, 40, 300)),
    services=st.sampled_from((1, 2, 9, 40)),
    most_lead=st.sampled_from((0, 1, 6, 30, 200)),
    service_hours=st.sampled_from((0, 1, 20, 24 * 7, 24 * 300)),
    amounts=st.sampled_from(("usual", "zero", "negative", "cents", "huge")),
    currencies=st.sampled_from((1, 1, 1, 3)),
    cancelled=st.sampled_from((0.0, 0.2, 1.0)),
    pending=st.sampled_from((0.0, 0.2, 1.0)),
    pays=st.booleans(),
    tracks=st.booleans(),
    has_capacity=st.booleans(),
    has_history=st.booleans(),
    seed=st.integers(0, 10**6),
)


def drawn(count: int, *, random_ones: bool) -> list[Business]:
    """ALWAYS, and then what hypothesis draws, to `count` businesses; the same ones unless `random_ones`."""
    found: list[Business] = []

    @settings(
        max_examples=max(count - len(ALWAYS), 1), phases=[Phase.generate], database=None, derandomize=not random_ones,
        deadline=None, suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(businesses)
    def collect(business: Business) -> None:
        found.append(business)

    collect()
    return [*ALWAYS, *found][:count]


@dataclass(frozen=True)
class Booking:
    """One made booking; `turns`: its statuses from the first on, each with the moment."""

    number: int
    service: int
    provider: int | None
    client: int
    amount: Decimal
    currency: str
    created: datetime
    start: datetime
    end: datetime
    turns: tuple[tuple[str, datetime], ...]

    def status(self, until: datetime) -> str | None:
        """What it is just before `until`; None where it is not made yet."""
        return next((status for status, at in reversed(self.turns) if at < until), None)


def bookings_of(business: Business) -> list[Booking]:
    """The bookings of a business, as its description says."""
    rng = random.Random(business.seed)
    zone = ZoneInfo(business.timezone)
    last_day = TODAY - timedelta(days=business.ended)
    return [_booking(number, business, rng, zone, last_day) for number in range(business.bookings)]


def _booking(number: int, business: Business, rng: random.Random, zone: ZoneInfo, last_day: date) -> Booking:
    ago = rng.randrange(business.days)
    if business.gap and ago > business.days // 2:
        ago += 365
    created = datetime.combine(last_day - timedelta(days=ago), time(rng.randrange(24), rng.randrange(60)), zone)
    created = created.astimezone(UTC)
    start = created + timedelta(days=rng.randint(0, business.most_lead), minutes=rng.randrange(120))
    end = start + timedelta(hours=business.service_hours)
    turns = [("requested", created)]
    fate = rng.random()
    if fate < business.cancelled:
        turns += [("confirmed", created + timedelta(seconds=30))]
        turns += [("cancelled", created + (start - created) * rng.random() + timedelta(minutes=1))]
    elif fate < business.cancelled + (1 - business.cancelled) * (1 - business.pending):
        turns += [("confirmed", created + timedelta(seconds=30))]
        if end < NOW:
            turns += [("completed", end + timedelta(minutes=1))]
    return Booking(
        number=number,
        service=rng.randrange(business.services),
        provider=rng.randrange(business.providers) if business.providers and rng.random() < 0.9 else None,
        client=rng.randrange(business.clients),
        amount=_amount(business, rng),
        currency=CURRENCIES[rng.randrange(business.currencies)],
        created=created,
        start=start,
        end=end,
        turns=tuple(turns),
    )


def _amount(business: Business, rng: random.Random) -> Decimal:
    cents = {
        "usual": rng.randrange(2_000, 30_000),
        "zero": 0,
        "negative": rng.choice((-6_380, -1, 0, 12_000)),
        "cents": rng.choice((1, 3, 99)),
        "huge": rng.randrange(10**6, 10**9),
    }
    return Decimal(cents[business.amounts]).scaleb(-2)


def realized(business: Business, as_of: date) -> Decimal:
    """Realized revenue up to as_of, counted booking by booking, in the organisation's own currency."""
    zone = ZoneInfo(business.timezone)
    day_ends = datetime.combine(as_of + timedelta(days=1), time(), zone)
    return sum(
        (
            booking.amount
            for booking in bookings_of(business)
            if booking.currency == CURRENCIES[0]
            and booking.start.astimezone(zone).date() <= as_of
            and booking.status(day_ends) in ("confirmed", "completed")
        ),
        Decimal(0),
    )


def fill(connection: psycopg.Connection, made: Iterable[Business]) -> dict[UUID, Business]:
    """Write the rows of each business as an organisation of its own: its id -> the business."""
    organizations = {UUID(int=number + 1): business for number, business in enumerate(made)}
    for org_id, business in organizations.items():
        for table, rows in _tables(org_id, business):
            if rows:
                _copy(connection, table, [{"org_id": org_id, **row} for row in rows])
    return organizations


Rows = list[dict[str, Any]]


def _tables(org_id: UUID, business: Business) -> Iterator[tuple[str, Rows]]:
    """The rows of each table without org_id, parents first."""
    bookings = bookings_of(business)

    def named(table: str, number: int) -> UUID:
        return uuid5(org_id, f"{table} {number}")

    first = min((booking.created for booking in bookings), default=NOW - timedelta(days=1))
    made = {"created_at": first, "updated_at": first}
    organization = {"id": org_id, "name": business.name, "slug": slug(org_id), "timezone": business.timezone}
    yield "organizations", [{**organization, "currency": CURRENCIES[0], **made}]
    people: list[tuple[str, int, int | None]] = [("client", n, None) for n in range(business.clients)]
    people += [("provider", n, 8 if business.has_capacity else None) for n in range(business.providers)]
    people += [("admin", 0, None)]
    yield (
        "profiles",
        [
            {
                "id": named(role, n),
                "role": role,
                "full_name": f"{business.name} {n}",
                "capacity_hours_per_day": hours,
                **made,
            }
            for role, n, hours in people
        ],
    )
    yield (
        "services",
        [
            {
                "id": named("service", n),
                "name": f"{n} {business.name}",
                "base_price": 10,
                "currency": CURRENCIES[0],
                **made,
            }
            for n in range(business.services)
        ],
    )
    yield "bookings", [_booking_row(booking, named) for booking in bookings]
    if business.has_history:
        yield "booking_status_history", [row for booking in bookings for row in _history(booking, named)]
    begun = [booking for booking in bookings if booking.start < NOW]
    if business.pays:
        paid = [booking for booking in begun if booking.amount > 0]
        yield "invoices", [_invoice(booking, named) for booking in paid]
        yield "payments", [_payment(booking, named) for booking in paid]
    if business.tracks:
        yield "time_entries", [_hour(booking, named) for booking in begun if booking.provider is not None]


Named = Callable[[str, int], UUID]


def slug(org_id: UUID) -> str:
    """The slug of a made organisation."""
    return f"business-{org_id.int}"


def _booking_row(booking: Booking, named: Named) -> dict[str, Any]:
    status, at = booking.turns[-1]
    return {
        "id": named("booking", booking.number), "booking_number": str(booking.number),
        "client_id": named("client", booking.client), "service_id": named("service", booking.service),
        "provider_id": None if booking.provider is None else named("provider", booking.provider),
        "status": status, "title": "A booking", "total_amount": booking.amount, "currency": booking.currency,
        "scheduled_start": booking.start, "scheduled_end": booking.end, "is_exclusive": False,
        "completed_at": at if status == "completed" else None,
        "cancelled_at": at if status == "cancelled" else None, "created_at": booking.created, "updated_at": at,
    }  # fmt: skip


def _history(booking: Booking, named: Named) -> Iterator[dict[str, Any]]:
    before = None
    for turn, (status, at) in enumerate(booking.turns):
        yield {
            "id": named(f"turn {turn}", booking.number), "booking_id": named("booking", booking.number),
            "from_status": before, "to_status": status, "changed_at": at, "created_at": at, "updated_at": at,
        }  # fmt: skip
        before = status


def _invoice(booking: Booking, named: Named) -> dict[str, Any]:
    return {
        "id": named("invoice", booking.number), "booking_id": named("booking", booking.number),
        "client_id": named("client", booking.client), "status": "paid", "invoice_number": str(booking.number),
        "total_amount": booking.amount, "currency": booking.currency, "issued_at": booking.start,
        "created_at": booking.start, "updated_at": booking.start,
    }  # fmt: skip


def _payment(booking: Booking, named: Named) -> dict[str, Any]:
    return {
        "id": named("payment", booking.number), "invoice_id": named("invoice", booking.number),
        "booking_id": named("booking", booking.number), "status": "succeeded", "amount": booking.amount,
        "currency": booking.currency, "paid_at": booking.start, "created_at": booking.start,
        "updated_at": booking.start,
    }  # fmt: skip


def _hour(booking: Booking, named: Named) -> dict[str, Any]:
    assert booking.provider is not None
    return {
        "id": named("time", booking.number), "booking_id": named("booking", booking.number),
        "provider_id": named("provider", booking.provider), "started_at": booking.start,
        "ended_at": booking.start + timedelta(minutes=50), "is_exclusive": False, "created_at": booking.start,
        "updated_at": booking.start,
    }  # fmt: skip


def _copy(connection: psycopg.Connection, table: str, rows: Rows) -> None:
    columns = list(rows[0])
    statement = sql.SQL("copy app.{} ({}) from stdin").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row([row[column] for column in columns])
