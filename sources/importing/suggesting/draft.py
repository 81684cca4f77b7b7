"""Draft of the mapping of a table of bookings: fields from matched columns, with comments for the reader."""

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

MAX_HOURS: Final = 12  # durations up to this number are hours, if the column name does not say minutes
# The time of day for a date without a time, in the order of a booking's events: if all are on one day, creation comes
# first and completion or cancellation last.
DEFAULT_TIMES: Final = {
    "created": "00:00",
    "start": "09:00",
    "end": "17:00",
    "completed": "23:59",
    "cancelled": "23:59",
}


@dataclass
class Draft:
    """The mapping of one table. `column_uses` has the use of each column, `gaps` the data that the table lacks."""

    let: list[Field] = field(default_factory=list)
    sections: dict[str, list[Field]] = field(default_factory=dict)
    key: list[str] = field(default_factory=list)
    history: list[Mapping[str, str]] = field(default_factory=list)
    nulls: list[str] = field(default_factory=list)
    column_uses: dict[str, str] = field(default_factory=dict)
    gaps: list[str] = field(default_factory=list)


def draft_bookings(
    columns: Sequence[ColumnProfile],
    matches: Matches,
    layout: Layout,
    locale: Locale,
    elsewhere: frozenset[str] = frozenset(),
) -> Draft:
    """Draft the mapping of a table of bookings. Other tables have the records of the kinds in `elsewhere`."""
    return _Drafter(columns, matches, layout, locale, elsewhere).draft()


