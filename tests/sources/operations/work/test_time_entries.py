"""Time entries and timers: rights, times, and no overlaps."""

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final
from uuid import UUID

import pytest

from sources.lifecycle import STATUSES
from sources.operations.errors import Refusal
from sources.operations.work.tasks import NewTask, create_task
from sources.operations.work.time_entries import (
    NewTimeEntry,
    NewTimer,
    TimeEntry,
    TimeEntryChange,
    TimeSheetFilter,
    create_time_entry,
    delete_time_entry,
    edit_time_entry,
    get_time_entry,
    list_of_booking,
    list_of_person,
    start_timer,
    stop_timer,
)
from tests.sources.business import Business
from tests.sources.operations.work.helpers import (
    booking_in,
    last_change,
    milestone_in,
    race,
    refused,
    set_status,
    status_of,
    value,
)

MONDAY: Final = datetime(2026, 3, 2, 9, tzinfo=UTC)
HOUR: Final = timedelta(hours=1)
OVERLAP: Final = ("conflict", "time_overlaps")
WORKING: Final = {"confirmed", "scheduled", "in_progress", "awaiting_client", "revision_requested"}
OVER: Final = {"completed", "declined", "cancelled", "no_show", "refunded", "expired"}


@pytest.fixture(autouse=True)
def without_time_entries(business: Business) -> None:
    business.connection.execute("delete from app.time_entries")


def hours(start: datetime = MONDAY, length: timedelta = HOUR, **fields: Any) -> NewTimeEntry:
    return NewTimeEntry(started_at=start, ended_at=start + length, **fields)


def enter(business: Business, booking_id: UUID, request: NewTimeEntry, who: str = "provider") -> TimeEntry:
    return business.run(who, lambda tx: create_time_entry(tx, booking_id, request))


def start(business: Business, booking_id: UUID, who: str = "provider") -> TimeEntry:
    return business.run(who, lambda tx: start_timer(tx, booking_id, NewTimer()))


def correct(business: Business, entry: TimeEntry, who: str = "provider", **fields: Any) -> TimeEntry:
    change = TimeEntryChange.model_validate(fields)
    return business.run(who, lambda tx: edit_time_entry(tx, entry.id, change))


@pytest.mark.parametrize("status", STATUSES)
def test_time_entries_require_a_workable_booking_and_the_first_starts_it(business: Business, status: str) -> None:
    booking_id = booking_in(business, status)
    if status not in WORKING:
        wrong = ("conflict", "wrong_status")
        assert refused(business, "admin", lambda tx: create_time_entry(tx, booking_id, hours())) == wrong
        assert refused(business, "provider", lambda tx: start_timer(tx, booking_id, NewTimer())) == wrong
        return
    enter(business, booking_id, hours())
    started = status in ("confirmed", "scheduled")
    assert status_of(business, booking_id) == ("in_progress" if started else status)
    if started:
        assert last_change(business, booking_id) == (status, "in_progress", None, "first time entry")


@pytest.mark.parametrize(
    ("who", "provider", "expected"),
    [
        ("provider", None, "provider"),
        ("provider", "provider", "provider"),
        ("provider", "provider2", ("forbidden", "not_allowed")),
        ("admin", None, "provider"),
        ("admin", "provider2", "provider2"),
        ("admin", "client", ("invalid", "unknown_provider")),
        ("client", None, ("forbidden", "not_allowed")),
        ("client", "provider", ("forbidden", "not_allowed")),
        ("client2", None, ("not_found", "not_found")),
        ("provider2", None, ("not_found", "not_found")),
    ],
)
def test_providers_enter_their_own_time_and_admins_that_of_anyone(
    business: Business, who: str, provider: str | None, expected: str | tuple[str, str]
) -> None:
    booking_id = booking_in(business, "in_progress")
    request = hours(provider_id=business.org.id_of(provider) if provider else None)
    if isinstance(expected, str):
        assert enter(business, booking_id, request, who).provider.id == business.org.id_of(expected)
    else:
        assert refused(business, who, lambda tx: create_time_entry(tx, booking_id, request)) == expected
        assert value(business, "select count(*) from app.time_entries") == 0


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (hours(length=timedelta(0)), "ends_before_start"),
        (hours(length=-HOUR), "ends_before_start"),
        (hours(length=25 * HOUR), "too_long"),
        (hours(datetime.now(UTC) + 12 * HOUR), "in_the_future"),
        (hours(datetime(1975, 1, 1, tzinfo=UTC)), "before_booking"),
        (hours(task_id=UUID(int=1)), "unknown_task"),
    ],
)
def test_impossible_entries_are_refused(business: Business, request_: NewTimeEntry, code: str) -> None:
    booking_id = booking_in(business, "in_progress")
    assert refused(business, "provider", lambda tx: create_time_entry(tx, booking_id, request_)) == ("invalid", code)


