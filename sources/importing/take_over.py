"""Taking records over into a table of `app`: new ones in, changed ones changed, the same ones untouched.

What a record was when it was last taken over stands in app.import_records: a change in the file is told from a change
that was made in the Hub, which is kept unless it is to be overwritten.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, LiteralString

from psycopg import Connection, sql

# `source` has the columns of the table as the files have them, null where they say nothing.
_CANDIDATES: Final = """
create temporary table {candidate} on commit drop as
with source as ({source}),

compared as (
    select source.external_ref, source.position, {source_extra} {finals},
        hashtextextended(row({raw})::text, 0) as digest,
        existing.id as existing_id,
        record.digest as known_digest,
        existing.row_version is distinct from record.row_version as changed_here,
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
        when known_digest = digest then 'same'
        when is_equal and {equal_is_same} then 'same'
        when known_digest is not null and changed_here and not %(overwrite)s then 'kept'
        else 'changed'
    end as fate,
    known_digest is distinct from digest as is_news
from compared
"""
_INSERT: Final = """
insert into {table} (id, org_id, external_ref, {columns}, {only_new} updated_at)
select id, %(org)s, external_ref, {columns}, {only_new} %(now)s
from {candidate}
where fate = 'new'
order by {order}
"""
_UPDATE: Final = """
update {table} as existing
set ({columns}) = row({values})
from {candidate} as candidate
where existing.org_id = %(org)s and existing.id = candidate.id and candidate.fate = 'changed'
    and ({existing}) is distinct from ({values})
"""
_RECORD: Final = """
insert into app.import_records (org_id, mapping, kind, external_ref, row_id, digest, row_version)
{rows}
on conflict (org_id, mapping, kind, external_ref) do update
set row_id = excluded.row_id, digest = excluded.digest, row_version = excluded.row_version
"""
_NEW_RECORDS: Final = """
select %(org)s, %(mapping)s, {kind}, external_ref, id, digest, pg_current_xact_id() from {candidate} where fate = 'new'
"""
_OTHER_RECORDS: Final = """
select %(org)s, %(mapping)s, {kind}, candidate.external_ref, candidate.id, candidate.digest, existing.row_version
from {candidate} as candidate
inner join {table} as existing on existing.id = candidate.id
where candidate.is_news and candidate.fate in ('same', 'changed')
"""
_VANISHED: Final = """
from app.import_records as record
where record.org_id = %(org)s and record.mapping = %(mapping)s and record.kind = {kind}
    and exists (select from {table} as existing where existing.id = record.row_id)
    and not exists (select from {candidate} as candidate where candidate.external_ref = record.external_ref)
    and not exists (select from refused where refused.kind = {kind} and refused.external_ref = record.external_ref)
"""


@dataclass(frozen=True)
class Target:
    """Where the records of a kind go.

    `source` is a query that gives external_ref, position and `columns`. `defaults` are for what neither the source nor
    the table has. `only_new` are columns that only a new row gets.
    """

    kind: str
    table: str
    source: LiteralString
    columns: tuple[str, ...]
    defaults: Mapping[str, LiteralString] = field(default_factory=dict)
    only_new: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()  # of the source, for what follows; what is in the digest but in no column
    order: str = "position"


@dataclass(frozen=True)
class Counts:
    """What became of the records of a kind; `kept`: changed in the file and in the Hub, and left as in the Hub."""

    new: int = 0
    changed: int = 0
    same: int = 0
    kept: int = 0
    rejected: int = 0
    vanished: int = 0
    deleted: int = 0

    @property
    def taken(self) -> int:
        return self.new + self.changed + self.same + self.kept


def take_over(connection: Connection, target: Target, given: Mapping[str, Any], *, kept: Sequence[str]) -> Counts:
    """Compare the source of `target` with its table and write what differs.

    The columns `kept` stay as they are in the table where the source has nothing; the others follow the source.
    """
    names = _names(target) | {
        "columns": _listed("{}", target.columns),
        "extra": _followed("{}", target.extra),
        "only_new": _followed("{}", target.only_new),
    }
    finals = [_final(target, column, is_kept=column in kept) for column in target.columns]
    compare = sql.SQL(_CANDIDATES).format(
        **names | {
            "source": sql.SQL(target.source),
            "source_extra": _followed("source.{}", (*target.extra, *target.only_new)),
            "extra": _followed("{}", (*target.extra, *target.only_new)),
            "raw": _listed("source.{}", (*target.columns, *target.extra)),
            "existing": _listed("existing.{}", target.columns),
            "final_values": sql.SQL(", ").join(finals),
            "finals": sql.SQL(", ").join(
                final + sql.SQL(" as {}").format(sql.Identifier(column))
                for final, column in zip(finals, target.columns, strict=True)
            ),
            # What is in the digest beside the columns may have changed alone.
            "equal_is_same": sql.SQL("known_digest is null" if target.extra else "true"),
        }
    )  # fmt: skip
    connection.execute(compare, given)
    counts = dict(
        connection.execute(sql.SQL("select fate, count(*) from {candidate} group by fate").format(**names)).fetchall()
    )
    if counts.get("new"):
        connection.execute(sql.SQL(_INSERT).format(**names, order=sql.SQL(target.order)), given)
        # Foreign keys are checked by planned queries, and with the statistics of an empty table those read all of the
        # organisation for each row that refers to it (40,060 bookings: over ten minutes instead of seconds).
        connection.execute(sql.SQL("analyze {table}").format(**names))
        connection.execute(sql.SQL(_RECORD).format(rows=sql.SQL(_NEW_RECORDS).format(**names)), given)
    if counts.get("changed"):
        update = sql.SQL(_UPDATE).format(
            **names
            | {
                "existing": _listed("existing.{}", target.columns),
                "values": _listed("candidate.{}", target.columns),
            }
        )
        connection.execute(update, given)
    if counts.get("changed") or counts.get("same"):
        connection.execute(sql.SQL(_RECORD).format(rows=sql.SQL(_OTHER_RECORDS).format(**names)), given)
    return Counts(**counts)


def count_vanished(connection: Connection, target: Target, given: Mapping[str, Any]) -> int:
    """How many records of an earlier import are in the Hub, but not in the files any more."""
    query = sql.SQL("select count(*)" + _VANISHED).format(**_names(target))
    return int(connection.execute(query, given).fetchall()[0][0])


def first_vanished(connection: Connection, target: Target, given: Mapping[str, Any]) -> list[str]:
    """The references of the first of them."""
    query = sql.SQL("select record.external_ref" + _VANISHED + "order by 1 limit %(first)s").format(**_names(target))
    return [ref for (ref,) in connection.execute(query, given)]


def delete_vanished(connection: Connection, target: Target, given: Mapping[str, Any]) -> int:
    """Delete them, with what hangs on them."""
    chosen = sql.SQL("select record.row_id" + _VANISHED).format(**_names(target))
    delete = sql.SQL(
        "with gone as (delete from {} where org_id = %(org)s and id in ({}) returning id) "
        "delete from app.import_records as record using gone where record.org_id = %(org)s and record.row_id = gone.id"
    ).format(sql.Identifier("app", target.table), chosen)
    return connection.execute(delete, given).rowcount


def _names(target: Target) -> dict[str, sql.Composable]:
    return {
        "candidate": sql.Identifier(f"candidate_{target.kind}"),
        "table": sql.Identifier("app", target.table),
        "kind": sql.Literal(target.kind),
    }


def _final(target: Target, column: str, *, is_kept: bool) -> sql.Composable:
    """The value of a column in the end: of the source, else (where it is kept) of the table, else the default."""
    values = [sql.Identifier("source", column)]
    if is_kept:
        values.append(sql.Identifier("existing", column))
    default = sql.SQL(", " + target.defaults[column]) if column in target.defaults else sql.SQL("")
    return sql.SQL("coalesce({}{})").format(sql.SQL(", ").join(values), default)


def _listed(form: LiteralString, columns: Sequence[str]) -> sql.Composable:
    return sql.SQL(", ").join(sql.SQL(form).format(sql.Identifier(column)) for column in columns)


def _followed(form: LiteralString, columns: Sequence[str]) -> sql.Composable:
    """A list that more follows."""
    return _listed(form, columns) + sql.SQL(", ") if columns else sql.SQL("")
