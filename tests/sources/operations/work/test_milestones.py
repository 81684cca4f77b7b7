"""Milestones and their tasks: rights, progress, and effects on the booking."""

from decimal import Decimal
from itertools import product
from typing import Any, Final
from uuid import UUID

import pytest

from sources.lifecycle import STATUSES
from sources.operations.errors import Refusal
from sources.operations.work.milestones import (
    Action,
    MilestoneChange,
    MilestoneStep,
    NewMilestone,
    create_milestone,
    edit_milestone,
    get_milestone,
    list_milestones,
    step_milestone,
)
from sources.operations.work.tasks import NewTask, Task, TaskChange, create_task, edit_task
from tests.sources.business import Business
from tests.sources.operations.work.helpers import (
    booking_in,
    last_change,
    milestone_in,
    race,
    refused,
    set_milestone,
    set_status,
    status_of,
    value,
)

MILESTONE_STATUSES: Final = ("pending", "in_progress", "submitted", "approved", "cancelled")
WORKING: Final = {"confirmed", "scheduled", "in_progress", "awaiting_client", "revision_requested"}
BEFORE: Final = {"draft", "requested", "under_review", "quoted", "approved", "awaiting_payment"}
ANSWERING: Final = {"in_progress", "on_hold", "awaiting_client", "revision_requested"}
# Action -> (statuses of the milestone, statuses of the booking) that allow it, and the new status of the milestone.
ALLOWED: Final[dict[Action, tuple[set[str], set[str], str]]] = {
    "start": ({"pending"}, WORKING, "in_progress"),
    "submit": ({"pending", "in_progress"}, WORKING, "submitted"),
    "approve": ({"submitted"}, ANSWERING, "approved"),
    "reject": ({"submitted"}, ANSWERING, "in_progress"),
    "cancel": ({"pending", "in_progress", "submitted"}, BEFORE | WORKING | {"on_hold"}, "cancelled"),
}


def step(business: Business, who: str, milestone_id: UUID, action: Action, reason: str | None = None) -> str:
    request = MilestoneStep(action=action, reason=reason)
    return business.run(who, lambda tx: step_milestone(tx, milestone_id, request, None)).status


def task_of(business: Business, milestone_id: UUID, **fields: Any) -> Task:
    request = NewTask.model_validate({"title": "Sketch", **fields})
    return business.run("provider", lambda tx: create_task(tx, milestone_id, request))


def change_task(business: Business, task_id: UUID, **fields: Any) -> Task:
    change = TaskChange.model_validate(fields)
    return business.run("provider", lambda tx: edit_task(tx, task_id, change, None))


@pytest.mark.parametrize("action", ALLOWED)
def test_a_step_requires_the_statuses_of_milestone_and_booking(business: Business, action: Action) -> None:
    booking_id = booking_in(business, "requested")
    milestone_id = milestone_in(business, booking_id, "pending")
    milestone_in(business, booking_id, "pending")  # so that no approval is the last one
    request = MilestoneStep(action=action, reason="Not yet")
    of_milestone, of_booking, becomes = ALLOWED[action]
    for before, status in product(MILESTONE_STATUSES, STATUSES):
        if before not in of_milestone and status not in of_booking | {"delivered"}:
            continue  # both statuses refuse it
        set_status(business, booking_id, status)
        set_milestone(business, milestone_id, before)
        allowed = before in of_milestone and status in of_booking
        allowed |= (action, before, status) == ("reject", "approved", "delivered")
        if allowed:
            assert step(business, "admin", milestone_id, action, "Not yet") == becomes, (before, status)
        else:
            assert refused(business, "admin", lambda tx: step_milestone(tx, milestone_id, request, None)) == (
                "conflict",
                "wrong_status",
            ), (before, status)
            now = value(business, "select status from app.milestones where id = %s", milestone_id)
            assert (now, status_of(business, booking_id)) == (before, status)


@pytest.mark.parametrize("who", ["client", "provider", "admin", "client2", "provider2"])
@pytest.mark.parametrize("action", ALLOWED)
def test_a_step_requires_the_role(business: Business, action: Action, who: str) -> None:
    before = "submitted" if action in ("approve", "reject") else "pending"
    milestone_id = milestone_in(business, booking_in(business, "in_progress"), before)
    request = MilestoneStep(action=action, reason="Not yet")
    may = {"admin", "client"} if action in ("approve", "reject") else {"admin", "provider"}
    if who in may:
        assert step(business, who, milestone_id, action, "Not yet") == ALLOWED[action][2]
    else:
        expected = ("forbidden", "not_allowed") if who in ("client", "provider") else ("not_found", "not_found")
        assert refused(business, who, lambda tx: step_milestone(tx, milestone_id, request, None)) == expected
        assert value(business, "select status from app.milestones where id = %s", milestone_id) == before