@pytest.mark.parametrize("agreed", ["2026-04-01T00:00Z", "infinity"])
def test_a_move_by_staff_does_not_let_time_be_entered_before_the_booking(business: Business, agreed: str) -> None:
    booking_id = booking_in(business, "in_progress")
    business.connection.execute(
        "update app.bookings set scheduled_start = '2025-06-01T00:00Z', agreed_start = %s where id = %s",
        [agreed, booking_id],
    )
    entry = hours(datetime(2025, 6, 2, tzinfo=UTC))
    refusal = refused(business, "provider", lambda tx: create_time_entry(tx, booking_id, entry))
    assert refusal == ("invalid", "before_booking")


@pytest.mark.parametrize(("ahead", "status"), [(23 * HOUR, "in_progress"), (25 * HOUR, "scheduled")])
def test_time_does_not_start_a_booking_long_before_its_start(business: Business, ahead: timedelta, status: str) -> None:
    booking_id = booking_in(business, "scheduled")
    business.connection.execute(
        "update app.bookings set scheduled_start = now() + %s where id = %s", [ahead, booking_id]
    )
    enter(business, booking_id, hours())
    assert status_of(business, booking_id) == status


def test_a_task_must_be_of_the_booking(business: Business) -> None:
    booking_id, other = booking_in(business, "in_progress"), booking_in(business, "in_progress")
    milestone_id = milestone_in(business, booking_id, "pending")
    task = business.run("provider", lambda tx: create_task(tx, milestone_id, NewTask(title="Sketch")))
    entry = enter(business, booking_id, hours(task_id=task.id))
    assert entry.task_id == task.id
    there = hours(MONDAY + 5 * HOUR, task_id=task.id)
    assert refused(business, "provider", lambda tx: create_time_entry(tx, other, there))[1] == "unknown_task"
    assert correct(business, entry, task_id=None).task_id is None
    elsewhere = enter(business, other, hours(MONDAY + 5 * HOUR))
    change = TimeEntryChange(task_id=task.id)
    assert refused(business, "provider", lambda tx: edit_time_entry(tx, elsewhere.id, change))[1] == "unknown_task"


@pytest.mark.parametrize(
    ("begins", "length", "overlaps"),
    [(-1, 1, False), (1, 1, False), (0, 1, True), (-1, 3, True), (0.5, 0.25, True), (-0.5, 1, True), (0.5, 1, True)],
)
def test_entries_of_a_person_never_overlap(business: Business, begins: float, length: float, overlaps: bool) -> None:
    here, there = booking_in(business, "in_progress"), booking_in(business, "in_progress")
    enter(business, here, hours())
    request = hours(MONDAY + begins * HOUR, length * HOUR)
    if overlaps:
        assert refused(business, "provider", lambda tx: create_time_entry(tx, there, request)) == OVERLAP
    else:
        enter(business, there, request)
    of_another = request.model_copy(update={"provider_id": business.org.provider2})
    assert enter(business, there, of_another, "admin").provider.id == business.org.provider2


def test_a_person_has_one_running_timer(business: Business) -> None:
    here, there = booking_in(business, "confirmed"), booking_in(business, "in_progress")
    running = start(business, here)
    assert (running.ended_at, status_of(business, here)) == (None, "in_progress")
    assert refused(business, "provider", lambda tx: start_timer(tx, there, NewTimer())) == OVERLAP
    of_person = business.run("provider", lambda tx: list_of_person(tx, TimeSheetFilter(running=True), None, 10))
    assert [item.id for item in of_person.items] == [running.id]
    assert refused(business, "client", lambda tx: stop_timer(tx, running.id)) == ("forbidden", "not_allowed")
    assert refused(business, "provider2", lambda tx: stop_timer(tx, running.id)) == ("not_found", "not_found")
    set_status(business, here, "cancelled")  # the timer can be stopped in any status
    stopped = business.run("provider", lambda tx: stop_timer(tx, running.id))
    assert stopped.ended_at
    assert stopped.ended_at > running.started_at
    assert refused(business, "provider", lambda tx: stop_timer(tx, running.id)) == ("conflict", "not_running")
    assert start(business, there).ended_at is None


def test_a_timer_stopped_by_a_late_clock_has_a_positive_length(business: Business) -> None:
    running = start(business, booking_in(business, "in_progress"))
    early = running.started_at - HOUR
    stopped = business.run("provider", lambda tx: stop_timer(tx, running.id), at=early)
    assert stopped.ended_at == running.started_at + timedelta(microseconds=1)


