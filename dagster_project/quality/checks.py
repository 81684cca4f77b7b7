"""Quality: one asset check per raw table, which evaluates its rules with Great Expectations."""

from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final

import dagster as dg
import psycopg
from psycopg import sql

from dagster_project.quality import expectations
from dagster_project.quality.check_results import last_results
from dagster_project.quality.expectations import TableResult, rules, validate
from dagster_project.resources import HubDatabase
from sources.tables import OPERATIONAL

CHECK: Final = "expectations"
STATE: Final = "state"


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
    selected = sorted(context.selected_asset_check_keys, key=lambda key: key.asset_key.path)
    with database.connect() as connection:
        state = raw_state(connection)
    repeated = _results_of_state(context.instance, selected, state)
    if len(repeated) == len(selected):  # nothing has changed since the last evaluation
        yield from repeated
        return
    for result in validate(database.url, [key.asset_key.path[-1] for key in selected]):
        yield dg.AssetCheckResult(
            asset_key=["raw", result.table],
            check_name=CHECK,
            passed=result.passed,
            severity=_severity(result),
            description=" ".join(failure.sentence for failure in result.failures) or None,
            metadata={
                "expectations": result.evaluated,
                STATE: state,
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


def raw_state(connection: psycopg.Connection) -> str:
    """Return a hash of what the results depend on: the last change of each table, the day of the run, the rules."""
    newest = [
        connection.execute(sql.SQL("select max(_loaded_at)::text from {}").format(sql.Identifier("raw", table.name)))
        for table in OPERATIONAL
    ]
    days = connection.execute("select org_id::text, as_of::text from raw.run_clock order by org_id").fetchall()
    queries = [(table.name, rule.query.as_string(None)) for table in OPERATIONAL for rule in rules(table)]
    state = ([cursor.fetchone() for cursor in newest], days, queries)
    return sha256(repr(state).encode() + Path(expectations.__file__).read_bytes()).hexdigest()


def _results_of_state(
    instance: dg.DagsterInstance, keys: Sequence[dg.AssetCheckKey], state: str
) -> list[dg.AssetCheckResult]:
    """Return the last result of each check that was evaluated in the same state."""
    return [
        dg.AssetCheckResult(
            asset_key=evaluation.asset_key,
            check_name=evaluation.check_name,
            passed=evaluation.passed,
            severity=evaluation.severity,
            description=evaluation.description,
            metadata=evaluation.metadata,
        )
        for evaluation in last_results(instance, keys).values()
        if STATE in evaluation.metadata and evaluation.metadata[STATE].value == state
    ]


def _severity(result: TableResult) -> dg.AssetCheckSeverity:
    has_errors = any(failure.severity == "error" for failure in result.failures)
    return dg.AssetCheckSeverity.ERROR if has_errors else dg.AssetCheckSeverity.WARN
