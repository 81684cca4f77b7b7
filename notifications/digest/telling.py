"""Wording the digest: its facts as the blocks of a message."""

from dataclasses import asdict
from datetime import date
from decimal import Decimal
from typing import Final

from notifications.digest.facts import Digest, KeyFigure, Outlook, Row
from notifications.digest.reading import WORKLOAD_DAYS
from notifications.formats import email_html, text
from notifications.messages import Block, Entry, Facts, Heading, Message, Text, open_hub
from sources import figures

INSIGHTS_SHOWN: Final = 8
EARLIER_SHOWN: Final = 5
OVERLOADS_SHOWN: Final = 5
# Columns of v_booking_status_metrics, with the words for them.
OPEN_STATUSES: Final = (
    ("pending_now", "pending"),
    ("active_now", "active"),
    ("at_risk_now", "at risk"),
    ("overdue_now", "overdue"),
)
OUTCOMES: Final = (
    ("completed", "completed"),
    ("cancellations", "cancelled"),
    ("no_shows", "not shown up"),
    ("declined", "declined"),
    ("expired", "expired"),
    ("refunded", "refunded"),
)
OVERDUE_REASONS: Final = (
    ("overdue_provider_now", "the provider"),
    ("overdue_client_now", "the client"),
    ("overdue_payment_now", "a payment"),
)


def digest_html(digest: Digest, *, link_base: str = "") -> str:
    """The digest as one self-contained HTML file."""
    return email_html.render_page(digest_message(digest, link_base=link_base))


def digest_text(digest: Digest, *, link_base: str = "") -> str:
    """The digest as plain text of 80 columns."""
    return text.render(digest_message(digest, link_base=link_base))


def digest_message(digest: Digest, *, link_base: str) -> Message:
    """The digest as a message."""
    title = f"{digest.organization.name}: {figures.long_day(digest.day)}"
    facts = asdict(digest)
    facts.pop("plot")  # it is among the blocks
    return Message(
        id=f"digest:{digest.org_id}:{digest.day.isoformat()}",
        type="digest",
        subject=f"{title}, {_gist(digest)}",
        blocks=(Heading(title), *_sections(digest), *open_hub(link_base)),
        data={"digest": facts},
    )


def _gist(digest: Digest) -> str:
    """The digest in three words, for the subject."""
    if digest.new_insights:
        return figures.counted(len(digest.new_insights), "new insight")
    if digest.earlier_insights:
        return f"nothing new, {len(digest.earlier_insights)} still open"
    return "nothing unusual" if digest.key_figures and not digest.is_past_its_end else "no data"


def _sections(digest: Digest) -> list[Block]:
    if not digest.has_data:
        return [
            Text(
                "Nothing is recorded up to this day. A business without data: load the sample (hub sample) or your own "
                "bookings (hub import), then hub run. One whose data begin later: ask for a later day."
            ),
            *(_insights(digest) if digest.new_insights or digest.earlier_insights else []),
        ]
    return [
        *_happened(digest),
        *_insights(digest),
        *_resolved(digest),
        *_outlook(digest),
        *_workload(digest),
        *_statuses(digest),
        *_unknown(digest),
    ]


def _happened(digest: Digest) -> list[Block]:
    heading = Heading("What happened", level=2)
    last_day = digest.known.last_day
    if last_day and digest.is_past_its_end:
        return [heading, Text(_last_activity(last_day))]
    if not digest.key_figures:
        return [heading, Text(f"Nothing is known of this day: hub run --as-of {digest.day.isoformat()} builds it.")]
    return [
        heading,
        *([Text(_last_activity(last_day))] if last_day and last_day < digest.day else []),
        Facts(tuple(_key_figure(key, digest.organization.currency) for key in digest.key_figures)),
        Text(_compared_with(digest), muted=True),
    ]


def _last_activity(last_day: date) -> str:
    return f"Nothing was recorded on this day. The last recorded activity was on {figures.long_day(last_day)}."


def _key_figure(key: KeyFigure, currency: str) -> tuple[str, str]:
    unit = key.metric.unit
    value = figures.figure(key.value, unit, currency)
    if key.usual is None:
        return key.metric.label, value
    return key.metric.label, f"{value}, {figures.against_usual(key.value, key.usual, unit, currency)}"


