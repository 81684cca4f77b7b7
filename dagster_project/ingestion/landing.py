"""Landing: copy one operational table from `app` to `raw`, by binary COPY between two connections.

A load is incremental by the id of the transaction that last wrote a row (`row_version`). It reads the rows with
`last watermark <= row_version < oldest transaction that is still running` in one REPEATABLE READ snapshot. The id of a
transaction that was open during the last load is not below the watermark of that load, so no row is missed and none
is read twice (PostgreSQL documentation, "Transaction ID and Snapshot Information Functions").
"""

from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from typing import Final, LiteralString, cast

import psycopg
from psycopg import Connection, IsolationLevel, sql
from sqlalchemy import Column, Table
from sqlalchemy.dialects import postgresql

from sources.errors import HubError

VERSION: Final = "row_version"
ANALYZE_FROM_ROWS: Final = 1_000  # without statistics the first build after a load takes minutes, not seconds
DIALECT: Final = postgresql.dialect()  # type: ignore[no-untyped-call]


@dataclass(frozen=True)
class Landing:
    """The result of one load of one table."""

    table: str
    rows_read: int
    rows_deleted: int
    rows_total: int  # live rows (not deleted at the source) in raw afterwards
    watermark: int  # a transaction id: all rows with lower row versions have been read
    reloaded: bool  # all rows were read, not only the changed ones


@dataclass(frozen=True)
class _Window:
    """The row versions to read: since <= version < until. None in `since`: all rows."""

    identity: str
    since: str | None
    until: str


def land(source: Connection, target: Connection, table: Table) -> Landing:
    """Update `raw.<table>` from `app.<table>` in one transaction on `target`; a repetition changes nothing.

    `source` and `target` must be idle; the source is only read. A killed load leaves the target unchanged.
    Raises HubError if the source lacks the table or a column.
    """
    source.isolation_level = IsolationLevel.REPEATABLE_READ
    source.read_only = True
    try:
        with source.transaction(), target.transaction():
            # One load of a table at a time: `_loaded_at` must not decrease, because incremental models read by it.
            target.execute("select pg_advisory_xact_lock(hashtext('land'), hashtext(%s))", [table.name])
            _refuse_hidden_rows(source, table)
            window = _window(source, target, table)
            return _load(source, target, table, window)
    except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn) as error:
        raise HubError(
            f"The operational database does not have what ingestion of {table.name} reads: "
            f"{error.diag.message_primary}. Run `hub db migrate`, or compare it with sources/tables/."
        ) from None


def _refuse_hidden_rows(source: Connection, table: Table) -> None:
    """Raise HubError if row security hides rows from the reading role: a load would take them for deleted."""
    row = source.execute(
        "select row_security_active(to_regclass(%(table)s)::oid) and not pg_has_role('hub_source', 'usage') "
        "from pg_roles where rolname = 'hub_source'",
        {"table": f"app.{table.name}"},
    ).fetchone()
    if row == (True,):
        raise HubError(
            f"The role that reads the operational database does not see every row of {table.name}: "
            "row security hides some. Make it a member of hub_source: grant hub_source to <role>."
        )


def create_raw_table(target: Connection, table: Table) -> None:
    """Create `raw.<table>`, or add its missing columns. BI logins see their organisations' rows in views."""
    columns = _raw_columns(table)
    listed = sql.SQL(", ").join(sql.SQL("{} {}").format(sql.Identifier(n), _type(k)) for n, k in columns)
    if target.execute("select to_regclass(%s)", [f"raw.{table.name}"]).fetchone() == (None,):
        target.execute(sql.SQL("create table {} ({})").format(_raw(table), listed))
        target.execute(sql.SQL("select app.wall_off({})").format(sql.Literal(f"raw.{table.name}")))
        target.execute(sql.SQL("grant select on {} to hub_reader").format(_raw(table)))
    existing = {
        row[0]
        for row in target.execute(
            "select attname from pg_attribute where attrelid = to_regclass(%s) and attnum > 0",
            [f"raw.{table.name}"],
        )
    }
    for name, kind in columns:
        if name not in existing:
            target.execute(
                sql.SQL("alter table {} add column {} {}").format(_raw(table), sql.Identifier(name), _type(kind))
            )
    _create_indexes(target, table)