class _Drafter:
    """Drafts the mapping of one table from its matched columns, and notes the use of each column."""

    def __init__(
        self,
        columns: Sequence[ColumnProfile],
        matches: Matches,
        layout: Layout,
        locale: Locale,
        elsewhere: frozenset[str],
    ) -> None:
        self.elsewhere = elsewhere
        self.columns, self.matches, self.layout, self.locale = columns, dict(matches), layout, locale
        self.result = Draft(nulls=sorted({"", *(text for profile in columns for text in profile.nulls)}))
        self.day_first = layout.date_order != "month first" and (layout.date_order is not None or locale.day_first)
        self.names = {profile.name for profile in columns}

    def draft(self) -> Draft:
        times = self._times()
        self._key()
        outcome = self._outcome(times)
        self._people()
        self._service()
        self._booking(times, outcome)
        if "payment" not in self.elsewhere:
            self._payment()
        for profile in self.columns:
            self.result.column_uses.setdefault(profile.name, f"not used{_reason(profile)}")
        self.result.column_uses = {profile.name: self.result.column_uses[profile.name] for profile in self.columns}
        return self.result

    # --- columns -----------------------------------------------------------------------------------

    def _use(self, target: str, use: str) -> Match | None:
        """Return the match of `target`, and note the `use` of its column."""
        match = self.matches.get(target)
        if match:
            self.result.column_uses[match.column.name] = f"{use} ({match.certainty})"
        return match

    def _text(self, target: str, use: str) -> str | None:
        match = self._use(target, use)
        return column(match.column.name) if match else None

    def _let(self, name: str, value: Any, comment: str = "") -> str:
        while name in self.names:  # a name must not be that of a column
            name += "_"
        self.result.let.append(Field(name, value, comment))
        return name

    # --- times -------------------------------------------------------------------------------------

    def _times(self) -> dict[str, str]:
        """Return the expressions of the times that the table has, each named in `let`."""
        found: dict[str, str] = {}
        for target, name, use in (
            ("created", "booked_at", "time of booking"),
            ("start", "start_at", "start"),
            ("end", "end_at", "end"),
            ("completed", "completion_at", "time of completion"),
            ("cancelled", "cancellation_at", "time of cancellation"),
        ):
            if expression := self._time(target, use):
                found[target] = self._let(name, *expression)
        if "end" not in found and "start" in found:
            if duration := self._duration():
                found["end"] = self._let("end_at", f"plus_minutes({found['start']}, {duration})", "start and duration")
            elif expression := self._end_on_start_date():
                found["end"] = self._let("end_at", *expression)
        return found

    def _time(self, target: str, use: str) -> tuple[str, str] | None:
        """Return the expression of a time, and a comment."""
        match = self._use(target, use)
        if match is None:
            return None
        text, date_format = column(match.column.name), best_format(match.column, day_first=self.day_first) or ""
        comment = self._ambiguity(match.column, date_format)
        if match.column.kind == "datetime":
            return f"parse_time({text}, {quoted(date_format)})", comment
        day = f"at(parse_date({text}, {quoted(date_format)}), '{DEFAULT_TIMES[target]}')"
        time_of_day = self.matches.get(f"{target}_time")
        if time_of_day is None:
            return day, "; ".join(
                filter(None, [comment, f"the file has no time of day: {DEFAULT_TIMES[target]} is used"])
            )
        self._use(f"{target}_time", f"{use}, the time of day")
        joined = _date_and_time(text, date_format, time_of_day.column)
        return (joined if time_of_day.column.complete else f"coalesce({joined}, {day})"), comment

    def _end_on_start_date(self) -> tuple[str, str] | None:
        """Return the end from its time of day on the date of the start, for a table without a date of the end."""
        time_of_day, start = self.matches.get("end_time"), self.matches.get("start")
        if time_of_day is None or start is None or start.column.kind != "date":
            return None
        self._use("end_time", "end, the time of day")
        date_format = best_format(start.column, day_first=self.day_first) or ""
        return _date_and_time(column(start.column.name), date_format, time_of_day.column), "on the day of the start"

    def _duration(self) -> str | None:
        match = self._use("duration", "duration, which gives the end")
        if match is None:
            return None
        text = column(match.column.name)
        if match.column.kind == "number":
            name = match.column.name.lower()
            numbers = [amount(value, self.layout) or 0 for value in match.column.values]
            if re.search(r"night|noche|nacht|nächt|nuit|nott|day|tage|día|dias|jour|giorn", name):
                return f"number({text}) * 1440"
            in_minutes = re.search(r"min", name) is not None
            in_hours = re.search(r"\bh\b|hour|hrs|stunde|std|hora|heure|ore\b|uur", name) is not None
            if in_hours or (not in_minutes and max(numbers, default=0) <= MAX_HOURS):
                return f"number({text}) * 60"
        return f"minutes({text})"

    def _ambiguity(self, profile: ColumnProfile, date_format: str) -> str:
        """Return a comment if the order of day and month is a guess."""
        count = profile.formats.get(date_format, 0)
        swapped = date_format.replace("%d", "%?").replace("%m", "%d").replace("%?", "%m")
        if swapped != date_format and profile.formats.get(swapped, 0) == count and self.layout.date_order is None:
            return f"CHECK: day and month could be the other way round, {swapped}"
        return ""

    # --- the key of a booking ----------------------------------------------------------------------

    def _key(self) -> None:
        match = self._use("key", "key and booking number")
        if match:
            self.result.key = [column(match.column.name)]

    # --- the status --------------------------------------------------------------------------------

    def _outcome(self, times: Mapping[str, str]) -> statuses.Outcome:
        match = self._use("status", "status, by the value map")
        outcome = statuses.outcome(self.matches, times)
        for target, status in (("is_no_show", "no-show"), ("is_cancelled", "cancelled"), ("is_completed", "completed")):
            if target in outcome.flags:
                self._use(target, f"status: {status} where it says yes")
            elif target in self.matches:
                self.result.column_uses[self.matches[target].column.name] = "not used: the status has it"
        expression = outcome.fallback
        comment = outcome.comment
        if match:
            status_values: Any = {"expression": f"lower(trim({column(match.column.name)}))", "values": outcome.values}
            if match.column.complete and not outcome.conditions:
                return outcome.named(self._let("outcome", status_values, comment))
            name = self._let("state", status_values, comment)
            expression = name if match.column.complete else f"coalesce({name}, {outcome.fallback})"
            comment = ""
        for condition, status in outcome.conditions:
            expression = f"when({condition}, '{status}', {expression})"
        return outcome.named(self._let("outcome", expression, comment))

    # --- people and services -----------------------------------------------------------------------

    def _people(self) -> None:
        for role in ("client", "provider"):
            if role in self.elsewhere:
                self._refer(role)
                continue
            name = self._name_of(role)
            email = self._text(f"{role}_email", f"{role}.email")
            if role == "client":
                fallbacks = [email, "'Unknown client'"] if name is None or not self._is_client_always_named() else []
                parts = [part for part in (name, *fallbacks) if part]
                name = parts[0] if len(parts) == 1 else f"coalesce({', '.join(parts)})"
                if parts == ["'Unknown client'"]:
                    self.result.gaps.append("clients: all bookings count as one client's")
            name = name or email
            if name is None and "line" in self.elsewhere:
                continue
            if name is None:
                self.result.gaps.append("providers: figures by provider and workload stay unknown")
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
        """Add the section of a client, provider or service that another table describes: its reference only."""
        reference = self._text(f"{part}_id", f"{part}.external_ref, the key of the table of {part}s")
        self.result.sections[part] = [Field("external_ref", reference)]

    def _is_client_always_named(self) -> bool:
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
                self.result.column_uses[match.column.name] = f"not used: a part of {role}.name"
            return whole
        parts = [
            column(match.column.name) if match.column.complete else f"coalesce({column(match.column.name)}, '')"
            for match in (first, last)
            if match
        ]
        self._use(f"{role}_first", f"{role}.name, its first part")
        self._use(f"{role}_last", f"{role}.name, its last part")
        if len(parts) < 2:
            return parts[0] if parts else None
        return f"trim(concat({parts[0]}, ' ', {parts[1]}))"

    def _reference(self, part: str, *, name_target: str) -> str | None:
        """Return the expression of a reference, unless a name or address has several: those would be rejected."""
        match, name_match = self.matches.get(f"{part}_id"), self.matches.get(name_target)
        if match is None or not match.column.complete:
            return None
        if name_match:
            pairs = {pair for pair in zip(name_match.column.cells, match.column.cells, strict=True) if None not in pair}
            if max(Counter(name for name, _ in pairs).values(), default=1) > 1:
                self.result.column_uses[match.column.name] = (
                    f"not used: one {name_target.replace('_', '.')} has several"
                )
                return None
        return self._text(f"{part}_id", f"{part}.external_ref")

    def _service(self) -> None:
        if "service" in self.elsewhere:
            self._refer("service")
            return
        match = self._use("service_name", "service.name")
        if match is None and "line" in self.elsewhere:
            return
        if match is None:
            self.result.sections["service"] = [Field("name", {"constant": "Service"}, "the file has no service")]
            self.result.gaps.append("services: all bookings count as one service's")
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

    def _booking(self, times: Mapping[str, str], outcome: statuses.Outcome) -> None:
        fields = [Field("status", outcome.fallback), *self._amount()]
        if match := self._use("currency", "currency"):
            fields.append(Field("currency", f"upper({column(match.column.name)})"))
        if title := self._text("title", "title"):
            fields.append(Field("title", title))
        if channel := self._text("channel", "channel"):
            fields.append(Field("channel", channel))
        for target, name in (("created", "created_at"), ("start", "scheduled_start"), ("end", "scheduled_end")):
            if target in times:
                fields.append(Field(name, times[target]))
        if "created" not in times:
            self.result.gaps.append("times of booking: lead times and bookings by day of booking stay unknown")
        if "start" not in times:
            self.result.gaps.append("times of service: revenue by service day stays unknown")
        fields += statuses.closing_fields(times, outcome)
        if reason := self._text("cancel_reason", "cancel_reason"):
            fields.append(Field("cancel_reason", reason))
        if progress := self._text("progress", "progress_pct"):
            fields.append(Field("progress_pct", progress))
        self.result.sections["booking"] = fields
        if "created" in times:
            # A booking in an export is confirmed from the start, unless its status is a pending or declined one.
            unconfirmed = sorted(outcome.possible & {*PENDING, "declined", "expired"})
            first = {"status": "confirmed", "when": "created_at"}
            self.result.history = [
                {**first, "if": " and ".join(f"status != '{status}'" for status in unconfirmed)}
                if unconfirmed
                else first,
                {"status": "final", "when": "coalesce(completed_at, cancelled_at, created_at)"},
            ]

    def _payment(self) -> None:
        """Add the section of a payment, from the column with the amount paid."""
        match = self.matches.get("paid")
        if match is None or not self.result.key:
            self.result.gaps.append("payments: collected revenue stays unknown")
            return
        self._use("paid", "payment.amount, on an unknown day")
        paid = self._let("paid", f"coalesce(money({column(match.column.name)}), 0)")
        self.result.sections["payment"] = [
            Field("booking", self.result.key[0]),
            Field("amount", paid),
            Field("if", f"{paid} != 0"),
        ]

    def _amount(self) -> list[Field]:
        match = self._use("amount", "total_amount")
        if match is None and "line" in self.elsewhere:  # the total is the sum of the lines
            return []
        if match is None:
            self.result.gaps.append("amounts: every booking counts 0, and revenue stays unknown")
            return [Field("total_amount", "0", "CHECK: the file has no amount")]
        numbers = [amount(value, self.layout) for value in match.column.values]
        text = f"money({column(match.column.name)})"
        if any(number is not None and number != round(number, 2) for number in numbers):
            text = f"round_money(number({column(match.column.name)}))"
        if match.column.complete:
            return [Field("total_amount", text)]
        empty = len(match.column.cells) - match.column.filled
        return [Field("total_amount", f"coalesce({text}, 0)", f"CHECK: {empty} rows have no amount and count 0")]


def _date_and_time(date: str, date_format: str, time_of_day: ColumnProfile) -> str:
    time_format = best_format(time_of_day, day_first=True)
    return f"parse_time(concat({date}, ' ', {column(time_of_day.name)}), {quoted(f'{date_format} {time_format}')})"


def _reason(profile: ColumnProfile) -> str:
    if profile.kind == "empty":
        return ": it is empty"
    words = sorted(meanings(profile.name)[0])
    return f": {', '.join(words)}" if words else ""
