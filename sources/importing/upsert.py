"""Upsert of records into a table of `app`: insert new ones, update changed ones, leave the same ones untouched.

app.import_records has the digest of each record as it was last imported. It distinguishes a change in the file from a
change in the Hub, which is kept unless the import overwrites it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, LiteralString

from psycopg import Connection, sql

# `source` has the values of the files, null if a file has none. The upper 32 bits of `digest` are a hash of the extra
# columns, the lower ones of the columns of the table. Extra columns may change while the row stays equal; and a row may
# be equal although its digest differs, if it is imported from fewer files than before.
_CANDIDATES: Final = """
create temporary table {candidate} on commit drop as
with source as ({source}),

compared as (
    select source.external_ref, source.position, {source_extra} {final_columns},
        hashtext(row({extra_raw})::text)::bigint << 32 | hashtext(row({raw})::text)::bigint & 4294967295 as digest,
        existing.id as existing_id,
        record.digest as previous_digest,
        existing.row_version is distinct from record.row_version as is_changed_in_hub,
        ({existing}) is not distinct from ({final_values}) as is_equal
    from source
    left join {table} as existing on existing.org_id = %(org)s and existing.external_ref = source.external_ref
    left join app.import_records as record
        on record.org_id = %(org)s and record.mapping = %(mapping)s and record.kind = {kind}
        and record.external_ref = source.external_ref and record.row_id = existing.id
)

select external_ref, position, {extra} {columns}, digest,
    coalesce(existing_id, uuidv7()) as id,
    case
        when existing_id is null then 'new'
        when previous_digest = digest then 'same'
        when is_equal and coalesce(previous_digest >> 32 = digest >> 32, true) then 'same'
        when previous_digest is not null and is_changed_in_hub and not %(overwrite)s then 'kept'
        else 'changed'
    end as outcome,
    previous_digest is null or not is_changed_in_hub as is_unchanged_in_hub,
    previous_digest is distinct from digest as has_new_digest
from compared
"""
_INSERT: Final = """
insert into {table} (id, org_id, external_ref, {columns}, {only_new} updated_at)
select id, %(org)s, external_ref, {columns}, {only_new} %(now)s
from {candidate}
where outcome = 'new'
order by {order}
"""
_UPDATE: Final = """
update {table} as existing
set ({columns}) = row({values})
from {candidate} as candidate
where existing.org_id = %(org)s and existing.id = candidate.id and candidate.outcome = 'changed'
    and ({existing}) is distinct from ({values})
"""
_RECORD: Final = """
insert into app.import_records (org_id, mapping, kind, external_ref, row_id, digest, row_version)
{rows}
on conflict (org_id, mapping, kind, external_ref) do update
set row_id = excluded.row_id, digest = excluded.digest, row_version = excluded.row_version
"""
_NEW_RECORDS: Final = """
select %(org)s, %(mapping)s, {kind}, external_ref, id, digest, pg_current_xact_id()
from {candidate}
where outcome = 'new'
"""
_OTHER_RECORDS: Final = """
select %(org)s, %(mapping)s, {kind}, candidate.external_ref, candidate.id, candidate.digest, existing.row_version
from {candidate} as candidate
inner join {table} as existing on existing.id = candidate.id
where candidate.outcome = 'changed'
    or (candidate.outcome = 'same' and candidate.has_new_digest and candidate.is_unchanged_in_hub)
"""
_MISSING: Final = """
from app.import_records as record
where record.org_id = %(org)s and record.mapping = %(mapping)s and record.kind = {kind}
    and exists (select from {table} as existing where existing.id = record.row_id)
    and not exists (select from {candidate} as candidate where candidate.external_ref = record.external_ref)
    and not exists (
        select from rejections where rejections.kind = {kind} and rejections.external_ref = record.external_ref
    )