def _window(source: Connection, target: Connection, table: Table) -> _Window:
    # The snapshot of the source is taken before this load writes: on the same server its own transaction would be the
    # oldest one that is still running.
    row = source.execute(
        """
        select concat_ws('/', (select system_identifier from pg_control_system()),
                (select oid from pg_database where datname = current_database()),
                to_regclass(%(table)s)::oid, pg_relation_filenode(to_regclass(%(table)s))),
            pg_snapshot_xmin(pg_current_snapshot())::text, pg_snapshot_xmax(pg_current_snapshot())::text
        """,
        {"table": f"app.{table.name}"},
    ).fetchone()
    assert row is not None
    columns = sha256(repr(_raw_columns(table)).encode()).hexdigest()[:12]
    identity, until, newest = f"{row[0]}/{columns}", row[1], row[2]
    last = target.execute(
        "select source_identity, watermark::text from raw.watermarks where table_name = %s", [table.name]
    ).fetchone()
    # The watermark is invalid for another cluster, a recreated or truncated table, and transaction ids that decreased.
    is_valid = last is not None and last[0] == identity and int(last[1]) <= int(newest)
    return _Window(identity, last[1] if is_valid and last else None, until)


def _load(source: Connection, target: Connection, table: Table, window: _Window) -> Landing:
    create_raw_table(target, table)
    loaded_at = _next_load_time(target, table)
    first = not _exists(target, table)
    if first:
        window = replace(window, since=None)  # regardless of the watermark: raw may have been emptied
        _drop_indexes(target, table)  # creating them after the copy takes a third less time
        read = _copy(source, target, table, window, loaded_at, into=_raw(table))
        _create_indexes(target, table)
        deleted = 0
    else:
        if window.since is not None:
            # PostgreSQL has no histogram of xid8, so the planner expects a third of the table to be new.
            source.execute("set local enable_seqscan = off")
        landed = sql.Identifier("pg_temp", "landed")
        target.execute(sql.SQL("create temp table landed (like {}) on commit drop").format(_raw(table)))
        read = _copy(source, target, table, window, loaded_at, into=landed)
        _merge(target, table)
        deleted = (
            _delete_missing(target, table, loaded_at)
            if window.since is None
            else _delete_by_tombstones(source, target, table, window, loaded_at)
        )
    if read + deleted >= ANALYZE_FROM_ROWS:
        target.execute(sql.SQL("analyze {}").format(_raw(table)))
    total = _count_live(target, table, first=first, read=read, changed=bool(read or deleted))
    target.execute(
        """
        insert into raw.watermarks (table_name, source_identity, watermark, rows_loaded, loaded_at)
        values (%s, %s, %s::xid8, %s, %s)
        on conflict (table_name) do update set source_identity = excluded.source_identity,
            watermark = excluded.watermark, rows_loaded = excluded.rows_loaded, loaded_at = excluded.loaded_at
        """,
        [table.name, window.identity, window.until, total, loaded_at],
    )
    return Landing(table.name, read, deleted, total, int(window.until), window.since is None)


def _copy(
    source: Connection,
    target: Connection,
    table: Table,
    window: _Window,
    loaded_at: datetime,
    *,
    into: sql.Composable,
) -> int:
    """Copy the rows of the window from source to target; return their number."""
    names = [column.name for column in landed_columns(table)]
    rows = sql.SQL("select {}, {}, {}::timestamptz, null::timestamptz from {} where {}").format(
        _identifiers(names), sql.Identifier(VERSION), sql.Literal(loaded_at), _app(table), _within(window)
    )
    copy_out = sql.SQL("copy ({}) to stdout (format binary)").format(rows)
    copy_in = sql.SQL("copy {} ({}, _row_version, _loaded_at, _deleted_at) from stdin (format binary)").format(
        into, _identifiers(names)
    )
    with source.cursor() as reading, target.cursor() as writing:
        with reading.copy(copy_out) as blocks, writing.copy(copy_in) as sink:
            for block in blocks:
                sink.write(block)
        return writing.rowcount


def _merge(target: Connection, table: Table) -> None:
    names = [name for name, _ in _raw_columns(table) if name != "id"]
    compared = [name for name in names if name != "_loaded_at"]
    target.execute(
        sql.SQL(
            "insert into {raw} as existing ({all}) select {all} from pg_temp.landed "
            "on conflict (id) do update set ({names}) = row({new}) "
            "where row({old}) is distinct from row({new_compared})"
        ).format(
            raw=_raw(table),
            all=_identifiers(["id", *names]),
            names=_identifiers(names),
            new=_identifiers(names, "excluded"),
            old=_identifiers(compared, "existing"),
            new_compared=_identifiers(compared, "excluded"),
        )
    )


def _delete_missing(target: Connection, table: Table, loaded_at: datetime) -> int:
    """After a full read: mark the rows of raw that the source does not have as deleted; return their number."""
    return target.execute(
        sql.SQL(
            "update {} as existing set _deleted_at = %(at)s, _loaded_at = %(at)s where _deleted_at is null "
            "and not exists (select from pg_temp.landed where landed.id = existing.id)"
        ).format(_raw(table)),
        {"at": loaded_at},
    ).rowcount


