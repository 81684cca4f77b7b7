"""Quality: a Great Expectations suite for each raw table, run as an asset check."""

from collections.abc import Iterator
from typing import Final

import dagster as dg

from dagster_project.expectations import TableResult, validate
from dagster_project.resources import HubDatabase
from sources.tables import OPERATIONAL

CHECK: Final = "expectations"


@dg.multi_asset_check(
    name="raw_expectations",
    can_subset=True,
    specs=[
        dg.AssetCheckSpec(
            CHECK,
            asset=["raw", table.name],
            additional_deps=[
                ["raw", "run_clock"],
                *(["raw", other.name] for other in OPERATIONAL if other is not table),
            ],
            description="Keys, references, ranges, allowed values and freshness (Great Expectations).",
        )
        for table in OPERATIONAL
    ],
)
def raw_expectations(context: dg.AssetCheckExecutionContext, database: HubDatabase) -> Iterator[dg.AssetCheckResult]:
    selected = sorted(key.asset_key.path[-1] for key in context.selected_asset_check_keys)
    for result in validate(database.url, selected):
        yield dg.AssetCheckResult(
            asset_key=["raw", result.table],
            check_name=CHECK,
            passed=result.passed,
            severity=_severity(result),
            description=" ".join(failure.sentence for failure in result.failures) or None,
            metadata={
                "expectations": result.evaluated,
                "failures": dg.MetadataValue.json(
                    [
                        {
                            "expectation": failure.expectation,
                            "column": failure.column,
                            "rows": failure.unexpected_count,
                            "first_rows": failure.rows,
                        }
                        for failure in result.failures
                    ]
                ),
            },
        )


def _severity(result: TableResult) -> dg.AssetCheckSeverity:
    grave = any(failure.severity == "error" for failure in result.failures)
    return dg.AssetCheckSeverity.ERROR if grave else dg.AssetCheckSeverity.WARN
