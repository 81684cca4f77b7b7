"""State findings: the weeks of the usual range are those of the warehouse."""

from dataclasses import replace
from datetime import timedelta

import psycopg

from dagster_project.warehouse.variables import VARIABLES
from insights.state_findings import USUAL_WEEKS, weekly
from tests.insights.conftest import DAY, GOLDEN, ORGANIZATION


def test_the_usual_weeks_are_those_of_dbt() -> None:
    assert VARIABLES["pace_weeks"] == USUAL_WEEKS


def test_weeks_without_a_figure_are_zero_and_those_before_the_data_unknown(tables: psycopg.Connection) -> None:
    query = "select * from (values (0, 3), (2, 1), (9, 7)) as weeks (weeks_ago, figure)"
    young = replace(ORGANIZATION, first_day=DAY - timedelta(days=20))
    assert weekly(tables, young, query, {}) == [3, 0, 1]
    assert weekly(tables, replace(ORGANIZATION, first_day=None), query, {}) == []
    assert len(weekly(tables, ORGANIZATION, query, {})) == USUAL_WEEKS + 1


def test_each_golden_file_has_its_test() -> None:
    tests = "".join(path.read_text() for path in GOLDEN.parents[1].glob("test_*.py"))
    assert [path.stem for path in GOLDEN.glob("*.txt") if f'check_golden("{path.stem}"' not in tests] == []