def test_entries_are_corrected_and_deleted_by_their_person(business: Business) -> None:
    booking_id = booking_in(business, "in_progress")
    entry, later = enter(business, booking_id, hours()), enter(business, booking_id, hours(MONDAY + 2 * HOUR))
    change = TimeEntryChange(ended_at=MONDAY + 3 * HOUR)
    assert refused(business, "provider", lambda tx: edit_time_entry(tx, entry.id, change)) == OVERLAP
    made = correct(business, entry, ended_at=MONDAY + 2 * HOUR, note="Sketches", billable=False)
    assert (made.started_at, made.ended_at, made.note, made.billable) == (MONDAY, MONDAY + 2 * HOUR, "Sketches", False)
    assert correct(business, entry, "admin", note=None).note is None
    backwards = TimeEntryChange(started_at=MONDAY + 4 * HOUR)
    assert refused(business, "provider", lambda tx: edit_time_entry(tx, entry.id, backwards))[1] == "ends_before_start"
    of_another = enter(business, booking_id, hours(provider_id=business.org.provider2), "admin")
    for who, its, kind in (("client", entry, "forbidden"), ("provider", of_another, "forbidden"),
                           ("provider2", entry, "not_found")):  # fmt: skip
        assert refused(business, who, partial(edit_time_entry, time_entry_id=its.id, change=backwards))[0] == kind
        assert refused(business, who, partial(delete_time_entry, time_entry_id=its.id))[0] == kind
    business.run("provider", lambda tx: delete_time_entry(tx, later.id))
    assert refused(business, "provider", lambda tx: get_time_entry(tx, later.id))[0] == "not_found"
    assert value(business, "select count(*) from app.tombstones where row_id = %s", later.id) == 1


@pytest.mark.parametrize("status", STATUSES)
def test_entries_of_an_ended_booking_cannot_be_corrected(business: Business, status: str) -> None:
    booking_id = booking_in(business, "in_progress")
    entry = enter(business, booking_id, hours())
    set_status(business, booking_id, status)
    if status in OVER:
        wrong = ("conflict", "wrong_status")
        change = TimeEntryChange(note="Late")
        assert refused(business, "admin", lambda tx: edit_time_entry(tx, entry.id, change)) == wrong
        assert refused(business, "admin", lambda tx: delete_time_entry(tx, entry.id)) == wrong
    else:
        assert correct(business, entry, note="In time").note == "In time"


def test_lists_are_paged(business: Business) -> None:
    here, there = booking_in(business, "in_progress"), booking_in(business, "in_progress")
    made = [enter(business, it, hours(MONDAY + n * HOUR)).id for n, it in enumerate([here, there] * 3)]
    page = business.run("client", lambda tx: list_of_booking(tx, here, None, 2))
    rest = business.run("client", lambda tx: list_of_booking(tx, here, page.next, 2))
    assert [item.id for item in (*page.items, *rest.items)] == [made[4], made[2], made[0]]
    assert (page.next, rest.next) == (made[2], None)
    sheet = TimeSheetFilter(since=MONDAY + HOUR, until=MONDAY + 5 * HOUR)
    first = business.run("provider", lambda tx: list_of_person(tx, sheet, None, 3))
    last = business.run("provider", lambda tx: list_of_person(tx, sheet, first.next, 3))
    assert [item.id for item in (*first.items, *last.items)] == [made[4], made[3], made[2], made[1]]
    assert refused(business, "client2", lambda tx: list_of_booking(tx, here, None, 2))[0] == "not_found"


def test_a_time_sheet_is_for_its_person_and_admins(business: Business) -> None:
    entry = enter(business, booking_in(business, "in_progress"), hours())
    of_provider, of_other = (
        TimeSheetFilter(provider_id=business.org.provider),
        TimeSheetFilter(provider_id=business.org.provider2),
    )
    assert [item.id for item in business.run("admin", lambda tx: list_of_person(tx, of_provider, None, 9)).items] == [
        entry.id
    ]
    assert refused(business, "provider", lambda tx: list_of_person(tx, of_other, None, 9))[0] == "forbidden"
    assert refused(business, "client", lambda tx: list_of_person(tx, of_provider, None, 9))[0] == "forbidden"


@pytest.mark.parametrize("timer", [True, False])
def test_of_fifty_concurrent_entries_on_many_bookings_one_succeeds(business: Business, timer: bool) -> None:
    bookings = [booking_in(business, "confirmed") for _ in range(10)]
    operations = [
        partial(start_timer, booking_id=booking, request=NewTimer())
        if timer
        else partial(create_time_entry, booking_id=booking, request=hours())
        for booking in bookings * 5
    ]
    results = race(business, "provider", operations)
    lost = [result for result in results if isinstance(result, Refusal)]
    assert [(refusal.kind, refusal.code) for refusal in lost] == [OVERLAP] * 49
    started = [status_of(business, booking) for booking in bookings]
    assert sorted(started) == ["confirmed"] * 9 + ["in_progress"]
