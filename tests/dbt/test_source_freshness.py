"""The command `dbt source freshness`: what counts is the last load of a table, with or without changed rows."""

import json

import pytest

from dagster_project.warehouse import dbt_runner
from sources.settings import Settings
from sources.tables import OPERATIONAL
from tests.dbt.conftest import Dbt, execute

pytestmark = pytest.mark.slow


def test_dbt_names_the_tables_that_were_not_loaded_for_long(writable: Settings, dbt: Dbt) -> None:
    execute(
        writable,
        """
        update raw.watermarks set loaded_at = now() - case table_name
            when 'tasks' then interval '3 hours' when 'payments' then interval '27 hours' else interval '1 hour' end;
        update raw.services set _loaded_at = now() - interval '1 year';
        """,
    )
    with pytest.raises(AssertionError, match="payments"):
        dbt(writable, "source", "freshness")
    results = json.loads((dbt_runner.folder(writable) / "sources.json").read_text())["results"]
    states = {result["unique_id"].rpartition(".")[2]: result["status"] for result in results}
    expected = {table.name: "pass" for table in OPERATIONAL} | {"tasks": "warn", "payments": "error"}
    assert {name: states.get(name) for name in expected} == expected