"""


@dataclass(frozen=True)
class Target:
    """The table for the records of a kind.

    `source` is a query with external_ref, position and `columns`. `defaults` apply where neither the source nor
    the table has a value. `only_new` are columns that are written for new rows only.
    """

    kind: str
    table: str
    source: LiteralString
    columns: tuple[str, ...]
    defaults: Mapping[str, LiteralString] = field(default_factory=dict)
    only_new: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()  # columns of the source that later statements read and the table does not have
    order: str = "position"


@dataclass(frozen=True)
class Counts:
    """Numbers of records of a kind by outcome; `kept`: changed in the file and in the Hub, and not written."""

    new: int = 0
    changed: int = 0
    same: int = 0
    kept: int = 0
    rejected: int = 0
    vanished: int = 0
    deleted: int = 0

    @property
    def accepted(self) -> int:
        return self.new + self.changed + self.same + self.kept


def upsert(connection: Connection, target: Target, parameters: Mapping[str, Any], *, optional: Sequence[str]) -> Counts:
    """Compare the source of `target` with its table and write the differences.

    The `optional` columns keep the value of the table where the source has null; the others take the source's null.
    """
    names = _names(target) | {
        "columns": _list("{}", target.columns),
        "extra": _list_before_more("{}", target.extra),
        "only_new": _list_before_more("{}", target.only_new),
    }
    final_values = [_final_value(target, column, is_optional=column in optional) for column in target.columns]
    compare = sql.SQL(_CANDIDATES).format(
        **names | {
            "source": sql.SQL(target.source),
            "source_extra": _list_before_more("source.{}", (*target.extra, *target.only_new)),
            "extra": _list_before_more("{}", (*target.extra, *target.only_new)),
            "raw": _list("source.{}", target.columns),
            "extra_raw": _list("source.{}", target.extra),
            "existing": _list("existing.{}", target.columns),
            "final_values": sql.SQL(", ").join(final_values),
            "final_columns": sql.SQL(", ").join(
                value + sql.SQL(" as {}").format(sql.Identifier(column))
                for value, column in zip(final_values, target.columns, strict=True)
            ),
        }
    )  # fmt: skip
    connection.execute(compare, parameters)
    query = sql.SQL("select outcome, count(*) from {candidate} group by outcome").format(**names)
    counts: dict[str, int] = dict(connection.execute(query).fetchall())
    if counts.get("new"):
        connection.execute(sql.SQL(_INSERT).format(**names, order=sql.SQL(target.order)), parameters)
        # Foreign keys are checked by planned queries, and with the statistics of an empty table those read all of the
        # organisation for each row that refers to it (40,060 bookings: over ten minutes instead of seconds).
        connection.execute(sql.SQL("analyze {table}").format(**names))
        connection.execute(sql.SQL(_RECORD).format(rows=sql.SQL(_NEW_RECORDS).format(**names)), parameters)
    if counts.get("changed"):
        update = sql.SQL(_UPDATE).format(
            **names
            | {
                "existing": _list("existing.{}", target.columns),
                "values": _list("candidate.{}", target.columns),
            }
        )
        connection.execute(update, parameters)
    if counts.get("changed") or counts.get("same"):
        connection.execute(sql.SQL(_RECORD).format(rows=sql.SQL(_OTHER_RECORDS).format(**names)), parameters)
    return Counts(**counts)


def count_missing(connection: Connection, target: Target, parameters: Mapping[str, Any]) -> int:
    """Return the number of records of an earlier import that are in the Hub, but no longer in the files."""
    query = sql.SQL("select count(*)" + _MISSING).format(**_names(target))
    return int(connection.execute(query, parameters).fetchall()[0][0])


def first_missing(connection: Connection, target: Target, parameters: Mapping[str, Any]) -> list[str]:
    """Return the references of the first missing records."""
    query = sql.SQL("select record.external_ref" + _MISSING + "order by 1 limit %(first)s").format(**_names(target))
    return [ref for (ref,) in connection.execute(query, parameters)]


def delete_missing_records(connection: Connection, target: Target, parameters: Mapping[str, Any]) -> int:
    """Delete the missing records, and the rows that refer to them; return their number."""
    missing = sql.SQL("select record.row_id" + _MISSING).format(**_names(target))
    delete = sql.SQL(
        "with deleted as (delete from {} where org_id = %(org)s and id in ({}) returning id) "
        "delete from app.import_records as record using deleted "
        "where record.org_id = %(org)s and record.row_id = deleted.id"
    ).format(sql.Identifier("app", target.table), missing)
    return connection.execute(delete, parameters).rowcount


def _names(target: Target) -> dict[str, sql.Composable]:
    return {
        "candidate": sql.Identifier(f"candidate_{target.kind}"),
        "table": sql.Identifier("app", target.table),
        "kind": sql.Literal(target.kind),
    }


def _final_value(target: Target, column: str, *, is_optional: bool) -> sql.Composable:
    """Return the value to write: of the source, else (if optional) of the table, else the default."""
    values = [sql.Identifier("source", column)]
    if is_optional:
        values.append(sql.Identifier("existing", column))
    default = sql.SQL(", " + target.defaults[column]) if column in target.defaults else sql.SQL("")
    return sql.SQL("coalesce({}{})").format(sql.SQL(", ").join(values), default)


def _list(template: LiteralString, columns: Sequence[str]) -> sql.Composable:
    return sql.SQL(", ").join(sql.SQL(template).format(sql.Identifier(column)) for column in columns)


def _list_before_more(template: LiteralString, columns: Sequence[str]) -> sql.Composable:
    """Return a list with a comma after its last column; nothing if there are no columns."""
    return _list(template, columns) + sql.SQL(", ") if columns else sql.SQL("")
