"""The asset checks of raw evaluate what changed, and what was an error; other results are repeated."""

from collections.abc import Sequence

import dagster as dg
import psycopg
import pytest
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluation

from dagster_project.quality import checks
from dagster_project.quality.checks import CHECK, raw_expectations
from dagster_project.quality.expectations import TableResult, validate
from dagster_project.resources import HubDatabase
from sources.settings import Settings
from sources.tables import OPERATIONAL
from tests.dagster_project.quality.test_expectations import BUSINESS, land_tables

CHECKED = ("bookings", "tasks")


@pytest.mark.slow
def test_errors_are_evaluated_again_and_other_results_are_repeated(
    environment: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluated: list[str] = []

    def recorded(url: str, tables: Sequence[str]) -> list[TableResult]:
        evaluated.extend(tables)
        return validate(url, tables)

    monkeypatch.setattr(checks, "validate", recorded)
    keys = [dg.AssetCheckKey(dg.AssetKey(["raw", name]), CHECK) for name in CHECKED]
    definitions = dg.Definitions(
        asset_checks=[raw_expectations],
        jobs=[dg.define_asset_job("checks", dg.AssetSelection.checks(*keys))],
        resources={"database": HubDatabase()},
    )

    with dg.DagsterInstance.ephemeral() as instance:

        def run() -> dict[str, AssetCheckEvaluation]:
            evaluated.clear()
            job = definitions.resolve_job_def("checks")
            result = job.execute_in_process(instance=instance, raise_on_error=False)
            return {evaluation.asset_key.path[-1]: evaluation for evaluation in result.get_asset_check_evaluations()}

        assert "Run the ingestion first" in (run()["tasks"].description or "")

        with psycopg.connect(environment.database_url, autocommit=True) as connection:
            connection.execute(BUSINESS)
            land_tables(environment.database_url, OPERATIONAL)
            assert all(result.passed for result in run().values())
            assert evaluated == list(CHECKED)
            assert all(result.passed for result in run().values())
            assert not evaluated

            # Rows vanish without a load.
            connection.execute("delete from raw.tasks")
            for _ in range(2):
                results = run()
                assert results["bookings"].passed
                assert "live_rows = 0" in (results["tasks"].description or "")
                assert evaluated == ["tasks"]
