"""State findings: the weeks of the usual range are those of the warehouse."""

from dataclasses import replace
from datetime import timedelta

from dagster_project.warehouse.variables import VARIABLES
from insights.state_findings import USUAL_WEEKS, weekly
from tests.insights.conftest import DAY, GOLDEN, ORGANIZATION


def test_the_usual_weeks_are_those_of_dbt() -> None:
    assert VARIABLES["pace_weeks"] == USUAL_WEEKS


def test_weeks_without_a_figure_are_zero_and_those_before_the_data_unknown() -> None:
    young = replace(ORGANIZATION, first_day=DAY - timedelta(days=20))
    assert weekly(young, {0: 3, 2: 1, 9: 7}) == [3, 0, 1]
    assert weekly(replace(ORGANIZATION, first_day=None), {0: 3}) == []
    assert len(weekly(ORGANIZATION, {})) == USUAL_WEEKS + 1


def test_each_golden_file_has_its_test() -> None:
    tests = "".join(path.read_text() for path in GOLDEN.parents[1].glob("test_*.py"))
    assert [path.stem for path in GOLDEN.glob("*.txt") if f'check_golden("{path.stem}"' not in tests] == []
