"""What every raw table must hold, and the Great Expectations run that checks it and names the rows.

The rules of a table are derived from the metadata of `app` (required columns, unique keys, references,
CHECKs), so that a source without those constraints is held to them too; what the metadata cannot say is
declared in BUSINESS_RULES. Every rule is SQL that returns the rows that break it.
"""

import os
import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain
from typing import Any, Final, Literal

from psycopg import sql
from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Table, UniqueConstraint

from sources import database
from sources.tables import OPERATIONAL

Severity = Literal["error", "warn"]

MAX_ROWS: Final = 20  # named in a failure
MAX_QUOTED: Final = 90  # characters of a CHECK in a sentence
MAX_SHOWN: Final = 3  # of those, in its sentence
STALE_DAYS: Final = 3  # a weekend and a public holiday without a booking are still usual
# Corrections are negative bookings; 1 of the 40,060 of a real hotel is, and 0.5 % leaves room for many more.
NEGATIVE_SHARE: Final = 0.005

# Great Expectations' names for our severities
SEVERITIES: Final[dict[Severity, str]] = {"error": "critical", "warn": "warning"}
ALIVE: Final = "select * from raw.{} where _deleted_at is null"


@dataclass(frozen=True)
class Rule:
    """What must hold for a table; `query` returns the rows that break it: id, and the offending values."""

    name: str
    column: str | None
    says: str
    query: sql.Composable  # reads the alive rows from {batch}
    severity: Severity = "error"


@dataclass(frozen=True)
class Failure:
    """A rule that does not hold, with up to MAX_ROWS of the rows that break it."""

    expectation: str
    column: str | None
    severity: Severity
    unexpected_count: int
    rows: list[dict[str, str | None]]
    sentence: str


@dataclass(frozen=True)
class TableResult:
    """The checks of one raw table; `passed` where no rule failed, not even one that only warns."""

    table: str
    passed: bool
    evaluated: int
    failures: list[Failure] = field(default_factory=list)


def validate(url: str, tables: Sequence[str] | None = None) -> list[TableResult]:
    """Check the alive rows of the raw tables `tables` (default: all) in the database at `url`.

    One result a table, in that order. A rule that cannot be evaluated (raw lacks
    the table or a column) is a failure too. Raises HubError where the database cannot be reached.
    """
    known = {table.name: table for table in OPERATIONAL}
    chosen = [known[name] for name in tables or known]
    with database.connect(url) as connection:
        landed = {row[0] for row in connection.execute("select tablename from pg_tables where schemaname = 'raw'")}
    found = _run([table for table in chosen if table.name in landed], url)
    return [found.get(table.name) or _missing(table) for table in chosen]


def rules(table: Table) -> list[Rule]:
    """Every rule of `raw.<table>`, each with a name of its own."""
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
    names = [
        column.name
        for column in table.columns
        if not column.nullable and column.name != "row_version" and column.computed is None
    ]
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
        own = [name for name in key if name != "org_id"]
        yield Rule(
            f"unique_{'_'.join(own)}",
            own[-1],
            f"{' and '.join(own)} {'are' if own[1:] else 'is'} unique"
            + (" in its organisation" if "org_id" in key else ""),
            # A key with a null in it equals no other, here as in PostgreSQL.
            sql.SQL(
                "select id, {own} from {{batch}} where ({key}) in "
                "(select {key} from {{batch}} group by {key} having count(*) > 1)"
            ).format(own=_columns(own) if own != ["id"] else sql.SQL("org_id"), key=_columns(key)),
        )


def _references(table: Table) -> Iterator[Rule]:
    for constraint in sorted(table.foreign_key_constraints, key=lambda found: list(found.column_keys)):
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
        # Each table is landed from a moment of its own: a row newer than what was read of its parents, or
        # whose parent went after it was read, is the next load's business.
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
    for check in sorted(checks, key=lambda found: str(found.name)):
        condition = str(check.sqltext)
        words = re.findall(r"\w+", re.sub(r"'[^']*'", "", condition))
        names = [column.name for column in table.columns if column.name in words]
        values = [name for name in names if name != "id"]
        yield Rule(
            str(check.name).removeprefix(f"ck_{table.name}_"),
            values[0],
            textwrap.shorten(condition, MAX_QUOTED, placeholder=" ...)"),
            sql.SQL("select id, {} from {{batch}} where ({}) is false").format(
                _columns(values), sql.SQL(condition.replace("{", "{{").replace("}", "}}"))
            ),
        )


def _as_loaded(table: Table) -> Rule:
    return Rule(
        "as_loaded",
        None,
        "the alive rows are those that the last load left",
        sql.SQL(
            "select id, rows_alive, rows_loaded from (select {name} as id, count(*) as rows_alive, "
            "(select rows_loaded from raw.watermarks where table_name = {name}) as rows_loaded "
            "from {{batch}}) as held where rows_alive is distinct from rows_loaded"
        ).format(name=sql.Literal(table.name)),
    )


