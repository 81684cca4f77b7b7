"""Matching of columns to the fields of a mapping, by the meanings of their names and the kinds of their values."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from sources.importing.reading import Layout
from sources.importing.suggesting.profile import ColumnProfile, amount, best_format
from sources.importing.suggesting.words import lists, meanings, status_of

GOOD: Final = 0.45  # the least score of a match
POOR: Final = 0.3  # the same for a needed target without a better match
SURE: Final = 0.85
EXTRA: Final = 0.2  # the penalty of a meaning beyond the pattern
FOREIGN: Final = 0.6  # the penalty of a meaning that belongs to something else
UNKNOWN: Final = 0.05  # the penalty of an unknown word
BY_VALUES: Final = 0.75  # the score of a column that is recognised by its values alone
NEEDED: Final = ("start", "client_name", "service_name", "amount", "status", "key")
REPEATED: Final = 0.5  # a column with fewer different values than this share of the rows is a category
FEW: Final = 20  # up to this number, values are counts of people or things rather than identifiers
COMPARED: Final = 500  # rows
MAX_STATUS_VALUES: Final = 40
TIME_TARGETS: Final = {"start": "start_time", "end": "end_time", "created": "created_time"}
TIMES_OF_BOOKINGS: Final = frozenset({"created", "start", "end"})
STATUS: Final = frozenset({"status"})  # as in "status date", which is none of TIMES_OF_BOOKINGS
TIMES: Final = frozenset({"date", "datetime"})
TEXTS: Final = frozenset({"text", "number", "phone"})
BOOLEANS: Final = frozenset({"boolean"})
DURATIONS: Final = frozenset({"number", "time", "duration"})
ALLOWED_KINDS: Final[Mapping[str, frozenset[str]]] = {
    "created": TIMES, "start": TIMES, "end": TIMES, "completed": TIMES, "cancelled": TIMES,
    "start_time": frozenset({"time"}), "end_time": frozenset({"time"}), "created_time": frozenset({"time"}),
    "duration": DURATIONS, "amount": frozenset({"number"}), "service_price": frozenset({"number"}),
    "progress": frozenset({"number"}), "paid": frozenset({"number"}),
    "client_email": frozenset({"email"}), "provider_email": frozenset({"email"}),
    "client_name": frozenset({"text"}), "client_first": frozenset({"text"}), "client_last": frozenset({"text"}),
    "provider_name": frozenset({"text"}), "provider_first": frozenset({"text"}), "provider_last": frozenset({"text"}),
    "service_name": TEXTS, "service_category": TEXTS, "client_group": TEXTS, "title": TEXTS,
    "channel": frozenset({"text"}),
    "is_cancelled": BOOLEANS, "is_no_show": BOOLEANS, "is_completed": BOOLEANS,
    "currency": frozenset({"text"}), "cancel_reason": frozenset({"text"}),
    "client_id": TEXTS, "provider_id": TEXTS, "service_id": TEXTS, "key": TEXTS,
    "status": frozenset({"text", "boolean"}),
}  # fmt: skip


@dataclass(frozen=True)
class Match:
    """A column and its score for a target, from 0 to 1."""

    column: ColumnProfile
    score: float

    @property
    def certainty(self) -> str:
        return "sure" if self.score >= SURE else "likely" if self.score >= 0.6 else "a guess"


Matches = dict[str, Match]


def match_columns(columns: Sequence[ColumnProfile], layout: Layout) -> Matches:
    """Return the best column for each target."""
    candidates = [
        (score, -position, target)
        for position, column in enumerate(columns)
        for target, score in _scores(column, layout).items()
    ]
    matches: Matches = {}
    taken: set[int] = set()

    def take(least: float, targets: Iterable[str]) -> None:
        for score, position, target in sorted(candidates, reverse=True):
            if score >= least and target in targets and target not in matches and position not in taken:
                matches[target] = Match(columns[-position], score)
                taken.add(position)

    take(GOOD, ALLOWED_KINDS)
    take(POOR, [target for target in NEEDED if not _is_matched(target, matches)])
    _order_times(matches, columns)
    _share_names(matches)
    if "paid" in matches and "amount" not in matches:
        matches["amount"] = Match(matches.pop("paid").column, GOOD)  # the only amount of the bookings
    return matches


def _is_matched(target: str, matches: Matches) -> bool:
    if target == "client_name":
        return bool({"client_name", "client_first", "client_last", "client_email"} & set(matches))
    if target == "status":
        return bool({"status", "is_cancelled", "is_no_show", "is_completed"} & set(matches))
    return target in matches


def _scores(column: ColumnProfile, layout: Layout) -> dict[str, float]:
    """Return the score of `column` for each target that its values allow."""
    words, unknown = meanings(column.name)
    foreign = frozenset(lists("words")["unused"])
    scores: dict[str, float] = dict(_by_values(column, words))
    for target, patterns in lists("words")["columns"].items():
        for pattern, weight in patterns.items():
            needed = frozenset(pattern.split())
            if not needed <= words:
                continue
            extra = words - needed
            others = foreign | STATUS if target in TIMES_OF_BOOKINGS else foreign
            lost = EXTRA * len(extra - others) + FOREIGN * len(extra & others) + min(UNKNOWN * unknown, EXTRA)
            scores[target] = max(scores.get(target, 0.0), weight - lost)
    for target, time_target in TIME_TARGETS.items():
        if target in scores:
            scores[time_target] = scores[target]
    return {target: score for target, score in scores.items() if _can_be(column, target, layout)}


def _by_values(column: ColumnProfile, words: frozenset[str]) -> Iterator[tuple[str, float]]:
    if column.kind == "email" and not words & {"provider", "user", "company"}:
        yield "client_email", GOOD
    if column.kind == "text" and 1 < len(column.values) <= MAX_STATUS_VALUES and "paid" not in words:
        recognised = sum(count for value, count in column.values.items() if status_of(value))
        if recognised >= BY_VALUES * column.filled:
            yield "status", BY_VALUES
    if column.values and all(value.upper() in lists("locales")["currencies"] for value in column.values):
        yield "currency", BY_VALUES
    if words:
        return
    # The name has no meaning: values alone are weak evidence.
    repeated = 1 < len(column.values) <= REPEATED * column.filled
    if column.kind in TIMES:
        yield "start", POOR
    elif column.kind == "number" and any(not cell.isdigit() for cell in column.values):
        yield "amount", POOR
    elif column.kind == "text" and repeated:
        yield "service_name", POOR
    if column.kind == "text" and len(column.values) > 1 and all(1 <= value.count(" ") <= 3 for value in column.values):
        yield "client_name", POOR
    if column.unique and not any(" " in value for value in column.values):
        yield "key", POOR


def _can_be(column: ColumnProfile, target: str, layout: Layout) -> bool:
    values = column.values
    match target:
        case "key":
            fits = column.unique
        case "status":
            fits = len(values) <= MAX_STATUS_VALUES and (len(values) < column.filled or column.filled < FEW)
        case "currency":
            fits = all(len(value) <= 3 for value in values)
        case "progress":
            fits = all(0 <= (amount(value, layout) or 0) <= 100 for value in values)
        case "client_id" | "provider_id":
            fits = not _counts(values, layout)
        case "amount" | "paid":
            fits = not all(value.isdigit() and int(value) <= FEW for value in values)
        case "service_name":
            fits = (not column.unique or column.filled < FEW) and not _counts(values, layout)
        case _:
            fits = True
    return fits and column.kind in ALLOWED_KINDS[target]


def _counts(values: Iterable[str], layout: Layout) -> bool:
    """Return True if the values are counts of people or things rather than identifiers."""
    return all(0 <= (amount(value, layout) or FEW + 1) <= FEW for value in values)


def _order_times(matches: Matches, columns: Sequence[ColumnProfile]) -> None:
    """Swap ambiguous columns of times so that bookings are created before the service starts."""
    if "end" in matches and "start" not in matches:
        _move(matches, "end", "start")  # an end without a start: the only date, such as a departure
    created = matches.get("created")
    is_ambiguous = created is not None and "created" not in meanings(created.column.name)[0]
    if is_ambiguous and "start" not in matches:
        _move(matches, "created", "start")  # the only date of a booking is the date of its service
    start, created = matches.get("start"), matches.get("created")
    if start is None:
        return
    if created:
        if is_ambiguous and start.score < SURE and _mostly_later(created.column, start.column):
            matches["created"], matches["start"] = start, created
        return
    foreign = frozenset(lists("words")["unused"])
    used = {match.column.name for match in matches.values()}
    for other in columns:
        if other.kind not in TIMES or other.name in used or not other.complete or meanings(other.name)[0] & foreign:
            continue
        if _mostly_later(start.column, other):
            matches["created"] = Match(other, POOR)
            return
        if start.score < SURE and _mostly_later(other, start.column):
            matches["created"], matches["start"] = Match(start.column, POOR), Match(other, start.score)
            return


def _move(matches: Matches, source: str, target: str) -> None:
    matches[target] = matches.pop(source)
    if f"{source}_time" in matches and f"{target}_time" not in matches:
        matches[f"{target}_time"] = matches.pop(f"{source}_time")


def _mostly_later(one: ColumnProfile, other: ColumnProfile) -> bool:
    """Return True if the dates of `one` are mostly after those of `other`."""
    formats = [best_format(profile, day_first=True) or "" for profile in (one, other)]
    pairs = [pair for pair in zip(one.cells, other.cells, strict=True) if all(pair)][:COMPARED]
    later = earlier = 0
    for texts in pairs:
        try:
            first, second = map(_parse_date, texts, formats)
        except ValueError:
            continue
        later += first > second
        earlier += first < second
    return later > 4 * earlier


def _parse_date(text: str | None, date_format: str) -> date:
    return datetime.strptime(text or "", date_format).date()  # noqa: DTZ007 - only the date is used


def _share_names(matches: Matches) -> None:
    """Use a company as the client if there is no person, and complete first and last names.

    A name beside a first name is the last name (Name, Vorname); beside last names it is the first name (Nombre).
    """
    if "client_group" in matches and not {"client_name", "client_first", "client_last"} & set(matches):
        matches["client_name"] = matches.pop("client_group")
    for role in ("client", "provider"):
        name, first, last = (f"{role}_{part}" for part in ("name", "first", "last"))
        if name in matches and first in matches and last not in matches:
            matches[last] = matches.pop(name)
        elif name in matches and last in matches and first not in matches:
            matches[first] = matches.pop(name)
