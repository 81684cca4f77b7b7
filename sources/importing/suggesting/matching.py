"""Which column becomes what: by the meanings of its name, and by whether its values can be that."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sources.importing.reading import Layout
from sources.importing.suggesting.profile import ColumnProfile, amount, best_format
from sources.importing.suggesting.words import lists, meanings, status_of

GOOD: Final = 0.45  # a score from which a column is taken
POOR: Final = 0.3  # ... where nothing better is there and the target is needed
SURE: Final = 0.85
EXTRA: Final = 0.2  # what a meaning beyond the pattern costs
FOREIGN: Final = 0.6  # ... where it says that the column is something else
UNKNOWN: Final = 0.05  # what an unknown word costs
BY_VALUES: Final = 0.75  # the score of a column whose values alone say what it is
NEEDED: Final = ("start", "client_name", "service_name", "amount", "status", "key")
REPEATED: Final = 0.5  # of the rows: what has fewer different values is one of a few things
FEW: Final = 20  # a count of people or things, rather than a number that identifies
COMPARED: Final = 500  # rows
MOST_STATES: Final = 40
CLOCKS: Final = {"start": "start_clock", "end": "end_clock", "created": "created_clock"}
TIMES_OF_BOOKINGS: Final = frozenset({"created", "start", "end"})
STATES: Final = frozenset({"status"})  # the date of a state is none of them
TIMES: Final = frozenset({"day", "moment"})
TEXTS: Final = frozenset({"text", "number", "phone"})
LENGTHS: Final = frozenset({"number", "clock", "length"})
KINDS_OF: Final[Mapping[str, frozenset[str]]] = {
    "created": TIMES, "start": TIMES, "end": TIMES, "completed": TIMES, "cancelled": TIMES,
    "start_clock": frozenset({"clock"}), "end_clock": frozenset({"clock"}), "created_clock": frozenset({"clock"}),
    "duration": LENGTHS, "amount": frozenset({"number"}), "service_price": frozenset({"number"}),
    "progress": frozenset({"number"}), "paid": frozenset({"number"}),
    "client_email": frozenset({"email"}), "provider_email": frozenset({"email"}),
    "client_name": frozenset({"text"}), "client_first": frozenset({"text"}), "client_last": frozenset({"text"}),
    "provider_name": frozenset({"text"}), "provider_first": frozenset({"text"}), "provider_last": frozenset({"text"}),
    "service_name": TEXTS, "service_category": TEXTS, "client_group": TEXTS, "title": TEXTS,
    "is_cancelled": frozenset({"truth"}), "is_no_show": frozenset({"truth"}), "is_completed": frozenset({"truth"}),
    "currency": frozenset({"text"}), "cancel_reason": frozenset({"text"}),
    "client_id": TEXTS, "provider_id": TEXTS, "service_id": TEXTS, "key": TEXTS, "status": frozenset({"text", "truth"}),
}  # fmt: skip


@dataclass(frozen=True)
class Match:
    """A column and how well it fits its target, from 0 to 1."""

    column: ColumnProfile
    score: float

    @property
    def certainty(self) -> str:
        return "sure" if self.score >= SURE else "likely" if self.score >= 0.6 else "a guess"


Matches = dict[str, Match]


def match_columns(columns: Sequence[ColumnProfile], layout: Layout) -> Matches:
    """The best column for each target."""
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

    take(GOOD, KINDS_OF)
    take(POOR, [target for target in NEEDED if not _is_known(target, matches)])
    _order_times(matches, columns)
    _share_names(matches)
    if "paid" in matches and "amount" not in matches:
        matches["amount"] = Match(matches.pop("paid").column, GOOD)  # nothing else says what a booking costs
    return matches


def _is_known(target: str, matches: Matches) -> bool:
    if target == "client_name":
        return bool({"client_name", "client_first", "client_last", "client_email"} & set(matches))
    if target == "status":
        return bool({"status", "is_cancelled", "is_no_show", "is_completed"} & set(matches))
    return target in matches


def _scores(column: ColumnProfile, layout: Layout) -> dict[str, float]:
    """The targets that `column` can be, with how well its name says so."""
    said, unknown = meanings(column.name)
    foreign = frozenset(lists("words")["unused"])
    scores: dict[str, float] = dict(_by_values(column, said))
    for target, patterns in lists("words")["columns"].items():
        for pattern, weight in patterns.items():
            needed = frozenset(pattern.split())
            if not needed <= said:
                continue
            extra = said - needed
            others = foreign | STATES if target in TIMES_OF_BOOKINGS else foreign
            lost = EXTRA * len(extra - others) + FOREIGN * len(extra & others) + min(UNKNOWN * unknown, EXTRA)
            scores[target] = max(scores.get(target, 0.0), weight - lost)
    for target, clock in CLOCKS.items():
        if target in scores:
            scores[clock] = scores[target]
    return {target: score for target, score in scores.items() if _can_be(column, target, layout)}


def _by_values(column: ColumnProfile, said: frozenset[str]) -> Iterator[tuple[str, float]]:
    if column.kind == "email" and not said & {"provider", "user", "company"}:
        yield "client_email", GOOD
    if column.kind == "text" and 1 < len(column.values) <= MOST_STATES and "paid" not in said:
        known = sum(count for value, count in column.values.items() if status_of(value))
        if known >= BY_VALUES * column.filled:
            yield "status", BY_VALUES
    if column.values and all(value.upper() in lists("locales")["currencies"] for value in column.values):
        yield "currency", BY_VALUES
    if said:
        return
    # A name that says nothing: the values alone are a poor reason.
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
            fits = len(values) <= MOST_STATES and (len(values) < column.filled or column.filled < FEW)
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
    return fits and column.kind in KINDS_OF[target]


def _counts(values: Iterable[str], layout: Layout) -> bool:
    """Whether the values are numbers of people or things, and identify nothing."""
    return all(0 <= (amount(value, layout) or FEW + 1) <= FEW for value in values)


def _order_times(matches: Matches, columns: Sequence[ColumnProfile]) -> None:
    """What was booked comes before what takes place: unclear columns change places where their values say so."""
    if "end" in matches and "start" not in matches:
        _move(matches, "end", "start")  # what begins has no end without a beginning: a departure
    created = matches.get("created")
    unclear = created is not None and "created" not in meanings(created.column.name)[0]
    if unclear and "start" not in matches:
        _move(matches, "created", "start")  # the only date of a booking is the day on which it takes place
    start, created = matches.get("start"), matches.get("created")
    if start is None:
        return
    if created:
        if unclear and start.score < SURE and _mostly_later(created.column, start.column):
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
    if f"{source}_clock" in matches and f"{target}_clock" not in matches:
        matches[f"{target}_clock"] = matches.pop(f"{source}_clock")


def _mostly_later(one: ColumnProfile, other: ColumnProfile) -> bool:
    """Whether the days of `one` mostly lie after those of `other`."""
    forms = [best_format(profile, day_first=True) or "" for profile in (one, other)]
    pairs = [(a, b) for a, b in zip(one.cells, other.cells, strict=True) if a and b][:COMPARED]
    later = earlier = 0
    for texts in pairs:
        try:
            first, second = (datetime.strptime(text, form).date() for text, form in zip(texts, forms, strict=True))  # noqa: DTZ007 - days
        except ValueError:
            continue
        later += first > second
        earlier += first < second
    return later > 4 * earlier


def _share_names(matches: Matches) -> None:
    """A company is the client where no person is.

    A name beside a first name is the last name (Name, Vorname); beside last names it is the first (Nombre).
    """
    if "client_group" in matches and not {"client_name", "client_first", "client_last"} & set(matches):
        matches["client_name"] = matches.pop("client_group")
    for role in ("client", "provider"):
        name, first, last = (f"{role}_{part}" for part in ("name", "first", "last"))
        if name in matches and first in matches and last not in matches:
            matches[last] = matches.pop(name)
        elif name in matches and last in matches and first not in matches:
            matches[first] = matches.pop(name)