def _compared_with(digest: Digest) -> str:
    """What the usual figures are, and why some have none."""
    weekday = digest.day.strftime("%A")
    weeks = {key.weeks for key in digest.key_figures if key.usual is not None}
    if not weeks:
        usual = f"There is no earlier {weekday} to compare with."
    elif weeks == {1}:
        usual = f"Usual: the {weekday} before, the only one that is known."
    elif len(weeks) == 1:
        usual = f"Usual: the average {weekday} of the last {max(weeks)} weeks."
    else:
        usual = f"Usual: the average {weekday} of the last {max(weeks)} weeks, or of those that are known."
    if not digest.is_cut_off or digest.known.book_until is None:
        return usual
    return (
        f"{usual} What is made and cancelled is not compared: bookings for days after "
        f"{figures.date_words(digest.known.book_until)} are not in the data."
    )


def _insights(digest: Digest) -> list[Block]:
    heading = Heading("What needs attention", level=2)
    if not digest.new_insights and not digest.earlier_insights:
        return [] if digest.is_past_its_end else [heading, Text("Nothing unusual.")]
    currency = digest.organization.currency
    shown: list[Block] = [_insight(row, currency) for row in digest.new_insights[:INSIGHTS_SHOWN]]
    earlier = [_earlier_insight(row) for row in digest.earlier_insights[:EARLIER_SHOWN]]
    more = len(digest.new_insights) + len(digest.earlier_insights) - len(shown) - len(earlier)
    return [
        heading,
        *(shown or [Text("Nothing new.")]),
        *([Text("Still open from earlier days:", muted=True)] if earlier else []),
        *earlier,
        *([Text(f"And {more} more: hub insights list shows them all.", muted=True)] if more else []),
    ]


def _insight(row: Row, currency: str) -> Entry:
    impact = f" ({figures.money(row['impact'], currency)})" if row["impact"] is not None else ""
    advice = f"\nWhat to do: {row['recommendation']}" if row["recommendation"] else ""
    return Entry(
        f"{row['severity'].capitalize()}{impact}: {row['title']}", row["summary"] + advice, tone=row["severity"]
    )


def _earlier_insight(row: Row) -> Entry:
    return Entry(f"{row['title']} (since {figures.date_words(row['first_day'])})", "", tone=row["severity"])


def _resolved(digest: Digest) -> list[Block]:
    if not digest.resolved_insights or digest.is_past_its_end:
        return []
    entries = (Entry(row["title"], figures.long_day(row["day"]), tone="good") for row in digest.resolved_insights)
    return [Heading("Back to normal", level=2), *entries]


def _outlook(digest: Digest) -> list[Block]:
    if digest.is_past_its_end:
        return []
    currency = digest.organization.currency
    has_forecast = any(outlook.forecast is not None for outlook in digest.outlooks)
    absent = "There is no forecast of this day: hub run makes it, from some weeks of bookings."
    notes = [
        *([] if has_forecast else [absent]),
        *_edge(digest, has_forecast=has_forecast),
        *([_accuracy(digest.accuracy)] if digest.accuracy else []),
    ]
    return [
        Heading("What is to come", level=2),
        *([digest.plot] if digest.plot else []),
        Facts(tuple(_outlook_fact(outlook, currency) for outlook in digest.outlooks)),
        *(Text(note, muted=True) for note in notes),
    ]


def _outlook_fact(outlook: Outlook, currency: str) -> tuple[str, str]:
    period = f"next {outlook.days} days"
    booked = None if outlook.on_hand is None else figures.money(outlook.on_hand, currency)
    if outlook.forecast is None or outlook.lower is None or outlook.upper is None:
        return f"Booked, {period}", booked or ""
    lower, upper = (figures.money(bound, currency) for bound in (outlook.lower, outlook.upper))
    forecast = f"{figures.money(outlook.forecast, currency)} forecast (80% range {lower} to {upper})"
    if booked is None:
        return f"Revenue, {period}", forecast
    called_off = ", of which some is usually called off" if _exceeds(outlook.on_hand, outlook.forecast) else ""
    return f"Revenue, {period}", f"{forecast}; {booked} already booked{called_off}"


def _exceeds(on_hand: Decimal | None, forecast: Decimal) -> bool:
    return on_hand is not None and on_hand > forecast


def _edge(digest: Digest, *, has_forecast: bool) -> list[str]:
    """Where the book of coming service days ends at the edge of the data."""
    edge = digest.known.book_until
    if edge is None:
        return []
    beyond = " The forecast beyond follows past days alone." if has_forecast else ""
    return [f"Nothing is known of service days after {figures.date_words(edge)}: the data end there.{beyond}"]


