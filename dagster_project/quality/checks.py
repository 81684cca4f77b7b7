"""Quality: an asset check per raw table, with the rules of Great Expectations, and one of the age of the bookings.

An error in a raw table ends the run before anything is built from it.
"""

from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import dagster as dg
import psycopg
from sqlalchemy import Table

from dagster_project.ingestion.table_states import table_state
from dagster_project.quality import expectations
from dagster_project.quality.check_results import last_results
from dagster_project.quality.expectations import Failure, TableResult, late_bookings, rules, validate
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
            additional_deps=[["raw", other.name] for other in OPERATIONAL if other is not table],
            blocking=True,
            description="Keys, references, ranges and allowed values (Great Expectations).",
        )
        for table in OPERATIONAL
    ],
)
def raw_expectations(context: dg.AssetCheckExecutionContext, database: HubDatabase) -> Iterator[dg.AssetCheckResult]:
    """Evaluate the rules of each table that changed since its last evaluation; repeat the results of the others."""
    selected = sorted(context.selected_asset_check_keys, key=lambda key: key.asset_key.path)
    with database.connect() as connection:
        states = raw_states(connection)
    repeated = _results_of_states(context.instance, selected, states)
    yield from repeated.values()
    changed = [key.asset_key.path[-1] for key in selected if key not in repeated]
    for result in validate(database.url, changed) if changed else ():
        yield dg.AssetCheckResult(
            asset_key=["raw", result.table],
            check_name=CHECK,
            passed=result.passed,
            severity=_severity(result),
            description=" ".join(failure.sentence for failure in result.failures) or None,
            metadata={
                "expectations": result.evaluated,
                STATE: states[result.table],
                "failures": dg.MetadataValue.json([_as_json(failure) for failure in result.failures]),
            },
        )


@dg.asset_check(
    asset=["raw", "bookings"],
    name="freshness",
    additional_deps=[["raw", "organizations"], ["raw", "run_clock"]],
    description="The newest booking of each organisation whose data have not ended is of the last days.",
)
def raw_freshness(database: HubDatabase) -> dg.AssetCheckResult:
    with database.connect() as connection:
        late = late_bookings(connection)
    return dg.AssetCheckResult(
        passed=late is None,
        severity=dg.AssetCheckSeverity.WARN,
        description=late.sentence if late else None,
        metadata={"failures": dg.MetadataValue.json([_as_json(late)] if late else [])},
    )


def _as_json(failure: Failure) -> dict[str, Any]:
    return {
        "expectation": failure.expectation,
        "column": failure.column,
        "rows": failure.unexpected_count,
        "first_rows": failure.rows,
    }


def raw_states(connection: psycopg.Connection) -> dict[str, str]:
    """Return by table a hash of what its results depend on: the rows of it and of its parents, and the rules."""
    code = Path(expectations.__file__).read_bytes()
    states = {table.name: table_state(connection, "raw", table.name) for table in OPERATIONAL}
    return {table.name: _state(table, states, code) for table in OPERATIONAL}


def _state(table: Table, states: Mapping[str, str], code: bytes) -> str:
    # The rule of the currency reads the organisations, which each table refers to.
    parents = sorted({key.column.table.name for key in table.foreign_keys})
    queries = [rule.query.as_string(None) for rule in rules(table)]
    return sha256(repr([states[table.name], [states[name] for name in parents], queries]).encode() + code).hexdigest()


def _results_of_states(
    instance: dg.DagsterInstance, keys: Sequence[dg.AssetCheckKey], states: Mapping[str, str]
) -> dict[dg.AssetCheckKey, dg.AssetCheckResult]:
    """Return the last result of each check whose table was then in the same state.

    Not an error: it may be of the evaluation, such as a connection that broke, and it blocks the build.
    """
    return {
        key: dg.AssetCheckResult(
            asset_key=evaluation.asset_key,
            check_name=evaluation.check_name,
            passed=evaluation.passed,
            severity=evaluation.severity,
            description=evaluation.description,
            metadata=evaluation.metadata,
        )
        for key, evaluation in last_results(instance, keys).items()
        if (evaluation.passed or evaluation.severity != dg.AssetCheckSeverity.ERROR)
        and STATE in evaluation.metadata
        and evaluation.metadata[STATE].value == states[key.asset_key.path[-1]]
    }


def _severity(result: TableResult) -> dg.AssetCheckSeverity:
    has_errors = any(failure.severity == "error" for failure in result.failures)
    return dg.AssetCheckSeverity.ERROR if has_errors else dg.AssetCheckSeverity.WARN
