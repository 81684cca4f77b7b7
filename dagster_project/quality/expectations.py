"""Data quality of raw: the rules of each table, and their evaluation by Great Expectations.

The rules are derived from the metadata of `app` (required columns, unique keys, references, CHECKs), because the
source may be a database without these constraints. BUSINESS_RULES has the rules that the metadata cannot express.
Every rule is a query for the rows that break it.
"""

import os
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain
from typing import Any, Final, Literal

import psycopg
from psycopg import sql
from psycopg.rows import dict_row
from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Table, UniqueConstraint

from dagster_project.ingestion.landing import landed_columns
from sources import database
from sources.tables import OPERATIONAL

Severity = Literal["error", "warn"]

MAX_ROWS: Final = 20  # rows in a failure
MAX_CONDITION: Final = 90  # characters of a CHECK in a message
MAX_SHOWN: Final = 3  # rows in the message of a failure
STALE_DAYS: Final = 3  # a weekend and a public holiday without a booking are still usual
# Corrections are negative bookings: 1 of the 40,060 bookings of a real hotel is one, and 0.5 % allows for many more.
NEGATIVE_SHARE: Final = 0.005

# severity -> its name in Great Expectations
SEVERITIES: Final[dict[Severity, str]] = {"error": "critical", "warn": "warning"}
LIVE_ROWS: Final = "select * from raw.{} where _deleted_at is null"


@dataclass(frozen=True)
class Rule:
    """A rule of one table. `query` returns the rows that break it: the id, then the values to show."""

    name: str
    column: str | None
    description: str
    query: sql.Composable  # reads the live rows (those not deleted at the source) from {batch}
    severity: Severity = "error"


@dataclass(frozen=True)
class Failure:
    """A broken rule, with up to MAX_ROWS of the rows that break it."""

    expectation: str
    column: str | None
    severity: Severity
    unexpected_count: int
    rows: list[dict[str, str | None]]
    sentence: str


@dataclass(frozen=True)
class TableResult:
    """The result of the rules of one raw table. `passed` is False even if only a warning failed."""

    table: str
    passed: bool
    evaluated: int
    failures: list[Failure] = field(default_factory=list)


def validate(url: str, tables: Sequence[str] | None = None) -> list[TableResult]:
    """Check the live rows of the raw tables `tables` (default: all) in the database at `url`.

    Return one result per table, in the same order. A rule that cannot be evaluated, because raw lacks the table or a
    column, is a failure too. Raises HubError if the database cannot be reached.
    """
    by_name = {table.name: table for table in OPERATIONAL}
    chosen = [by_name[name] for name in tables or by_name]
    with database.connect(url) as connection:
        landed = {row[0] for row in connection.execute("select tablename from pg_tables where schemaname = 'raw'")}
    results = _run([table for table in chosen if table.name in landed], url)
    return [results.get(table.name) or _missing(table) for table in chosen]


def late_bookings(connection: psycopg.Connection) -> Failure | None:
    """Return the organisations whose newest booking is too old for the day of the run, if there are any."""
    query = _bounded(FRESH).format(batch=f"({LIVE_ROWS.format('bookings')}) as live")
    late = connection.cursor(row_factory=dict_row).execute(query.encode()).fetchall()
    return _broken("bookings", FRESH, late) if late else None


def rules(table: Table) -> list[Rule]:
    """Return the rules of `raw.<table>`; their names are unique."""
    return [
        _required(table),
        *_unique(table),
        *_references(table),
        *_checks(table),
        _as_loaded(table),
        *BUSINESS_RULES.get(table.name, ()),
    ]


# --- the rules -----------------------------------------------------------------------------------


def _required(table: Table) -> Rule:
    names = [column.name for column in landed_columns(table) if not column.nullable and column.computed is None]
    missing = sql.SQL(", ").join(
        sql.SQL("case when {} is null then {} end").format(sql.Identifier(name), sql.Literal(name)) for name in names
    )
    return Rule(
        "required",
        None,
        "every required column has a value",
        sql.SQL("select id, concat_ws(', ', {}) as missing from {{batch}} where num_nulls({}) > 0").format(
            missing, _columns(names)
        ),
    )


