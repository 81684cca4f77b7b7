"""Draft of the status of a booking, from a status column, from yes/no columns, and from times."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from sources.importing.suggesting.fields import Field, column, quoted
from sources.importing.suggesting.matching import Matches
from sources.importing.suggesting.profile import as_boolean
from sources.importing.suggesting.words import status_of

# Target of a yes/no column -> the status if its value is yes. If several are yes, the last status applies.
FLAGS: Final = {
    "is_completed": "completed",
    "is_cancelled": "cancelled",
    "is_no_show": "no_show",
}
# An unknown status value becomes cancelled or completed if at least this share of its rows has the time of that status.
MOST: Final = 0.8


@dataclass(frozen=True)
class Outcome:
    """The derivation of a booking's status."""

    values: Mapping[str, str]  # status value in the file -> status
    conditions: Sequence[tuple[str, str]]  # pairs of a condition and the status where it holds
    fallback: str  # the expression if no condition holds; later the name in `let` that has the status
    comment: str
    possible: frozenset[str]
    flags: frozenset[str]  # the yes/no targets that are used

    def named(self, name: str) -> "Outcome":
        """Return the same outcome with `name` as its expression."""
        return replace(self, fallback=name)


def outcome(matches: Matches, times: Mapping[str, str]) -> Outcome:
    """Derive the status from the matched columns and the expressions of times."""
    values: dict[str, str] = {}
    unknown: list[str] = []
    if "status" in matches:
        for value in matches["status"].column.values:
            status = status_of(value)
            values[value.strip().lower()] = status or _by_times(value, matches)
            if not status:
                unknown.append(value)
    # The status column takes precedence over yes/no columns: a no-show may be marked as cancelled too.
    flags = [target for target, status in FLAGS.items() if target in matches and status not in values.values()]
    conditions = list(_conditions(matches, flags))
    if "status" in matches:
        fallback, comment = "'confirmed'", ""
        if unknown:
            comment = f"TODO: unknown, and guessed: {', '.join(unknown)}"
    else:
        fallback, comment = _without_status_column(matches, times)
    statuses = {*values.values(), *(status for _, status in conditions)}
    return Outcome(
        values, conditions, fallback, comment, frozenset(statuses | _statuses_in(fallback)), frozenset(flags)
    )


def _by_times(value: str, matches: Matches) -> str:
    """Guess the status of an unknown status value from the times in its rows."""
    rows = [row for row, cell in enumerate(matches["status"].column.cells) if cell == value]
    for target in ("cancelled", "completed"):
        if target in matches:
            cells = matches[target].column.cells
            if sum(cells[row] is not None for row in rows) >= MOST * len(rows):
                return target
    return "confirmed"


def _conditions(matches: Matches, flags: Sequence[str]) -> Iterator[tuple[str, str]]:
    for target in flags:
        profile = matches[target].column
        yes = sorted({value.lower() for value in profile.values if as_boolean(value)})
        text = f"coalesce(lower(trim({column(profile.name)})), '')"
        if yes:
            yield " or ".join(f"{text} == {quoted(word)}" for word in yes), FLAGS[target]


def _without_status_column(matches: Matches, times: Mapping[str, str]) -> tuple[str, str]:
    if "completed" in times or "cancelled" in times:
        expression = "'confirmed'"
        for target in ("completed", "cancelled"):
            if target in times:
                expression = f"when(not is_null({times[target]}), '{target}', {expression})"
        return expression, "the file has no status: it follows from the times"
    if "created" in times or set(FLAGS) & set(matches):
        return "'confirmed'", "CHECK: nothing in the file shows which bookings took place, so none is completed"
    return "'completed'", "CHECK: the file has no status; all bookings are completed"


def _statuses_in(expression: str) -> set[str]:
    return {status for status in ("confirmed", "completed", "cancelled") if f"'{status}'" in expression}


def closing_fields(times: Mapping[str, str], outcome: Outcome) -> list[Field]:
    """Return the fields completed_at and cancelled_at, as far as the file has their times."""
    fields = []
    created = times.get("created")
    ends = [times[target] for target in ("completed", "end") if target in times]
    if "completed" in outcome.possible and ends:
        when = f"coalesce({', '.join(ends)})" if len(ends) > 1 else ends[0]
        comment = "" if "completed" in times else "CHECK: not in the file; the end of the booking is used"
        fields.append(
            Field(
                "completed_at", f"when({outcome.fallback} == 'completed', {_not_before(when, created)}, None)", comment
            )
        )
    closed = sorted(outcome.possible & {"cancelled", "no_show"})
    start = times.get("start")
    if "cancelled" in closed and "cancelled" in times:
        when = _not_before(times["cancelled"], created)
        expression = f"when({outcome.fallback} == 'cancelled', {when}, None)"
        if "no_show" in closed and start:
            expression = f"when({outcome.fallback} == 'no_show', {_not_before(start, created)}, {expression})"
        fields.append(Field("cancelled_at", expression))
    elif "no_show" in closed and start:
        expression = f"when({outcome.fallback} == 'no_show', {_not_before(start, created)}, None)"
        fields.append(
            Field("cancelled_at", expression, "of a no-show the start; the times of cancellations are unknown")
        )
    return fields


def _not_before(when: str, created: str | None) -> str:
    """Return `when`, but never before the booking was created."""
    return f"coalesce(latest({when}, {created}), {when})" if created else when