def _accuracy(accuracy: Row) -> str:
    naive = accuracy["naive_error_share"]
    beside = "" if naive is None else f"; repeating the same weekday would have missed {figures.percent(naive)}"
    return (
        f"How good forecasts were: over the last {accuracy['days']} days, those made a week ahead missed "
        f"{figures.percent(accuracy['error_share'])} of the revenue{beside}. The 80% range held on "
        f"{figures.percent(accuracy['covered_80_share'])} of the days."
    )


def _workload(digest: Digest) -> list[Block]:
    if not digest.is_newest or not digest.known.capacity or digest.known.has_ended:
        return []
    heading = Heading(f"Workload of the next {WORKLOAD_DAYS} days", level=2)
    if not digest.overloads:
        return [heading, Text("Nobody will overload.")]
    shown, more = digest.overloads[:OVERLOADS_SHOWN], len(digest.overloads) - OVERLOADS_SHOWN
    rest = [Text(f"And {more} more: analytics.v_provider_workload_analytics has them all.", muted=True)]
    who = figures.counted(len(digest.overloads), "provider")
    return [
        heading,
        Text(f"{who} will overload. What to do: move bookings, or give some to a colleague."),
        Facts(tuple((row["provider_name"], _overload(row)) for row in shown)),
        *(rest if more > 0 else []),
    ]


def _overload(row: Row) -> str:
    return (
        f"{row['expected_hours']:.0f} h expected ({row['booked_hours']:.0f} h booked) in {row['capacity_hours']:.0f} h "
        f"on {figures.counted(row['days'], 'day')}, from {figures.short_day(row['first_day'])}"
    )


def _statuses(digest: Digest) -> list[Block]:
    heading = Heading("Bookings by status", level=2)
    found = digest.statuses
    if found is None:
        return [heading, Text("Known for the newest day of the warehouse only, as is the workload.", muted=True)]
    return [
        heading,
        Facts((("Open now", _open_now(found)), *_overdue(found), *_cohorts(found, is_cut_off=digest.is_cut_off))),
    ]


def _open_now(found: Row) -> str:
    """The stock: every booking that is open, whenever it was made."""
    total = sum(found[column] for column, _ in OPEN_STATUSES)
    parts = [f"{found[column]:,} {words}" for column, words in OPEN_STATUSES if found[column]]
    if len(parts) == 1:
        return parts[0]
    return f"{total:,}: {', '.join(parts)}" if parts else "none"


def _overdue(found: Row) -> list[tuple[str, str]]:
    reasons = [f"{words} {found[column]:,}" for column, words in OVERDUE_REASONS if found[column]]
    return [("Overdue wait for", ", ".join(reasons))] if reasons else []


def _cohorts(found: Row, *, is_cut_off: bool) -> list[tuple[str, str]]:
    """Bookings made in the period, beside those made in the period before as they stood at the same age.

    Alone near the edge of the data, which lack bookings that were made for later days.
    """
    now = _cohort(found, start="period_start", end="period_end", suffix="")
    if not found["total_bookings_previous"] or is_cut_off:
        return [now]
    label, counts = _cohort(found, start="previous_period_start", end="previous_period_end", suffix="_previous")
    return [now, (label, f"at the same age: {counts}")]


def _cohort(found: Row, *, start: str, end: str, suffix: str) -> tuple[str, str]:
    counts = [(found[column + suffix], words) for column, words in OUTCOMES]
    still_open = sum(found[status + suffix] for status in ("pending", "active", "at_risk", "overdue"))
    parts = [f"{number:,} {words}" for number, words in (*counts, (still_open, "open")) if number]
    return (
        f"Made {figures.day_month(found[start])} to {figures.day_month(found[end])}",
        f"{found['total_bookings' + suffix]:,}" + (f", of which {', '.join(parts)}" if parts else ""),
    )


def _unknown(digest: Digest) -> list[Block]:
    """What the Hub cannot show, as nothing of it is recorded; said once."""
    sentences = [
        *([] if digest.known.payments else ["No payments are recorded, so collected revenue is not shown."]),
        *([] if digest.known.capacity else ["No working hours are recorded, so workload is not shown."]),
        *([_undated(digest.undated_cancellations)] if digest.undated_cancellations else []),
    ]
    return [Text(" ".join(sentences), muted=True)] if sentences else []


def _undated(number: int) -> str:
    """The cancelled bookings that no day's figures have."""
    bookings = f"{figures.counted(number, 'booking')} {'was' if number == 1 else 'were'} cancelled at an unknown time"
    return f"{bookings}, and counted on no day."