def test_the_last_approval_delivers_the_booking(business: Business) -> None:
    booking_id = booking_in(business, "in_progress")
    first, second, third = (milestone_in(business, booking_id, "submitted") for _ in range(3))
    step(business, "client", first, "approve")
    step(business, "provider", third, "cancel")
    assert status_of(business, booking_id) == "in_progress"
    step(business, "client", second, "approve")
    assert status_of(business, booking_id) == "delivered"
    assert last_change(business, booking_id) == ("in_progress", "delivered", None, "every milestone approved")
    assert value(business, "select progress_pct from app.bookings where id = %s", booking_id) == 100


def test_cancelling_the_last_open_milestone_delivers_the_booking(business: Business) -> None:
    booking_id = booking_in(business, "in_progress")
    only = milestone_in(business, booking_id, "pending")
    step(business, "provider", only, "cancel")
    assert status_of(business, booking_id) == "in_progress"  # no milestone is approved: nothing to deliver
    step(business, "client", milestone_in(business, booking_id, "submitted"), "approve")
    set_status(business, booking_id, "in_progress")
    step(business, "provider", milestone_in(business, booking_id, "pending"), "cancel")
    assert status_of(business, booking_id) == "delivered"


@pytest.mark.parametrize(("status", "milestone"), [("in_progress", "submitted"), ("delivered", "approved")])
def test_a_rejection_returns_the_booking_with_its_reason(business: Business, status: str, milestone: str) -> None:
    booking_id = booking_in(business, "in_progress")
    milestone_id = milestone_in(business, booking_id, milestone)
    set_status(business, booking_id, status)
    without = MilestoneStep(action="reject")
    assert refused(business, "client", lambda tx: step_milestone(tx, milestone_id, without, None)) == (
        "invalid",
        "reason_required",
    )
    assert step(business, "client", milestone_id, "reject", "The logo is missing") == "in_progress"
    assert last_change(business, booking_id) == (status, "revision_requested", None, "The logo is missing")


def test_of_fifty_concurrent_approvals_one_succeeds(business: Business) -> None:
    booking_id = booking_in(business, "in_progress")
    milestone_id = milestone_in(business, booking_id, "submitted")
    request = MilestoneStep(action="approve")
    results = race(business, "client", [lambda tx: step_milestone(tx, milestone_id, request, None)] * 50)
    lost = [result for result in results if isinstance(result, Refusal)]
    assert [(refusal.kind, refusal.code) for refusal in lost] == [("conflict", "wrong_status")] * 49
    changes = value(business, "select count(*) from app.booking_status_history where booking_id = %s", booking_id)
    assert (status_of(business, booking_id), changes) == ("delivered", 1)


def test_milestones_are_in_order_and_positions_unique(business: Business) -> None:
    booking_id = booking_in(business, "requested")
    first, second = milestone_in(business, booking_id, "pending"), milestone_in(business, booking_id, "pending")
    listed = business.run("client", lambda tx: list_milestones(tx, booking_id)).items
    assert [(item.id, item.position) for item in listed] == [(first, 1), (second, 2)]
    taken = MilestoneChange(position=1)
    assert refused(business, "provider", lambda tx: edit_milestone(tx, second, taken, None)) == (
        "conflict",
        "position_taken",
    )
    free = MilestoneChange.model_validate({"position": 7, "due_at": "2030-01-01T00:00:00Z"})
    edited = business.run("provider", lambda tx: edit_milestone(tx, second, free, None))
    assert (edited.position, edited.title, edited.weight) == (7, "Concept", Decimal(1))
    cleared = business.run("provider", lambda tx: edit_milestone(tx, second, MilestoneChange(due_at=None), None))
    assert (edited.due_at is None, cleared.due_at) == (False, None)


def test_an_edit_of_an_old_version_is_refused(business: Business) -> None:
    milestone_id = milestone_in(business, booking_in(business, "requested"), "pending")
    seen = business.run("provider", lambda tx: get_milestone(tx, milestone_id)).version
    business.run("provider", lambda tx: edit_milestone(tx, milestone_id, MilestoneChange(title="Mine"), seen))
    late = MilestoneChange(title="Yours")
    assert refused(business, "admin", lambda tx: edit_milestone(tx, milestone_id, late, seen)) == (
        "stale",
        "changed_meanwhile",
    )


@pytest.mark.parametrize("status", STATUSES)
def test_milestones_and_tasks_are_planned_until_delivery(business: Business, status: str) -> None:
    booking_id = booking_in(business, "requested")
    milestone_id = milestone_in(business, booking_id, "pending")
    set_status(business, booking_id, status)
    new = NewMilestone(title="Another")
    if status in BEFORE | WORKING | {"on_hold"}:
        assert business.run("provider", lambda tx: create_milestone(tx, booking_id, new)).position == 2
        assert task_of(business, milestone_id).status == "todo"
        assert refused(business, "client", lambda tx: create_milestone(tx, booking_id, new))[0] == "forbidden"
        assert refused(business, "provider2", lambda tx: create_milestone(tx, booking_id, new))[0] == "not_found"
    else:
        wrong = ("conflict", "wrong_status")
        task = NewTask(title="Sketch")
        assert refused(business, "admin", lambda tx: create_milestone(tx, booking_id, new)) == wrong
        assert refused(business, "admin", lambda tx: create_task(tx, milestone_id, task)) == wrong