def _unique(table: Table) -> Iterator[Rule]:
    keys = [
        [column.name for column in constraint.columns]
        for constraint in table.constraints
        if isinstance(constraint, UniqueConstraint)
    ]
    for key in [["id"], *sorted(key for key in keys if key != ["org_id", "id"])]:
        columns = [name for name in key if name != "org_id"]
        yield Rule(
            f"unique_{'_'.join(columns)}",
            columns[-1],
            f"{' and '.join(columns)} {'are' if columns[1:] else 'is'} unique"
            + (" in its organisation" if "org_id" in key else ""),
            # As in PostgreSQL, a key that contains a null equals no other key.
            sql.SQL(
                "select id, {columns} from {{batch}} where ({key}) in "
                "(select {key} from {{batch}} group by {key} having count(*) > 1)"
            ).format(columns=_columns(columns) if columns != ["id"] else sql.SQL("org_id"), key=_columns(key)),
        )


def _references(table: Table) -> Iterator[Rule]:
    for constraint in sorted(table.foreign_key_constraints, key=lambda constraint: list(constraint.column_keys)):
        yield _reference(constraint)


def _reference(constraint: ForeignKeyConstraint) -> Rule:
    column, parent = constraint.column_keys[-1], constraint.referred_table.name
    pairs = sql.SQL(" and ").join(
        sql.SQL("parent.{} = child.{}").format(sql.Identifier(key.column.name), sql.Identifier(key.parent.name))
        for key in constraint.elements
    )
    within = " of the same organisation" if column != "org_id" else ""
    return Rule(
        f"reference_{column}",
        column,
        f"{column} is the id of one of the {parent}{within}",
        # Each table is loaded from its own snapshot. A row that is newer than the snapshot of its parents, or whose
        # parent was deleted after the row was read, is checked after the next load.
        sql.SQL(
            "select child.id, child.{column} from (select * from {{batch}}) as child "
            "where child.{column} is not null and not exists (select from {parent} as parent where {pairs} "
            "and (parent._deleted_at is null or parent._deleted_at >= "
            "(select loaded_at from raw.watermarks where table_name = {child_name}))) "
            "and (child._row_version >= "
            "(select watermark from raw.watermarks where table_name = {parent_name})) is not true"
        ).format(
            column=sql.Identifier(column),
            parent=sql.Identifier("raw", parent),
            pairs=pairs,
            child_name=sql.Literal(constraint.table.name),
            parent_name=sql.Literal(parent),
        ),
    )


def _checks(table: Table) -> Iterator[Rule]:
    constraints = chain(table.constraints, *(column.constraints for column in table.columns))
    checks = [constraint for constraint in constraints if isinstance(constraint, CheckConstraint)]
    landed = {column.name for column in landed_columns(table)}
    for check in sorted(checks, key=lambda constraint: str(constraint.name)):
        if not landed.issuperset(check.info["columns"]):
            continue
        condition = str(check.sqltext)
        values = [
            column.name for column in table.columns if column.name in check.info["columns"] and column.name != "id"
        ]
        yield Rule(
            str(check.name).removeprefix(f"ck_{table.name}_"),
            values[0],
            textwrap.shorten(condition, MAX_CONDITION, placeholder=" ...)"),
            sql.SQL("select id, {} from {{batch}} where ({}) is false").format(
                _columns(values), sql.SQL(condition.replace("{", "{{").replace("}", "}}"))
            ),
        )


def _as_loaded(table: Table) -> Rule:
    return Rule(
        "as_loaded",
        None,
        "the live rows are as many as after the last load",
        sql.SQL(
            "select id, live_rows, rows_loaded from (select {name} as id, count(*) as live_rows, "
            "(select rows_loaded from raw.watermarks where table_name = {name}) as rows_loaded "
            "from {{batch}}) as counts where live_rows is distinct from rows_loaded"
        ).format(name=sql.Literal(table.name)),
    )


