"""From matched columns to the parts of a mapping, each with a comment for the person who checks it."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sources.importing.reading import Layout
from sources.importing.suggesting import statuses
from sources.importing.suggesting.fields import Field, column, quoted
from sources.importing.suggesting.locales import Locale
from sources.importing.suggesting.matching import Match, Matches
from sources.importing.suggesting.profile import ColumnProfile, amount, best_format
from sources.importing.suggesting.words import meanings
from sources.lifecycle import PENDING

HOURS: Final = 12  # a number of a duration up to which hours are meant, if the column does not say minutes
# What a day without a time is taken as. Nothing that follows a booking on its day comes before it.
CONVENTIONS: Final = {"created": "00:00", "start": "09:00", "end": "17:00", "completed": "23:59", "cancelled": "23:59"}


@dataclass
class Draft:
    """What a mapping of one table says. `became` tells for each column what it became, `lacks` what there is not."""

    let: list[Field] = field(default_factory=list)
    sections: dict[str, list[Field]] = field(default_factory=dict)
    key: list[str] = field(default_factory=list)
    history: list[Mapping[str, str]] = field(default_factory=list)
    nulls: list[str] = field(default_factory=list)
    became: dict[str, str] = field(default_factory=dict)
    lacks: list[str] = field(default_factory=list)


def draft_bookings(
    columns: Sequence[ColumnProfile],
    matches: Matches,
    layout: Layout,
    place: Locale,
    described: frozenset[str] = frozenset(),
) -> Draft:
    """The draft of a table of bookings. The `described` kinds of records stand in other tables."""
    return _Drafter(columns, matches, layout, place, described).draft()


class _Drafter:
    """The state of drafting one table: what was matched, and what was named so far."""

    def __init__(
        self,
        columns: Sequence[ColumnProfile],
        matches: Matches,
        layout: Layout,
        place: Locale,
        described: frozenset[str],
    ) -> None:
        self.described = described
        self.columns, self.matches, self.layout, self.place = columns, dict(matches), layout, place
        self.result = Draft(nulls=sorted({"", *(text for profile in columns for text in profile.nulls)}))
        self.day_first = layout.date_order != "month first" and (layout.date_order is not None or place.day_first)
        self.names = {profile.name for profile in columns}

    def draft(self) -> Draft:
        moments = self._moments()
        self._key()
        outcome = self._outcome(moments)
        self._people()
        self._service()
        self._booking(moments, outcome)
        if "payment" not in self.described:
            self._payment()
        for profile in self.columns:
            self.result.became.setdefault(profile.name, f"not used{_reason(profile)}")
        self.result.became = {profile.name: self.result.became[profile.name] for profile in self.columns}
        return self.result

    # --- columns -----------------------------------------------------------------------------------

    def _taken(self, target: str, what: str, extra: str = "") -> Match | None:
        """The match of `target`, with `what` noted as what its column became."""
        match = self.matches.get(target)
        if match:
            self.result.became[match.column.name] = f"{what} ({match.certainty}{extra})"
        return match

    def _text(self, target: str, what: str) -> str | None:
        match = self._taken(target, what)
        return column(match.column.name) if match else None

    def _let(self, name: str, value: Any, comment: str = "") -> str:
        while name in self.names:  # a name may not be that of a column
            name += "_"
        self.result.let.append(Field(name, value, comment))
        return name

    # --- times -------------------------------------------------------------------------------------

    def _moments(self) -> dict[str, str]:
        """The expressions of the times that the table has, each named in `let`."""
        found: dict[str, str] = {}
        for target, name, what in (
            ("created", "booked_at", "when it was booked"),
            ("start", "start_at", "start"),
            ("end", "end_at", "end"),
            ("completed", "done_at", "when it was completed"),
            ("cancelled", "called_off_at", "when it was cancelled"),
        ):
            if expression := self._moment(target, what):
                found[target] = self._let(name, *expression)
        if "end" not in found and "start" in found:
            if length := self._length():
                found["end"] = self._let("end_at", f"plus_minutes({found['start']}, {length})", "start and duration")
            elif expression := self._end_of_day_of_start():
                found["end"] = self._let("end_at", *expression)
        return found

    def _moment(self, target: str, what: str) -> tuple[str, str] | None:
        """The expression of a time, and a comment."""
        match = self._taken(target, what)
        if match is None:
            return None
        text, form = column(match.column.name), best_format(match.column, day_first=self.day_first) or ""
        comment = self._doubt(match.column, form)
        if match.column.kind == "moment":
            return f"parse_time({text}, {quoted(form)})", comment
        day = f"at(parse_date({text}, {quoted(form)}), '{CONVENTIONS[target]}')"
        clock = self.matches.get(f"{target}_clock")
        if clock is None:
            return day, "; ".join(
                filter(None, [comment, f"the file has no time of day: {CONVENTIONS[target]} is taken"])
            )
        self._taken(f"{target}_clock", f"{what}, the time of day")
        joined = _joined(text, form, clock.column)
        return (joined if clock.column.complete else f"coalesce({joined}, {day})"), comment

    def _end_of_day_of_start(self) -> tuple[str, str] | None:
        """The end, where the table has its time of day alone: on the day of the start."""
        clock, start = self.matches.get("end_clock"), self.matches.get("start")
        if clock is None or start is None or start.column.kind != "day":
            return None
        self._taken("end_clock", "end, the time of day")
        form = best_format(start.column, day_first=self.day_first) or ""
        return _joined(column(start.column.name), form, clock.column), "on the day of the start"

    def _length(self) -> str | None:
        match = self._taken("duration", "duration, which gives the end")
        if match is None:
            return None
        text = column(match.column.name)
        if match.column.kind == "number":
            said = match.column.name.lower()
            numbers = [amount(value, self.layout) or 0 for value in match.column.values]
            if re.search(r"night|noche|nacht|nächt|nuit|nott|day|tage|día|dias|jour|giorn", said):
                return f"number({text}) * 1440"
            in_minutes = re.search(r"min", said) is not None
            in_hours = re.search(r"\bh\b|hour|hrs|stunde|std|hora|heure|ore\b|uur", said) is not None
            if in_hours or (not in_minutes and max(numbers, default=0) <= HOURS):
                return f"number({text}) * 60"
        return f"minutes({text})"

    def _doubt(self, profile: ColumnProfile, form: str) -> str:
        """A warning where the order of day and month is a guess."""
        most = profile.forms.get(form, 0)
        swapped = form.replace("%d", "%?").replace("%m", "%d").replace("%?", "%m")
        if swapped != form and profile.forms.get(swapped, 0) == most and self.layout.date_order is None:
            return f"CHECK: day and month could be the other way round, {swapped}"
        return ""

    # --- what identifies a booking -----------------------------------------------------------------

    def _key(self) -> None:
        match = self._taken("key", "key and booking number")
        if match:
            self.result.key = [column(match.column.name)]

    # --- the status --------------------------------------------------------------------------------

    def _outcome(self, moments: Mapping[str, str]) -> statuses.Outcome:
        match = self._taken("status", "status, through the value map")
        outcome = statuses.outcome(self.matches, moments)
        for target, what in (("is_no_show", "no-show"), ("is_cancelled", "cancelled"), ("is_completed", "completed")):
            if target in outcome.flags:
                self._taken(target, f"status: {what} where it says yes")
            elif target in self.matches:
                self.result.became[self.matches[target].column.name] = "not used: the status says it"
        expression = outcome.fallback
        comment = outcome.comment
        if match:
            state: Any = {"expression": f"lower(trim({column(match.column.name)}))", "values": outcome.values}
            if match.column.complete and not outcome.conditions:
                return outcome.named(self._let("outcome", state, comment))
            name = self._let("state", state, comment)
            expression = name if match.column.complete else f"coalesce({name}, {outcome.fallback})"
            comment = ""
        for condition, status in outcome.conditions:
            expression = f"when({condition}, '{status}', {expression})"
        return outcome.named(self._let("outcome", expression, comment))

    # --- people and services -----------------------------------------------------------------------

    def _people(self) -> None:
        for role in ("client", "provider"):
            if role in self.described:
                self._refer(role)
                continue
            name = self._name_of(role)
            email = self._text(f"{role}_email", f"{role}.email")
            if role == "client":
                fallbacks = [email, "'Unknown client'"] if name is None or not self._always_named() else []
                parts = [part for part in (name, *fallbacks) if part]
                name = parts[0] if len(parts) == 1 else f"coalesce({', '.join(parts)})"
                if parts == ["'Unknown client'"]:
                    self.result.lacks.append("who the client was: all bookings count as one client's")
            name = name or email
            if name is None and "line" in self.described:
                continue
            if name is None:
                self.result.lacks.append("who did the work: providers and their workload stay unknown")
                continue
            fields = [Field("name", name)]
            if reference := self._reference(role, name_target=f"{role}_email"):
                fields.append(Field("external_ref", reference))
            if email:
                fields.append(Field("email", email))
            if role == "client" and (group := self._text("client_group", "client.client_group")):
                fields.append(Field("client_group", group))
            self.result.sections[role] = fields

    def _refer(self, part: str) -> None:
        """A client, provider or service that another table describes: by its reference alone."""
        reference = self._text(f"{part}_id", f"{part}.external_ref, which the table of {part}s describes")
        self.result.sections[part] = [Field("external_ref", reference)]

    def _always_named(self) -> bool:
        return any(
            match.column.complete
            for target in ("client_name", "client_last", "client_first")
            if (match := self.matches.get(target))
        )

    def _name_of(self, role: str) -> str | None:
        whole = self._text(f"{role}_name", f"{role}.name")
        first, last = self.matches.get(f"{role}_first"), self.matches.get(f"{role}_last")
        if whole:
            for match in filter(None, (first, last)):
                self.result.became[match.column.name] = f"not used: a part of {role}.name"
            return whole
        parts = [
            column(match.column.name) if match.column.complete else f"coalesce({column(match.column.name)}, '')"
            for match in (first, last)
            if match
        ]
        self._taken(f"{role}_first", f"{role}.name, its first part")
        self._taken(f"{role}_last", f"{role}.name, its last part")
        if len(parts) < 2:
            return parts[0] if parts else None
        return f"trim(concat({parts[0]}, ' ', {parts[1]}))"

    def _reference(self, part: str, *, name_target: str) -> str | None:
        """The expression of a reference, unless one name or address has several: those would be refused."""
        match, named = self.matches.get(f"{part}_id"), self.matches.get(name_target)
        if match is None or not match.column.complete:
            return None
        if named:
            pairs = {pair for pair in zip(named.column.cells, match.column.cells, strict=True) if None not in pair}
            if max(Counter(name for name, _ in pairs).values(), default=1) > 1:
                self.result.became[match.column.name] = f"not used: one {name_target.replace('_', '.')} has several"
                return None
        return self._text(f"{part}_id", f"{part}.external_ref")

    def _service(self) -> None:
        if "service" in self.described:
            self._refer("service")
            return
        match = self._taken("service_name", "service.name")
        if match is None and "line" in self.described:
            return
        if match is None:
            self.result.sections["service"] = [Field("name", {"constant": "Service"}, "the file names no service")]
            self.result.lacks.append("which service it was: all bookings count as one service's")
            return
        name = column(match.column.name)
        fields = [Field("name", name if match.column.complete else f"coalesce({name}, 'No service named')")]
        if reference := self._reference("service", name_target="service_name"):
            fields.append(Field("external_ref", reference))
        if category := self._text("service_category", "service.category"):
            fields.append(Field("category", category))
        if price := self._text("service_price", "service.base_price"):
            fields.append(Field("base_price", price))
        self.result.sections["service"] = fields

    # --- the booking -------------------------------------------------------------------------------

    def _booking(self, moments: Mapping[str, str], outcome: statuses.Outcome) -> None:
        fields = [Field("status", outcome.fallback), *self._amount()]
        if match := self._taken("currency", "currency"):
            fields.append(Field("currency", f"upper({column(match.column.name)})"))
        if title := self._text("title", "title"):
            fields.append(Field("title", title))
        for target, name in (("created", "created_at"), ("start", "scheduled_start"), ("end", "scheduled_end")):
            if target in moments:
                fields.append(Field(name, moments[target]))
        if "created" not in moments:
            self.result.lacks.append("when bookings were made: lead times and bookings by day of booking stay unknown")
        if "start" not in moments:
            self.result.lacks.append("when the service takes place: revenue by service day stays unknown")
        fields += statuses.closing_fields(moments, outcome)
        if reason := self._text("cancel_reason", "cancel_reason"):
            fields.append(Field("cancel_reason", reason))
        if progress := self._text("progress", "progress_pct"):
            fields.append(Field("progress_pct", progress))
        self.result.sections["booking"] = fields
        if "created" in moments:
            # What an export lists was booked, unless its own status says that it was only asked for.
            unbooked = sorted(outcome.possible & {*PENDING, "declined", "expired"})
            first = {"status": "confirmed", "when": "created_at"}
            self.result.history = [
                {**first, "if": " and ".join(f"status != '{status}'" for status in unbooked)} if unbooked else first,
                {"status": "final", "when": "coalesce(completed_at, cancelled_at, created_at)"},
            ]

    def _payment(self) -> None:
        """What was paid of the booking, where a column says how much."""
        match = self.matches.get("paid")
        if match is None or not self.result.key:
            self.result.lacks.append("payments: collected revenue stays unknown")
            return
        self._taken("paid", "payment.amount, on an unknown day")
        paid = self._let("paid", f"coalesce(money({column(match.column.name)}), 0)")
        self.result.sections["payment"] = [
            Field("booking", self.result.key[0]),
            Field("amount", paid),
            Field("if", f"{paid} != 0"),
        ]

    def _amount(self) -> list[Field]:
        match = self._taken("amount", "total_amount")
        if match is None and "line" in self.described:  # the total is the sum of the lines
            return []
        if match is None:
            self.result.lacks.append("amounts: every booking counts 0, and revenue stays unknown")
            return [Field("total_amount", "0", "CHECK: the file has no amount")]
        numbers = [amount(value, self.layout) for value in match.column.values]
        text = f"money({column(match.column.name)})"
        if any(number is not None and number != round(number, 2) for number in numbers):
            text = f"round_money(number({column(match.column.name)}))"
        if match.column.complete:
            return [Field("total_amount", text)]
        empty = len(match.column.cells) - match.column.filled
        return [Field("total_amount", f"coalesce({text}, 0)", f"CHECK: {empty} of the rows have none, and count 0")]


def _joined(day: str, form: str, clock: ColumnProfile) -> str:
    return f"parse_time(concat({day}, ' ', {column(clock.name)}), {quoted(f'{form} {best_format(clock, day_first=True)}')})"


def _reason(profile: ColumnProfile) -> str:
    said = meanings(profile.name)[0]
    if profile.kind == "nothing":
        return ": it is empty"
    known = sorted(said)
    return f": {', '.join(known)}" if known else ""
