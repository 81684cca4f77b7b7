"""Rules: each kind of insight that is found has a text, and is one that the database allows."""

from insights.narrative import DESCRIBERS
from insights.rules import RULES
from sources.insight_values import INSIGHT_KINDS


def test_each_kind_that_is_found_has_a_text() -> None:
    assert {*RULES, "pipeline"} == set(DESCRIBERS)
    assert set(DESCRIBERS) <= set(INSIGHT_KINDS)