NOT_EMPTY: Final = Rule(
    "not_empty",
    None,
    "there is at least one row",
    sql.SQL("select 'the table' as id, 0 as live_rows where not exists (select from {batch})"),
    "warn",
)
CURRENCY: Final = Rule(
    "currency_of_organization",
    "currency",
    "currency is that of the organisation (amounts in another one are in no sum: see analytics.v_other_currencies)",
    sql.SQL(
        "select child.id, child.currency, parent.currency as currency_of_organization "
        "from (select * from {batch}) as child, raw.organizations as parent "
        "where parent.id = child.org_id and parent._deleted_at is null and child.currency <> parent.currency"
    ),
    "warn",
)
FEW_NEGATIVE_TOTALS: Final = Rule(
    "few_negative_totals",
    "total_amount",
    f"at most {NEGATIVE_SHARE:.1%} of the bookings have a negative total_amount",
    sql.SQL(
        "select id, total_amount from {{batch}} where total_amount < 0 and "
        "(select avg((total_amount < 0)::int) > {} from {{batch}})"
    ).format(sql.Literal(NEGATIVE_SHARE)),
    "warn",
)
FRESH: Final = Rule(
    "fresh",
    "created_at",
    f"the newest booking of an organisation is at most {STALE_DAYS} days older than the run's day",
    # An organisation without a run_clock had no run yet, so nothing can be late. Data that have ended are never late: a
    # run takes their last day as its day.
    sql.SQL(
        "select parent.id, parent.name, max(child.created_at) as newest_booking, clock.as_of "
        "from raw.organizations as parent join raw.run_clock as clock on clock.org_id = parent.id "
        "left join (select * from {{batch}}) as child "
        "on child.org_id = parent.id and child.created_at <= clock.as_of_at "
        "where parent._deleted_at is null and clock.has_ended is not true "
        "group by parent.id, parent.name, parent.timezone, clock.as_of "
        "having coalesce((max(child.created_at) at time zone parent.timezone)::date, '-infinity') "
        "< clock.as_of - {}"
    ).format(sql.Literal(STALE_DAYS)),
    "warn",
)

# Rules that the metadata of `app` cannot express. FRESH is not among them: it needs the day of the run.
BUSINESS_RULES: Final[dict[str, tuple[Rule, ...]]] = {
    "organizations": (NOT_EMPTY,),
    "services": (CURRENCY,),
    "service_packages": (CURRENCY,),
    "bookings": (NOT_EMPTY, CURRENCY, FEW_NEGATIVE_TOTALS),
    "invoices": (CURRENCY,),
    "payments": (CURRENCY,),
}


def _columns(names: Sequence[str]) -> sql.Composable:
    return sql.SQL(", ").join(sql.Identifier(name) for name in names)


# --- the run -------------------------------------------------------------------------------------


def _run(tables: Sequence[Table], url: str) -> dict[str, TableResult]:
    os.environ["GX_ANALYTICS_ENABLED"] = "false"  # before the import, which reads this variable
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    source = context.data_sources.add_postgres(
        "hub",
        # Great Expectations takes a dollar sign for the beginning of a variable.
        connection_string=database.driver_url(url, "psycopg2").replace("$", "%24"),
        # All assets at once: each later addition writes the whole context again.
        assets=[{"type": "query", "name": table.name, "query": LIVE_ROWS.format(table.name)} for table in tables],
    )
    try:
        return {table.name: _check(source.get_asset(table.name), table) for table in tables}
    finally:  # the data source keeps two connection pools
        source.get_execution_engine().close()
        source.get_engine().dispose()


