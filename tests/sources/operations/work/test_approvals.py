"""Approvals in levels and rounds: their order, rejections, and their effect on the lifecycle."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import pytest
from pydantic import ValidationError

from sources.lifecycle import STATUSES
from sources.operations.bookings.transitions import TransitionRequest, transition_booking
from sources.operations.errors import Refusal
from sources.operations.transaction import Tx
from sources.operations.work.approvals import (
    Approval,
    ApprovalRequest,
    Decision,
    decide_approval,
    list_booking_approvals,
    list_milestone_approvals,
    request_booking_approvals,
    request_milestone_approvals,
)
from sources.operations.work.milestones import MilestoneStep, step_milestone
from tests.sources.business import NORTH, Business
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

APPROVE: Final = Decision(decision="approve")
REJECT: Final = Decision(decision="reject", reason="Too dear")
WRONG_STATUS: Final = ("conflict", "wrong_status")


def levels(*who: str) -> ApprovalRequest:
    """Return a request with a level for each role, or `@name` of a person."""
    given: list[dict[str, object]] = [
        {"approver_id": NORTH.id_of(item[1:])} if item.startswith("@") else {"role": item} for item in who
    ]
    return ApprovalRequest.model_validate({"levels": given})


def request_round(business: Business, booking_id: UUID, *who: str, by: str = "provider") -> list[Approval]:
    request = levels(*who)
    return business.run(by, lambda tx: request_booking_approvals(tx, booking_id, request)).items


def request_milestone_round(business: Business, milestone_id: UUID, *who: str) -> list[Approval]:
    request = levels(*who)
    return business.run("provider", lambda tx: request_milestone_approvals(tx, milestone_id, request)).items


def deciding(level: Approval, decision: Decision = APPROVE) -> Callable[[Tx], Awaitable[Approval]]:
    return lambda tx: decide_approval(tx, level.id, decision)


def decide(business: Business, who: str, level: Approval, decision: Decision = APPROVE) -> Approval:
    return business.run(who, deciding(level, decision))


def statuses(approvals: list[Approval]) -> list[tuple[int, int, str]]:
    return [(approval.round, approval.level, approval.status) for approval in approvals]


def move(business: Business, who: str, booking_id: UUID, action: Any) -> str:
    request = TransitionRequest(action=action)
    return business.run(who, lambda tx: transition_booking(tx, booking_id, request, None)).status


def test_levels_are_decided_in_order_before_the_booking_is_approved(business: Business) -> None:
    booking_id = booking_in(business, "under_review")
    first, second, third = request_round(business, booking_id, "provider", "@client", "admin")
    approve = TransitionRequest(action="approve")
    for who, level in (("client", second), ("admin", third)):
        assert refused(business, who, deciding(level)) == (
            "conflict",
            "not_its_turn",
        )
    for who, level in (("provider", first), ("client", second)):
        made = decide(business, who, level)
        assert (made.status, made.decided_by and made.decided_by.id) == ("approved", business.org.id_of(who))
        assert refused(business, "provider", lambda tx: transition_booking(tx, booking_id, approve, None)) == (
            "conflict",
            "requirement_missing",
        )
    decide(business, "admin", third)
    assert move(business, "provider", booking_id, "approve") == "approved"


@pytest.mark.parametrize("level", ["client", "provider", "admin", "@client", "@provider", "@admin"])
@pytest.mark.parametrize("who", ["client", "provider", "admin", "client2", "provider2"])
def test_only_the_approver_of_a_level_decides_it(business: Business, who: str, level: str) -> None:
    (asked,) = request_round(business, booking_in(business, "quoted"), level)
    if who == level.removeprefix("@"):
        assert decide(business, who, asked).status == "approved"
    else:
        expected = ("not_found", "not_found") if who.endswith("2") else ("forbidden", "not_allowed")
        assert refused(business, who, deciding(asked)) == expected
        assert value(business, "select status from app.approvals where id = %s", asked.id) == "pending"


@pytest.mark.parametrize("status", ["quoted", "approved", "requested", "under_review"])
def test_a_rejection_returns_the_booking_and_closes_the_round(business: Business, status: str) -> None:
    booking_id = booking_in(business, status)
    first, second, third = request_round(business, booking_id, "provider", "client", "admin")
    decide(business, "provider", first)
    without = Decision(decision="reject")
    assert refused(business, "client", deciding(second, without)) == (
        "invalid",
        "reason_required",
    )
    assert decide(business, "client", second, REJECT).reason == "Too dear"
    if status in ("quoted", "approved"):
        assert last_change(business, booking_id) == (status, "under_review", None, "Too dear")
    else:
        assert status_of(business, booking_id) == status
    listed = business.run("client", lambda tx: list_booking_approvals(tx, booking_id)).items
    assert statuses(listed) == [(1, 1, "approved"), (1, 2, "rejected"), (1, 3, "closed")]
    for who, level in (("admin", third), ("client", second)):
        assert refused(business, who, deciding(level)) == (
            "conflict",
            "already_decided",
        )


def test_after_a_rejection_a_booking_needs_a_new_round(business: Business) -> None:
    booking_id = booking_in(business, "quoted")
    decide(business, "client", request_round(business, booking_id, "client")[0], REJECT)
    approve = TransitionRequest(action="approve")
    assert refused(business, "provider", lambda tx: transition_booking(tx, booking_id, approve, None)) == (
        "conflict",
        "requirement_missing",
    )
    again = request_round(business, booking_id, "client")
    assert statuses(again) == [(2, 1, "pending"), (1, 1, "rejected")]
    decide(business, "client", again[0])
    assert move(business, "provider", booking_id, "approve") == "approved"


def test_only_an_admin_replaces_an_open_round(business: Business) -> None:
    booking_id = booking_in(business, "requested")
    request_round(business, booking_id, "client", "admin")
    request = levels("admin")
    assert refused(business, "provider", lambda tx: request_booking_approvals(tx, booking_id, request)) == (
        "conflict",
        "round_open",
    )
    assert statuses(request_round(business, booking_id, "admin", by="admin")) == [
        (2, 1, "pending"),
        (1, 1, "closed"),
        (1, 2, "closed"),
    ]


@pytest.mark.parametrize("status", STATUSES)
def test_approvals_are_requested_until_payment_or_confirmation(business: Business, status: str) -> None:
    booking_id = booking_in(business, "requested")
    (asked,) = request_round(business, booking_id, "client")
    set_status(business, booking_id, status)
    request = levels("client")
    if status in ("requested", "under_review", "quoted", "approved"):
        assert decide(business, "client", asked).status == "approved"
        assert len(request_round(business, booking_id, "client")) == 2
        assert refused(business, "client", lambda tx: request_booking_approvals(tx, booking_id, request))[0] == (
            "forbidden"
        )
        assert refused(business, "provider2", lambda tx: request_booking_approvals(tx, booking_id, request))[0] == (
            "not_found"
        )
    else:
        assert refused(business, "client", deciding(asked)) == WRONG_STATUS
        assert refused(business, "admin", lambda tx: request_booking_approvals(tx, booking_id, request)) == WRONG_STATUS


@pytest.mark.parametrize("stranger", ["@client2", "@provider2", "@organization"])
def test_an_approver_must_see_the_booking(business: Business, stranger: str) -> None:
    request, booking_id = levels("admin", stranger), booking_in(business, "quoted")
    assert refused(business, "provider", lambda tx: request_booking_approvals(tx, booking_id, request)) == (
        "invalid",
        "unknown_approver",
    )


@pytest.mark.parametrize("level", [{}, {"role": "admin", "approver_id": str(NORTH.admin)}, {"role": "system"}])
def test_a_level_names_either_a_role_or_a_person(level: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        ApprovalRequest.model_validate({"levels": [level]})


def test_levels_of_a_milestone_are_decided_once_it_is_submitted(business: Business) -> None:
    booking_id = booking_in(business, "in_progress")
    milestone_id = milestone_in(business, booking_id, "pending")
    first, second = request_milestone_round(business, milestone_id, "admin", "client")
    assert refused(business, "admin", deciding(first)) == WRONG_STATUS
    step(business, "provider", milestone_id, "submit")
    direct = MilestoneStep(action="approve")
    assert refused(business, "client", lambda tx: step_milestone(tx, milestone_id, direct, None)) == (
        "conflict",
        "levels_decide",
    )
    decide(business, "admin", first)
    assert status_of(business, booking_id) == "in_progress"
    decide(business, "client", second)
    assert last_change(business, booking_id) == ("in_progress", "delivered", None, "every milestone approved")


def test_a_rejected_milestone_repeats_its_levels(business: Business) -> None:
    booking_id = booking_in(business, "in_progress")
    milestone_id = milestone_in(business, booking_id, "submitted")
    first, _ = request_milestone_round(business, milestone_id, "client", "@admin")
    decide(business, "client", first, REJECT)
    assert last_change(business, booking_id) == ("in_progress", "revision_requested", None, "Too dear")
    step(business, "provider", milestone_id, "submit")
    again = approvals_of(business, milestone_id)
    assert statuses(again) == [(2, 1, "pending"), (2, 2, "pending"), (1, 1, "rejected"), (1, 2, "closed")]
    assert [(item.approver_role, item.approver and item.approver.id) for item in again[:2]] == [
        ("client", None),
        (None, business.org.admin),
    ]
    move(business, "provider", booking_id, "resume")
    decide(business, "client", again[0])
    decide(business, "admin", again[1])
    assert status_of(business, booking_id) == "delivered"
    step(business, "client", milestone_id, "reject")
    assert status_of(business, booking_id) == "revision_requested"
    step(business, "provider", milestone_id, "submit")
    assert approvals_of(business, milestone_id)[0].round == 3


def test_a_cancelled_milestone_closes_its_levels(business: Business) -> None:
    milestone_id = milestone_in(business, booking_in(business, "in_progress"), "submitted")
    request_milestone_round(business, milestone_id, "client")
    step(business, "provider", milestone_id, "cancel")
    assert statuses(approvals_of(business, milestone_id)) == [(1, 1, "closed")]


def test_approvals_of_a_milestone_are_not_those_of_its_booking(business: Business) -> None:
    booking_id = booking_in(business, "requested")
    milestone_id = milestone_in(business, booking_id, "pending")
    request_milestone_round(business, milestone_id, "client")
    assert business.run("client", lambda tx: list_booking_approvals(tx, booking_id)).items == []
    assert move(business, "provider", booking_id, "approve") == "approved"


@pytest.mark.parametrize("of_milestone", [False, True])
def test_of_fifty_concurrent_decisions_one_succeeds(business: Business, of_milestone: bool) -> None:
    booking_id = booking_in(business, "in_progress")
    if of_milestone:
        level, _ = request_milestone_round(business, milestone_in(business, booking_id, "submitted"), "client", "admin")
    else:
        set_status(business, booking_id, "quoted")
        level, _ = request_round(business, booking_id, "client", "admin")
    decisions = [APPROVE, REJECT] * 25
    results = race(business, "client", [deciding(level, decision) for decision in decisions])
    won = [result for result in results if isinstance(result, Approval)]
    lost = [(result.kind, result.code) for result in results if isinstance(result, Refusal)]
    assert (len(won), lost) == (1, [("conflict", "already_decided")] * 49)
    changes = value(business, "select count(*) from app.booking_status_history where booking_id = %s", booking_id)
    assert changes == (won[0].status == "rejected")


def test_of_twenty_concurrent_requests_for_a_round_one_succeeds(business: Business) -> None:
    booking_id = booking_in(business, "quoted")
    request = levels("client")
    results = race(business, "provider", [lambda tx: request_booking_approvals(tx, booking_id, request)] * 20)
    assert [result.code for result in results if isinstance(result, Refusal)] == ["round_open"] * 19
    assert statuses(business.run("client", lambda tx: list_booking_approvals(tx, booking_id)).items) == [
        (1, 1, "pending")
    ]


def test_a_level_without_a_role_is_for_admins(business: Business) -> None:
    booking_id = booking_in(business, "quoted")
    business.connection.execute(
        "insert into app.approvals (org_id, booking_id) values (%s, %s)", [business.org.id, booking_id]
    )
    (level,) = business.run("admin", lambda tx: list_booking_approvals(tx, booking_id)).items
    assert refused(business, "client", deciding(level))[0] == "forbidden"
    decided = decide(business, "admin", level)
    assert decided.decided_at
    assert decided.decided_at - decided.created_at < timedelta(minutes=1)


def approvals_of(business: Business, milestone_id: UUID) -> list[Approval]:
    return business.run("client", lambda tx: list_milestone_approvals(tx, milestone_id)).items


def step(business: Business, who: str, milestone_id: UUID, action: Any) -> None:
    request = MilestoneStep(action=action, reason="Once more" if action == "reject" else None)
    business.run(who, lambda tx: step_milestone(tx, milestone_id, request, None))
