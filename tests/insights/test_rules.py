"""Rules: their kinds are allowed by the database, and texts exist only for kinds that are found."""

from insights.narrative import DESCRIBERS
from insights.rules import RULES
from sources.insight_values import INSIGHT_KINDS


def test_kinds_of_rules_and_texts_are_kinds_of_insights() -> None:
    assert set(DESCRIBERS) <= {*RULES, "pipeline"} <= set(INSIGHT_KINDS)
