"""The lifecycle: its records and transitions are consistent, and the database and the documentation agree with it."""

import pytest

from sources import lifecycle
from sources.lifecycle import CANCELLED, COMPLETED, INITIAL, STATUSES, TRANSITIONS
from sources.operations.bookings.transitions import ACTIONS
from tools import lifecycle as tool

ENDS = {*COMPLETED, *CANCELLED}


def test_names_of_statuses_are_unique() -> None:
    assert len(STATUSES) == len(set(STATUSES)) >= 20


def test_every_status_is_in_one_group() -> None:
    assert sorted(status for group in lifecycle.GROUPS.values() for status in group) == sorted(STATUSES)


def test_no_status_holds_time_or_has_work_left_after_the_end() -> None:
    assert not set(lifecycle.HOLDS_TIME) & set(CANCELLED)
    assert not set(lifecycle.UNDELIVERED) & ENDS
    assert set(lifecycle.WORKABLE) <= set(lifecycle.UNDELIVERED)
    assert set(lifecycle.END_COLUMNS) <= ENDS


def test_every_status_can_be_reached() -> None:
    assert {status for initial in INITIAL for status in STATUSES if lifecycle.leads_to(initial, status)} == set(
        STATUSES
    )


@pytest.mark.parametrize("status", STATUSES)
def test_only_final_statuses_have_no_transition(status: str) -> None:
    transitions = [each for each in TRANSITIONS if status in each.sources and each.by != ("system",)]
    assert bool(transitions) == (status not in ENDS)
    assert status in ENDS or any(lifecycle.leads_to(status, end) for end in COMPLETED)


@pytest.mark.parametrize("status", [status for status in STATUSES if status not in ENDS])
def test_a_client_always_has_an_action(status: str) -> None:
    assert lifecycle.actions_from(status, "client") or status == "disputed"


def test_an_action_has_one_transition_per_status() -> None:
    pairs = [(each.action, source) for each in TRANSITIONS for source in each.sources]
    assert len(pairs) == len(set(pairs))


def test_every_requirement_has_an_error_message() -> None:
    assert {name for transition in TRANSITIONS for name in transition.requires} == set(lifecycle.REQUIREMENTS)


def test_the_api_accepts_the_actions_of_people() -> None:
    actions = {transition.action for transition in TRANSITIONS if transition.by != ("system",)}
    assert set(ACTIONS) == actions


def test_the_page_is_up_to_date() -> None:
    assert tool.PAGE.read_text() == tool.page(), "run: python -m tools.lifecycle"