NOT_EMPTY: Final = Rule(
    "not_empty",
    None,
    "there is at least one row",
    sql.SQL("select 'the table' as id, 0 as rows_alive where not exists (select from {batch})"),
    "warn",
)
CURRENCY: Final = Rule(
    "currency_of_organization",
    "currency",
    "currency is that of the organisation (what is in another one is in no sum: see analytics.v_other_currencies)",
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
    # An organisation without a run_clock has had no run yet, so that nothing can be late; nor can anything of data that
    # ended, of which the run speaks as of their last day, and says so.
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

# What the metadata of `app` cannot say.
BUSINESS_RULES: Final[dict[str, tuple[Rule, ...]]] = {
    "organizations": (NOT_EMPTY,),
    "services": (CURRENCY,),
    "service_packages": (CURRENCY,),
    "bookings": (NOT_EMPTY, CURRENCY, FEW_NEGATIVE_TOTALS, FRESH),
    "invoices": (CURRENCY,),
    "payments": (CURRENCY,),
}


def _columns(names: Sequence[str]) -> sql.Composable:
    return sql.SQL(", ").join(sql.Identifier(name) for name in names)


# --- the run -------------------------------------------------------------------------------------


def _run(tables: Sequence[Table], url: str) -> dict[str, TableResult]:
    os.environ["GX_ANALYTICS_ENABLED"] = "false"  # before the import, which reads it
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    source = context.data_sources.add_postgres(
        "hub",
        # Great Expectations would read a dollar sign as a variable of its own.
        connection_string=database.driver_url(url, "psycopg2").replace("$", "%24"),
        # All at once: each later addition writes the whole context again.
        assets=[{"type": "query", "name": table.name, "query": ALIVE.format(table.name)} for table in tables],
    )
    try:
        return {table.name: _check(source.get_asset(table.name), table) for table in tables}
    finally:  # it keeps two pools
        source.get_execution_engine().close()
        source.get_engine().dispose()


def _check(asset: Any, table: Table) -> TableResult:
    """Run the suite of `table` on the rows of `asset`."""
    import great_expectations as gx

    expectation = _expectation()
    by_name = {rule.name: rule for rule in rules(table)}
    suite = gx.ExpectationSuite(
        name=table.name,
        expectations=[
            expectation(
                unexpected_rows_query=_bounded(rule),
                description=rule.says,
                severity=SEVERITIES[rule.severity],
                meta={"rule": rule.name},
            )
            for rule in by_name.values()
        ],
    )
    outcome = asset.get_batch(asset.build_batch_request()).validate(suite, result_format="COMPLETE")
    failures = [
        _failure(table, by_name[one.expectation_config.meta["rule"]], one) for one in outcome.results if not one.success
    ]
    return TableResult(table.name, not failures, len(outcome.results), failures)


@lru_cache(maxsize=1)  # Great Expectations registers a class of this name once
def _expectation() -> Any:
    """UnexpectedRowsExpectation without its second query, which only counts: the first has counted already."""
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
    """The rule's query with the count of all its rows, and only the first of them: a bad load may be huge."""
    query = sql.SQL("select broken.*, count(*) over () as unexpected_count from ({}) as broken order by id limit {}")
    return query.format(rule.query, sql.Literal(MAX_ROWS)).as_string(None)


def _failure(table: Table, rule: Rule, result: Any) -> Failure:
    """A failed Great Expectations result in our words."""
    reason = _exception(result.exception_info)
    if reason:
        sentence = f'The rule "{rule.says}" of raw.{table.name} could not be evaluated: {reason}.'
        return Failure(rule.name, rule.column, "error", 0, [], sentence)
    broken = result.result["details"]["unexpected_rows"]
    count = broken[0]["unexpected_count"]
    rows = [
        {name: None if value is None else str(value) for name, value in row.items() if name != "unexpected_count"}
        for row in broken
    ]
    return Failure(rule.name, rule.column, rule.severity, count, rows, _sentence(table, rule, count, rows))


def _sentence(table: Table, rule: Rule, count: int, rows: list[dict[str, str | None]]) -> str:
    shown = []
    for row in rows[:MAX_SHOWN]:
        values = ", ".join(f"{name} = {value}" for name, value in row.items() if name != "id")
        shown.append(f"{row['id']} ({values})")
    more = f" and {count - len(shown):,} more" if count > len(shown) else ""
    subject = f"{count:,} {'row breaks' if count == 1 else 'rows break'}"
    return f'raw.{table.name}: {subject} the rule "{rule.says}": {", ".join(shown)}{more}.'


def _exception(info: dict[str, Any]) -> str:
    """The first line of why a rule could not be evaluated; empty where it could.

    Great Expectations gives either one report or one for each metric that failed.
    """
    reports = [info] if "raised_exception" in info else list(info.values())
    messages = [report["exception_message"] for report in reports if report["raised_exception"]]
    return str(messages[0]).strip().splitlines()[0] if messages else ""


def _missing(table: Table) -> TableResult:
    sentence = f"raw.{table.name} does not exist: it has never been loaded. Run the ingestion first."
    return TableResult(table.name, False, 0, [Failure("exists", None, "error", 0, [], sentence)])