def test_progress_rolls_up_by_weight(business: Business) -> None:
    booking_id = booking_in(business, "in_progress")
    heavy = milestone_in(business, booking_id, "pending", weight="3")
    milestone_in(business, booking_id, "pending", weight="1")
    large, small = task_of(business, heavy, weight="4"), task_of(business, heavy, weight="1")
    change_task(business, large.id, progress_pct="50")
    change_task(business, small.id, status="done")
    milestone = business.run("client", lambda tx: get_milestone(tx, heavy))
    assert (milestone.progress_pct, milestone.status) == (Decimal(60), "in_progress")
    assert value(business, "select progress_pct from app.bookings where id = %s", booking_id) == Decimal(45)
    change_task(business, large.id, status="cancelled")
    assert value(business, "select progress_pct from app.bookings where id = %s", booking_id) == Decimal(75)


@pytest.mark.parametrize(
    ("before", "change", "after"),
    [
        ({}, {"progress_pct": "40"}, ("in_progress", 40)),
        ({}, {"progress_pct": "100"}, ("done", 100)),
        ({}, {"status": "done"}, ("done", 100)),
        ({}, {"status": "in_progress"}, ("in_progress", 0)),
        ({}, {"title": "Other"}, ("todo", 0)),
        ({"progress_pct": "40"}, {"progress_pct": "0"}, ("todo", 0)),
        ({"progress_pct": "40"}, {"status": "in_progress"}, ("in_progress", 40)),
        ({"progress_pct": "40"}, {"status": "cancelled"}, ("cancelled", 40)),
        ({"status": "done"}, {"status": "in_progress"}, ("in_progress", 0)),
        ({"status": "done"}, {"status": "in_progress", "progress_pct": "90"}, ("in_progress", 90)),
        ({"status": "done"}, {"status": "todo"}, ("todo", 0)),
        ({"status": "done"}, {"status": "cancelled"}, ("cancelled", 100)),
        ({}, {"status": "done", "progress_pct": "40"}, None),
        ({}, {"status": "todo", "progress_pct": "40"}, None),
        ({}, {"status": "in_progress", "progress_pct": "100"}, None),
    ],
)
def test_status_and_progress_of_a_task_are_consistent(
    business: Business, before: dict[str, str], change: dict[str, str], after: tuple[str, int] | None
) -> None:
    task = task_of(business, milestone_in(business, booking_in(business, "in_progress"), "pending"))
    change_task(business, task.id, **before)
    if after is None:
        contradiction = TaskChange.model_validate(change)
        assert refused(business, "provider", lambda tx: edit_task(tx, task.id, contradiction, None)) == (
            "invalid",
            "progress_contradicts_status",
        )
    else:
        made = change_task(business, task.id, **change)
        assert (made.status, int(made.progress_pct)) == after
        assert (made.completed_at is not None) == (made.status == "done")


def test_work_on_tasks_requires_a_workable_booking_and_an_open_milestone(business: Business) -> None:
    booking_id = booking_in(business, "requested")
    milestone_id = milestone_in(business, booking_id, "pending")
    task, done = task_of(business, milestone_id), TaskChange(status="done")
    wrong = ("conflict", "wrong_status")
    assert refused(business, "provider", lambda tx: edit_task(tx, task.id, done, None)) == wrong
    assert change_task(business, task.id, assignee_id=business.org.provider2).assignee
    set_status(business, booking_id, "in_progress")
    assert refused(business, "client", lambda tx: edit_task(tx, task.id, done, None))[0] == "forbidden"
    assert refused(business, "client2", lambda tx: edit_task(tx, task.id, done, None))[0] == "not_found"
    step(business, "provider", milestone_id, "submit")
    assert change_task(business, task.id, status="done").status == "done"
    step(business, "client", milestone_id, "approve")
    set_status(business, booking_id, "in_progress")
    assert refused(business, "provider", lambda tx: edit_task(tx, task.id, TaskChange(title="No"), None)) == wrong


@pytest.mark.parametrize("who", ["client", "organization"])
def test_only_active_staff_can_be_assigned(business: Business, who: str) -> None:
    milestone_id = milestone_in(business, booking_in(business, "requested"), "pending")
    request = NewTask(title="Sketch", assignee_id=business.org.id_of(who))
    assert refused(business, "provider", lambda tx: create_task(tx, milestone_id, request)) == (
        "invalid",
        "unknown_assignee",
    )


def test_cancelling_a_milestone_cancels_its_open_tasks(business: Business) -> None:
    milestone_id = milestone_in(business, booking_in(business, "in_progress"), "pending")
    done, todo = task_of(business, milestone_id), task_of(business, milestone_id)
    change_task(business, done.id, status="done")
    step(business, "provider", milestone_id, "cancel")
    for task_id, status in ((done.id, "done"), (todo.id, "cancelled")):
        assert value(business, "select status from app.tasks where id = %s", task_id) == status
