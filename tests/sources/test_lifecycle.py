"""The lifecycle: its records and transitions are consistent, and the database and the documentation agree with it."""

from typing import get_args

import pytest

from sources import lifecycle
from sources.lifecycle import CANCELLED, COMPLETED, INITIAL, STATUSES, TRANSITIONS
from sources.operations.transitions import Action
from tools import lifecycle as tool

ENDS = {*COMPLETED, *CANCELLED}


def test_there_are_twenty_statuses() -> None:
    assert len(STATUSES) == len(set(STATUSES)) == 20


def test_every_status_is_in_one_group() -> None:
    assert sorted(status for group in lifecycle.GROUPS.values() for status in group) == sorted(STATUSES)


def test_no_status_holds_time_or_has_work_left_after_the_end() -> None:
    assert not set(lifecycle.HOLDS_TIME) & set(CANCELLED)
    assert not set(lifecycle.UNDELIVERED) & ENDS
    assert set(lifecycle.WORKABLE) <= set(lifecycle.UNDELIVERED)
    assert set(lifecycle.END_COLUMNS) <= ENDS


def test_every_status_is_reached() -> None:
    assert {it for initial in INITIAL for it in STATUSES if lifecycle.leads_to(initial, it)} == set(STATUSES)


@pytest.mark.parametrize("status", STATUSES)
def test_only_the_ends_lead_nowhere(status: str) -> None:
    onward = [it for it in TRANSITIONS if status in it.sources and it.by != ("system",)]
    assert bool(onward) == (status not in ENDS)
    assert status in ENDS or any(lifecycle.leads_to(status, end) for end in COMPLETED)


@pytest.mark.parametrize("status", [it for it in STATUSES if it not in ENDS])
def test_a_client_always_has_a_way_out(status: str) -> None:
    assert lifecycle.actions_from(status, "client") or status == "disputed"


def test_an_action_means_one_thing_in_a_status() -> None:
    pairs = [(it.action, source) for it in TRANSITIONS for source in it.sources]
    assert len(pairs) == len(set(pairs))


def test_every_requirement_has_its_sentence() -> None:
    assert {name for it in TRANSITIONS for name in it.requires} == set(lifecycle.REQUIREMENTS)


def test_people_may_ask_for_what_people_may_do() -> None:
    of_people = {it.action for it in TRANSITIONS if it.by != ("system",)}
    assert set(get_args(Action)) == of_people


def test_the_page_is_current() -> None:
    assert tool.PAGE.read_text() == tool.page(), "run: python -m tools.lifecycle"