def _delete_by_tombstones(
    source: Connection, target: Connection, table: Table, window: _Window, loaded_at: datetime
) -> int:
    """Mark the rows with a tombstone in the window as deleted, unless they were written again; return their number."""
    tombstones = source.execute(
        sql.SQL(
            "select row_id, deleted_at from app.tombstones where table_name = %s and {} "
            "and not exists (select from {} as rows where rows.id = row_id)"
        ).format(_within(window), _app(table)),
        [table.name],
    ).fetchall()
    if not tombstones:
        return 0
    ids, times = (list(values) for values in zip(*tombstones, strict=True))
    return target.execute(
        sql.SQL(
            "update {} as existing set _deleted_at = tombstones.deleted_at, _loaded_at = %s "
            "from unnest(%s::uuid[], %s::timestamptz[]) as tombstones (row_id, deleted_at) "
            "where existing.id = tombstones.row_id and existing._deleted_at is null"
        ).format(_raw(table)),
        [loaded_at, ids, times],
    ).rowcount


def _next_load_time(target: Connection, table: Table) -> datetime:
    """Return the current time, or a microsecond after the last load if the clock was set back."""
    row = target.execute(
        "select greatest(clock_timestamp(), max(loaded_at) + interval '1 microsecond') "
        "from raw.watermarks where table_name = %s",
        [table.name],
    ).fetchone()
    assert row is not None
    return cast(datetime, row[0])


def _exists(target: Connection, table: Table) -> bool:
    row = target.execute(sql.SQL("select exists (select from {})").format(_raw(table))).fetchone()
    return bool(row and row[0])


def _count_live(target: Connection, table: Table, *, first: bool, read: int, changed: bool) -> int:
    """Return the number of live rows in raw; they are counted only if something changed, because a count is slow."""
    if first:
        return read
    query = sql.SQL("select count(*) from {} where _deleted_at is null").format(_raw(table))
    if not changed:
        query = sql.SQL("select rows_loaded from raw.watermarks where table_name = {}").format(sql.Literal(table.name))
    row = target.execute(query).fetchone()
    return int(row[0]) if row else 0


def _within(window: _Window) -> sql.Composable:
    if window.since is None:  # rows above the watermark too: rows that a reload does not read are marked as deleted
        return sql.SQL("true")
    return sql.SQL("row_version >= {}::xid8 and row_version < {}::xid8").format(
        sql.Literal(window.since), sql.Literal(window.until)
    )


def landed_columns(table: Table) -> list[Column[object]]:
    """Return the columns to read: all but the row version and those that are not landed."""
    return [column for column in table.columns if column.name != VERSION and column.info.get("is_landed", True)]


def _raw_columns(table: Table) -> list[tuple[str, LiteralString]]:
    """Return the names and types of the columns of raw.<table>: the operational ones and those that landing adds."""
    operational = [(column.name, column.type.compile(dialect=DIALECT)) for column in landed_columns(table)]
    return [
        *operational,
        ("_row_version", "xid8"),
        ("_loaded_at", "timestamptz"),
        ("_deleted_at", "timestamptz"),
    ]


def _indexes(table: Table) -> dict[str, sql.Composable]:
    return {
        f"{table.name}_id": sql.SQL("create unique index {} on {} (id)"),
        f"{table.name}_loaded_at": sql.SQL("create index {} on {} (_loaded_at)"),
    }


def _create_indexes(target: Connection, table: Table) -> None:
    for name, statement in _indexes(table).items():
        existing = target.execute("select to_regclass(%s)", [f"raw.{name}"]).fetchone()
        if existing is None or existing[0] is None:
            target.execute(cast(sql.SQL, statement).format(sql.Identifier(name), _raw(table)))


def _drop_indexes(target: Connection, table: Table) -> None:
    for name in _indexes(table):
        target.execute(sql.SQL("drop index {}").format(sql.Identifier("raw", name)))


def _identifiers(names: list[str], table: str | None = None) -> sql.Composable:
    parts = [table] if table else []
    return sql.SQL(", ").join(sql.Identifier(*parts, name) for name in names)


def _type(name: LiteralString) -> sql.SQL:
    return sql.SQL(name)  # compiled from our own metadata


def _app(table: Table) -> sql.Identifier:
    return sql.Identifier("app", table.name)


def _raw(table: Table) -> sql.Identifier:
    return sql.Identifier("raw", table.name)
