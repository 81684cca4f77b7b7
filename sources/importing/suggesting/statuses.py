"""The status of a booking, from a column of states, from columns that say yes or no, and from times."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from sources.importing.suggesting.fields import Field, column, quoted
from sources.importing.suggesting.matching import Matches
from sources.importing.suggesting.profile import truth
from sources.importing.suggesting.words import status_of

FLAGS: Final = {"is_completed": "completed", "is_cancelled": "cancelled", "is_no_show": "no_show"}  # the last one wins
MOST: Final = 0.8  # the share of the rows of an unknown state that decides what it is


@dataclass(frozen=True)
class Outcome:
    """How a booking's status comes about."""

    values: Mapping[str, str]  # the states of the file, and what each becomes
    conditions: Sequence[tuple[str, str]]  # where the condition holds, it is that status
    fallback: str  # the expression where nothing else decides; once it has a name, that of the whole
    comment: str
    possible: frozenset[str]
    flags: frozenset[str]  # the columns that say yes or no and are asked

    def named(self, name: str) -> "Outcome":
        """The same, with `name` for the whole expression."""
        return replace(self, fallback=name)


def outcome(matches: Matches, moments: Mapping[str, str]) -> Outcome:
    values: dict[str, str] = {}
    unknown: list[str] = []
    if "status" in matches:
        for value in matches["status"].column.values:
            known = status_of(value)
            values[value.strip().lower()] = known or _by_times(value, matches)
            if not known:
                unknown.append(value)
    # A state says more than a yes or no beside it: a no-show may be marked as cancelled too.
    flags = [target for target, status in FLAGS.items() if target in matches and status not in values.values()]
    conditions = list(_conditions(matches, flags))
    if "status" in matches:
        fallback, comment = "'confirmed'", ""
        if unknown:
            comment = f"TODO: not known, and guessed: {', '.join(unknown)}"
    else:
        fallback, comment = _without_states(matches, moments)
    statuses = {*values.values(), *(status for _, status in conditions)}
    return Outcome(values, conditions, fallback, comment, frozenset(statuses | _named_in(fallback)), frozenset(flags))


def _by_times(value: str, matches: Matches) -> str:
    """The status of an unknown state: what the times in its rows say."""
    rows = [place for place, cell in enumerate(matches["status"].column.cells) if cell == value]
    for target in ("cancelled", "completed"):
        if target in matches:
            cells = matches[target].column.cells
            if sum(cells[place] is not None for place in rows) >= MOST * len(rows):
                return target
    return "confirmed"


def _conditions(matches: Matches, flags: Sequence[str]) -> Iterator[tuple[str, str]]:
    for target in flags:
        profile = matches[target].column
        yes = sorted({value.lower() for value in profile.values if truth(value)})
        text = f"coalesce(lower(trim({column(profile.name)})), '')"
        if yes:
            yield " or ".join(f"{text} == {quoted(word)}" for word in yes), FLAGS[target]


def _without_states(matches: Matches, moments: Mapping[str, str]) -> tuple[str, str]:
    if "completed" in moments or "cancelled" in moments:
        expression = "'confirmed'"
        for target in ("completed", "cancelled"):
            if target in moments:
                expression = f"when(not is_null({moments[target]}), '{target}', {expression})"
        return expression, "the file has no status: its times say what became of a booking"
    if "created" in moments or set(FLAGS) & set(matches):
        return "'confirmed'", "CHECK: the file does not say which bookings took place, so none counts as completed"
    return "'completed'", "CHECK: the file has no status; its rows are taken as done"


def _named_in(expression: str) -> set[str]:
    return {status for status in ("confirmed", "completed", "cancelled") if f"'{status}'" in expression}


def closing_fields(moments: Mapping[str, str], outcome: Outcome) -> list[Field]:
    """completed_at and cancelled_at, as far as the file knows them."""
    fields = []
    booked = moments.get("created")
    ends = [moments[target] for target in ("completed", "end") if target in moments]
    if "completed" in outcome.possible and ends:
        when = f"coalesce({', '.join(ends)})" if len(ends) > 1 else ends[0]
        comment = "" if "completed" in moments else "CHECK: not in the file; taken as the end"
        fields.append(
            Field(
                "completed_at", f"when({outcome.fallback} == 'completed', {_not_before(when, booked)}, None)", comment
            )
        )
    closed = sorted(outcome.possible & {"cancelled", "no_show"})
    for_no_show = moments.get("start")
    if "cancelled" in closed and "cancelled" in moments:
        when = _not_before(moments["cancelled"], booked)
        expression = f"when({outcome.fallback} == 'cancelled', {when}, None)"
        if "no_show" in closed and for_no_show:
            expression = f"when({outcome.fallback} == 'no_show', {_not_before(for_no_show, booked)}, {expression})"
        fields.append(Field("cancelled_at", expression))
    elif "no_show" in closed and for_no_show:
        expression = f"when({outcome.fallback} == 'no_show', {_not_before(for_no_show, booked)}, None)"
        fields.append(
            Field("cancelled_at", expression, "of a no-show the start; when others were cancelled is unknown")
        )
    return fields


def _not_before(when: str, booked: str | None) -> str:
    """`when`, but never before the booking was made."""
    return f"coalesce(latest({when}, {booked}), {when})" if booked else when
