"""The wording of the digest: its facts as the blocks of a message."""

from dataclasses import asdict
from datetime import date
from typing import Final

from notifications import insight_wording
from notifications.digest import in_short
from notifications.digest.facts import Digest, Row
from notifications.digest.figures import key_figure, outlook_fact
from notifications.formats import email_html, text
from notifications.messages import Block, Entry, Facts, Heading, Message, Text, hub_link
from sources import formatting
from sources.insight_values import WORKLOAD_DAYS

INSIGHTS_SHOWN: Final = 8
EARLIER_SHOWN: Final = 5
WAITING_SHOWN: Final = 5
OVERLOADS_SHOWN: Final = 5
# Columns of v_booking_status_metrics and their names in the digest.
OPEN_STATUSES: Final = (
    ("pending_now", "pending"),
    ("active_now", "active"),
    ("at_risk_now", "at risk"),
    ("overdue_now", "overdue"),
)
OUTCOMES: Final = (
    ("completed", "completed"),
    ("cancellations", "cancelled"),
    ("no_shows", "missed"),
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
    """Return the digest as one self-contained HTML page."""
    return email_html.render_page(digest_message(digest, link_base=link_base))


def digest_text(digest: Digest, *, link_base: str = "") -> str:
    """Return the digest as plain text of 80 columns."""
    return text.render(digest_message(digest, link_base=link_base))


def digest_message(digest: Digest, *, link_base: str) -> Message:
    """Return the digest as a message, with figures in the organisation's locale."""
    with formatting.in_locale(digest.organization.locale):
        return _message(digest, link_base)


def _message(digest: Digest, link_base: str) -> Message:
    title = f"{digest.organization.name}: {formatting.long_day(digest.day)}"
    facts = asdict(digest)
    facts.pop("plot")  # it is among the blocks
    return Message(
        id=f"digest:{digest.org_id}:{digest.day.isoformat()}",
        type="digest",
        subject=f"{title}, {_short_summary(digest)}",
        blocks=(Heading(title), *_sections(digest, link_base), *hub_link(link_base)),
        data={"digest": facts},
    )


def _short_summary(digest: Digest) -> str:
    """Return the digest in a few words, for the subject."""
    if digest.new_insights:
        return formatting.counted(len(digest.new_insights), "new insight")
    if digest.earlier_insights:
        return f"nothing new, {len(digest.earlier_insights)} still open"
    return "nothing unusual" if digest.key_figures and not digest.is_past_its_end else "no data"


def _sections(digest: Digest, link_base: str) -> list[Block]:
    if not digest.has_data:
        return [
            Text(
                "Nothing is recorded up to this day. If there are no data yet: load the sample (hub sample) or your "
                "own bookings (hub import), then run hub run. If the data begin later: ask for a later day."
            ),
            *_insights(digest, link_base),
            *_waiting(digest),
        ]
    return [
        *_in_short(digest),
        *_insights(digest, link_base),
        *_figures(digest),
        *_outlook(digest),
        *_workload(digest),
        *_waiting(digest),
        *_resolved(digest),
        *_statuses(digest),
        *_not_recorded(digest),
    ]


def _in_short(digest: Digest) -> list[Block]:
    """Return the sentences that are enough for a busy reader; none for a day without figures."""
    if digest.is_past_its_end or not digest.key_figures:
        return []
    return [Text(sentence) for sentence in in_short.sentences(digest)]


def _figures(digest: Digest) -> list[Block]:
    heading = Heading("What happened", level=2)
    last_day = digest.known.last_day
    if last_day and digest.is_past_its_end:
        return [heading, Text(_last_activity(last_day))]
    if not digest.key_figures:
        return [heading, Text(f"This day has no figures yet: run hub run --as-of {digest.day.isoformat()}.")]
    return [
        heading,
        *([Text(_last_activity(last_day))] if last_day and last_day < digest.day else []),
        Facts(tuple(key_figure(key, digest.organization.currency) for key in digest.key_figures)),
        Text(_usual_note(digest), muted=True),
    ]


def _last_activity(last_day: date) -> str:
    return f"Nothing was recorded on this day. The last recorded activity was on {formatting.long_day(last_day)}."


def _usual_note(digest: Digest) -> str:
    """Return the note that defines the usual figures, and says why some are missing."""
    weekday = digest.day.strftime("%A")
    weeks = {key.weeks for key in digest.key_figures if key.usual is not None}
    if not weeks:
        usual = f"There is no earlier {weekday} to compare with."
    elif weeks == {1}:
        usual = f"Usual: the {weekday} before, the only one with data."
    elif len(weeks) == 1:
        usual = f"Usual: the median {weekday} of the last {max(weeks)} weeks."
    else:
        usual = f"Usual: the median {weekday} of the last {max(weeks)} weeks, or of those with data."
    if any(key.year_ago is not None for key in digest.key_figures):
        usual += f" A year ago: the {weekday} 52 weeks before."
    if not digest.is_cut_off or digest.known.book_until is None:
        return usual
    return (
        f"{usual} New and cancelled bookings are not compared: bookings for days after "
        f"{formatting.date_words(digest.known.book_until)} are not in the data."
    )


def _insights(digest: Digest, link_base: str) -> list[Block]:
    """Return the new insights that need attention in full, and the open ones of earlier days with their advice."""
    if not digest.urgent and not digest.earlier_insights:
        return []
    currency = digest.organization.currency
    shown = [_insight(row, currency, link_base) for row in digest.urgent[:INSIGHTS_SHOWN]]
    earlier = [_earlier_insight(row) for row in digest.earlier_insights[:EARLIER_SHOWN]]
    more = len(digest.urgent) + len(digest.earlier_insights) - len(shown) - len(earlier)
    return [
        Heading("What needs attention", level=2),
        *shown,
        *([Text("Still open from earlier days:", muted=True)] if earlier else []),
        *earlier,
        *([Text(f"And {more} more: hub insights list shows them all.", muted=True)] if more else []),
    ]


def _insight(row: Row, currency: str, link_base: str) -> Entry:
    impact = f", {formatting.money(row['impact'], currency)}" if row["impact"] is not None else ""
    grown = "It grew: " if row["has_worsened"] else ""
    lines = [
        row["summary"],
        insight_wording.effects(row),
        insight_wording.known(row),
        insight_wording.advice(row),
    ]
    return Entry(
        f"{row['severity'].capitalize()}{impact}: {grown}{row['title']}",
        "\n".join(filter(None, lines)),
        tone=row["severity"],
        steps=insight_wording.steps(row, currency, link_base),
    )


def _earlier_insight(row: Row) -> Entry:
    title = f"{row['title']} (open since {formatting.date_words(row['first_day'])})"
    return Entry(title, insight_wording.first_step(row), tone=row["severity"])


def _waiting(digest: Digest) -> list[Block]:
    """Return the new insights of low severity, with their advice."""
    waiting = [row for row in digest.new_insights if row not in digest.urgent]
    shown = [Entry(row["title"], insight_wording.first_step(row), tone="low") for row in waiting[:WAITING_SHOWN]]
    more = len(waiting) - len(shown)
    rest = [Text(f"And {more} more: hub insights list shows them all.", muted=True)]
    return [Heading("What can wait", level=2), *shown, *(rest if more else [])] if waiting else []


def _resolved(digest: Digest) -> list[Block]:
    if not digest.resolved_insights or digest.is_past_its_end:
        return []
    entries = [
        Entry(row["title"], f"Last so on {formatting.short_day(row['day'])}; no longer unusual.", tone="good")
        for row in digest.resolved_insights
    ]
    return [Heading("What is over", level=2), *entries]


def _outlook(digest: Digest) -> list[Block]:
    if digest.is_past_its_end:
        return []
    currency = digest.organization.currency
    has_forecast = any(outlook.forecast is not None for outlook in digest.outlooks)
    no_forecast = "There is no forecast of this day: hub run makes one after some weeks of bookings."
    notes = [
        *([] if has_forecast else [no_forecast]),
        *_edge_note(digest, has_forecast=has_forecast),
        *([_accuracy(digest.accuracy)] if digest.accuracy else []),
    ]
    return [
        Heading("What is to come", level=2),
        *([digest.plot] if digest.plot else []),
        Facts(tuple(outlook_fact(outlook, currency) for outlook in digest.outlooks)),
        *(Text(note, muted=True) for note in notes),
    ]


def _edge_note(digest: Digest, *, has_forecast: bool) -> list[str]:
    """Return the note about the last known service day, where the data end there."""
    edge = digest.known.book_until
    if edge is None:
        return []
    beyond = " The forecast of later days is based on past days alone." if has_forecast else ""
    return [f"There are no data of service days after {formatting.date_words(edge)}.{beyond}"]


def _accuracy(accuracy: Row) -> str:
    naive = accuracy["naive_error_share"]
    comparison = (
        "" if naive is None else f"; repeating the same weekday would have been off by {formatting.percent(naive)}"
    )
    return (
        f"Forecast accuracy: over the last {accuracy['days']} days, forecasts made a week ahead were off by "
        f"{formatting.percent(accuracy['error_share'])} of the revenue{comparison}. The actual revenue was within "
        f"the 80% range on {formatting.percent(accuracy['covered_80_share'])} of the days."
    )


def _workload(digest: Digest) -> list[Block]:
    if not digest.is_newest or not digest.known.capacity or digest.known.has_ended:
        return []
    if any(row["kind"] == "workload" for row in (*digest.new_insights, *digest.earlier_insights)):
        return []  # the insight names the providers and the moves
    heading = Heading(f"Workload of the next {WORKLOAD_DAYS} days", level=2)
    if not digest.overloads:
        return [heading, Text("No provider is booked beyond the available hours.")]
    shown, more = digest.overloads[:OVERLOADS_SHOWN], len(digest.overloads) - OVERLOADS_SHOWN
    rest = [Text(f"And {more} more: analytics.v_provider_workload_analytics lists them all.", muted=True)]
    providers = formatting.counted(len(digest.overloads), "provider")
    return [
        heading,
        Text(f"On some days {providers} will have more work than hours:"),
        Facts(tuple((row["provider_name"], _overload(row)) for row in shown)),
        *(rest if more > 0 else []),
    ]


def _overload(row: Row) -> str:
    return (
        f"{row['expected_hours']:.0f} h expected ({row['booked_hours']:.0f} h booked) in {row['capacity_hours']:.0f} h "
        f"on {formatting.counted(row['days'], 'day')}, from {formatting.short_day(row['first_day'])}"
    )


def _statuses(digest: Digest) -> list[Block]:
    heading = Heading("Bookings by status", level=2)
    statuses = digest.statuses
    if statuses is None:
        return [heading, Text("Available for the newest day of the warehouse only, like the workload.", muted=True)]
    return [
        heading,
        Facts(
            (("Open now", _open_now(statuses)), *_overdue(statuses), *_cohorts(statuses, is_cut_off=digest.is_cut_off))
        ),
    ]


def _open_now(statuses: Row) -> str:
    """Return the counts of all open bookings, whenever they were made."""
    total = sum(statuses[column] for column, _ in OPEN_STATUSES)
    parts = [f"{formatting.count(statuses[column])} {words}" for column, words in OPEN_STATUSES if statuses[column]]
    if len(parts) == 1:
        return parts[0]
    return f"{formatting.count(total)}: {', '.join(parts)}" if parts else "none"


def _overdue(statuses: Row) -> list[tuple[str, str]]:
    reasons = [f"{words} {formatting.count(statuses[column])}" for column, words in OVERDUE_REASONS if statuses[column]]
    return [("Overdue, waiting for", ", ".join(reasons))] if reasons else []


def _cohorts(statuses: Row, *, is_cut_off: bool) -> list[tuple[str, str]]:
    """Return the outcomes of bookings made in the period, and of those made in the previous one at the same age.

    Near the edge of the data only the first: the data lack bookings that were made for later days.
    """
    current = _cohort(statuses, start="period_start", end="period_end", suffix="")
    if not statuses["total_bookings_previous"] or is_cut_off:
        return [current]
    label, counts = _cohort(statuses, start="previous_period_start", end="previous_period_end", suffix="_previous")
    return [current, (label, f"at the same age: {counts}")]


def _cohort(statuses: Row, *, start: str, end: str, suffix: str) -> tuple[str, str]:
    counts = [(statuses[column + suffix], words) for column, words in OUTCOMES]
    still_open = sum(statuses[status + suffix] for status in ("pending", "active", "at_risk", "overdue"))
    parts = [f"{formatting.count(number)} {words}" for number, words in (*counts, (still_open, "open")) if number]
    return (
        f"Made {formatting.day_month(statuses[start])} to {formatting.day_month(statuses[end])}",
        formatting.count(statuses["total_bookings" + suffix]) + (f", of which {', '.join(parts)}" if parts else ""),
    )


def _not_recorded(digest: Digest) -> list[Block]:
    """Return one note about figures that are not shown because nothing of them is recorded."""
    sentences = [
        *([] if digest.known.payments else ["No payments are recorded, so collected revenue is not shown."]),
        *([] if digest.known.capacity else ["No working hours are recorded, so workload is not shown."]),
        *([_undated(digest.undated_cancellations)] if digest.undated_cancellations else []),
    ]
    return [Text(" ".join(sentences), muted=True)] if sentences else []


def _undated(number: int) -> str:
    bookings = f"{formatting.counted(number, 'booking')} {'was' if number == 1 else 'were'} cancelled on an unknown day"
    return f"{bookings}, and {'is' if number == 1 else 'are'} in no day's figures."
