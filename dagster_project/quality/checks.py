"""Quality: a Great Expectations suite for each raw table, run as an asset check."""

from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final

import dagster as dg
import psycopg
from psycopg import sql

from dagster_project.quality import expectations
from dagster_project.quality.expectations import TableResult, validate
from dagster_project.quality.verdicts import last_verdicts
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
    known = _results_of(context.instance, selected, state)
    if len(known) == len(selected):  # nothing is different from what was judged: the verdicts stand
        yield from known
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
    """What the verdicts depend on, as a hash: each raw table's last change, the day of the run, and the rules."""
    newest = [
        connection.execute(sql.SQL("select max(_loaded_at)::text from {}").format(sql.Identifier("raw", table.name)))
        for table in OPERATIONAL
    ]
    days = connection.execute("select org_id::text, as_of::text from raw.run_clock order by org_id").fetchall()
    rules = Path(expectations.__file__).read_bytes()
    return sha256(repr(([cursor.fetchone() for cursor in newest], days)).encode() + rules).hexdigest()


def _results_of(
    instance: dg.DagsterInstance, keys: Sequence[dg.AssetCheckKey], state: str
) -> list[dg.AssetCheckResult]:
    """The last verdicts, of those checks that were judged in this very state."""
    return [
        dg.AssetCheckResult(
            asset_key=known.asset_key,
            check_name=known.check_name,
            passed=known.passed,
            severity=known.severity,
            description=known.description,
            metadata=known.metadata,
        )
        for known in last_verdicts(instance, keys).values()
        if STATE in known.metadata and known.metadata[STATE].value == state
    ]


def _severity(result: TableResult) -> dg.AssetCheckSeverity:
    grave = any(failure.severity == "error" for failure in result.failures)
    return dg.AssetCheckSeverity.ERROR if grave else dg.AssetCheckSeverity.WARN
