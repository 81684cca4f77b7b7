"""Which column becomes what: by the meanings of its name, and by whether its values can be that."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sources.importing.reading import Layout
from sources.importing.suggesting.profile import Profile, amount, best_form
from sources.importing.suggesting.words import lists, meanings, status_of

GOOD: Final = 0.45  # a score from which a column is taken
POOR: Final = 0.3  # ... where nothing better is there and the target is needed
SURE: Final = 0.85
EXTRA: Final = 0.2  # what a meaning beyond the pattern costs
FOREIGN: Final = 0.6  # ... where it says that the column is something else
UNKNOWN: Final = 0.05  # what an unknown word costs
BY_VALUES: Final = 0.75  # the score of a column whose values alone say what it is
NEEDED: Final = ("start", "client_name", "service_name", "amount", "status", "key")
COMPARED: Final = 500  # rows
MOST_STATES: Final = 40
CLOCKS: Final = {"start": "start_clock", "end": "end_clock", "created": "created_clock"}
TIMES: Final = frozenset({"day", "moment"})
TEXTS: Final = frozenset({"text", "number", "phone"})
LENGTHS: Final = frozenset({"number", "clock", "length"})
KINDS_OF: Final[Mapping[str, frozenset[str]]] = {
    "created": TIMES, "start": TIMES, "end": TIMES, "completed": TIMES, "cancelled": TIMES,
    "start_clock": frozenset({"clock"}), "end_clock": frozenset({"clock"}), "created_clock": frozenset({"clock"}),
    "duration": LENGTHS, "amount": frozenset({"number"}), "service_price": frozenset({"number"}),
    "progress": frozenset({"number"}),
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

    column: Profile
    score: float

    @property
    def certainty(self) -> str:
        return "sure" if self.score >= SURE else "likely" if self.score >= 0.6 else "a guess"


Matches = dict[str, Match]


def matched(columns: Sequence[Profile], layout: Layout) -> Matches:
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
    _order_times(matches)
    _share_names(matches)
    return matches


def _is_known(target: str, matches: Matches) -> bool:
    if target == "client_name":
        return bool({"client_name", "client_first", "client_last", "client_email"} & set(matches))
    if target == "status":
        return bool({"status", "is_cancelled", "is_no_show", "is_completed"} & set(matches))
    return target in matches


def _scores(column: Profile, layout: Layout) -> dict[str, float]:
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
            lost = EXTRA * len(extra - foreign) + FOREIGN * len(extra & foreign) + min(UNKNOWN * unknown, EXTRA)
            scores[target] = max(scores.get(target, 0.0), weight - lost)
    for target, clock in CLOCKS.items():
        if target in scores:
            scores[clock] = scores[target]
    return {target: score for target, score in scores.items() if _can_be(column, target, layout)}


def _by_values(column: Profile, said: frozenset[str]) -> Iterator[tuple[str, float]]:
    if column.kind == "email" and not said & {"provider", "user", "company"}:
        yield "client_email", GOOD
    if column.kind == "text" and 1 < len(column.values) <= MOST_STATES and "paid" not in said:
        known = sum(count for value, count in column.values.items() if status_of(value))
        if known >= BY_VALUES * column.filled:
            yield "status", BY_VALUES
    if column.kind in TIMES and not said & frozenset(lists("words")["unused"]):
        yield "start", POOR
    if column.kind == "number" and any(not sign.isdigit() for value in column.values for sign in value[-3:-2]):
        yield "amount", POOR if not said & {"tax", "discount", "tip", "commission", "outstanding"} else 0.0


def _can_be(column: Profile, target: str, layout: Layout) -> bool:
    if column.kind not in KINDS_OF[target]:
        return False
    if target == "key":
        return column.unique
    if target == "status":
        return len(column.values) <= MOST_STATES and (len(column.values) < column.filled or column.filled < 10)
    if target == "currency":
        return all(len(value) <= 3 for value in column.values)
    if target == "progress":
        return all(0 <= (amount(value, layout) or 0) <= 100 for value in column.values)
    return target != "service_name" or not column.unique or column.filled < 10


def _order_times(matches: Matches) -> None:
    """What was booked comes before what takes place: two unclear columns change places where their values say so."""
    created, start = matches.get("created"), matches.get("start")
    unclear = created is not None and "created" not in meanings(created.column.name)[0]
    if created and unclear and not start:
        matches["start"] = matches.pop("created")  # the only date of a booking is the day on which it takes place
        if "created_clock" in matches and "start_clock" not in matches:
            matches["start_clock"] = matches.pop("created_clock")
    elif created and start and unclear and start.score < SURE and _mostly_later(created.column, start.column):
        matches["created"], matches["start"] = start, created


def _mostly_later(one: Profile, other: Profile) -> bool:
    """Whether the days of `one` mostly lie after those of `other`."""
    forms = [best_form(profile, day_first=True) or "" for profile in (one, other)]
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
    """A name beside a first name is the last name (Name, Vorname); beside last names it is the first (Nombre)."""
    for role in ("client", "provider"):
        name, first, last = (f"{role}_{part}" for part in ("name", "first", "last"))
        if name in matches and first in matches and last not in matches:
            matches[last] = matches.pop(name)
        elif name in matches and last in matches and first not in matches:
            matches[first] = matches.pop(name)