def _check(asset: Any, table: Table) -> TableResult:
    """Evaluate the rules of `table` on the rows of `asset`."""
    import great_expectations as gx

    expectation = _expectation()
    by_name = {rule.name: rule for rule in rules(table)}
    suite = gx.ExpectationSuite(
        name=table.name,
        expectations=[
            expectation(
                unexpected_rows_query=_bounded(rule),
                description=rule.description,
                severity=SEVERITIES[rule.severity],
                meta={"rule": rule.name},
            )
            for rule in by_name.values()
        ],
    )
    validation = asset.get_batch(asset.build_batch_request()).validate(suite, result_format="COMPLETE")
    failures = [
        _failure(table, by_name[result.expectation_config.meta["rule"]], result)
        for result in validation.results
        if not result.success
    ]
    return TableResult(table.name, not failures, len(validation.results), failures)


@lru_cache(maxsize=1)  # Great Expectations registers a class by its name, once
def _expectation() -> Any:
    """Return UnexpectedRowsExpectation without its second query: `_bounded` adds the count to the first one."""
    from great_expectations.expectations import UnexpectedRowsExpectation

    class ExpectNoUnexpectedRows(UnexpectedRowsExpectation):  # type: ignore[misc]
        metric_dependencies = ("unexpected_rows_query.table",)

        def _validate(self, metrics: dict[str, Any], *_: object, **__: object) -> dict[str, Any]:
            rows = metrics["unexpected_rows_query.table"]
            count = rows[0]["unexpected_count"] if rows else 0
            result = {"observed_value": count, "details": {"unexpected_rows": rows}}
            return {"success": not rows, "result": result}

    return ExpectNoUnexpectedRows


def _bounded(rule: Rule) -> str:
    """Return the rule's query, limited to MAX_ROWS and with the count of all its rows: a bad load may be huge."""
    query = sql.SQL(
        "select unexpected.*, count(*) over () as unexpected_count from ({}) as unexpected order by id limit {}"
    )
    return query.format(rule.query, sql.Literal(MAX_ROWS)).as_string(None)


def _failure(table: Table, rule: Rule, result: Any) -> Failure:
    """Convert a failed result of Great Expectations."""
    reason = _exception_message(result.exception_info)
    if reason:
        sentence = f'The rule "{rule.description}" of raw.{table.name} could not be evaluated: {reason}.'
        return Failure(rule.name, rule.column, "error", 0, [], sentence)
    return _broken(table.name, rule, result.result["details"]["unexpected_rows"])


def _broken(table: str, rule: Rule, unexpected: Sequence[Mapping[str, Any]]) -> Failure:
    """Return the failure of a rule from the rows of its bounded query."""
    count = unexpected[0]["unexpected_count"]
    rows = [
        {name: None if value is None else str(value) for name, value in row.items() if name != "unexpected_count"}
        for row in unexpected
    ]
    return Failure(rule.name, rule.column, rule.severity, count, rows, _sentence(table, rule, count, rows))


def _sentence(table: str, rule: Rule, count: int, rows: list[dict[str, str | None]]) -> str:
    shown = []
    for row in rows[:MAX_SHOWN]:
        values = ", ".join(f"{name} = {value}" for name, value in row.items() if name != "id")
        shown.append(f"{row['id']} ({values})")
    more = f" and {count - len(shown):,} more" if count > len(shown) else ""
    subject = f"{count:,} {'row breaks' if count == 1 else 'rows break'}"
    return f'raw.{table}: {subject} the rule "{rule.description}": {", ".join(shown)}{more}.'


def _exception_message(info: dict[str, Any]) -> str:
    """Return the first line of the exception that kept a rule from being evaluated, or an empty string.

    Great Expectations reports either one exception or one per failed metric.
    """
    reports = [info] if "raised_exception" in info else list(info.values())
    messages = [report["exception_message"] for report in reports if report["raised_exception"]]
    return str(messages[0]).strip().splitlines()[0] if messages else ""


def _missing(table: Table) -> TableResult:
    sentence = f"raw.{table.name} does not exist: it has never been loaded. Run the ingestion first."
    return TableResult(table.name, False, 0, [Failure("exists", None, "error", 0, [], sentence)])
