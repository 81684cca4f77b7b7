"""States of tables: a text that changes with the rows, so that what was computed from the same rows is not again."""

from typing import Final

import psycopg
from psycopg import sql

COUNTED_TO: Final = 500_000  # rows by PostgreSQL's estimate: counting more of them takes longer than is saved


def table_state(connection: psycopg.Connection, schema: str, name: str) -> str:
    """Return the state of a table, an empty text if it does not exist.

    Of a landed table it is the newest load, and the number of live rows: rows may vanish without a load (a partial
    restore, a delete by hand). Above COUNTED_TO rows it is the newest load alone. Of another table it is a hash of all
    rows.
    """
    table = sql.Identifier(schema, name)
    found = connection.execute(
        """
        select exists(select from pg_attribute where attrelid = oid and attname = '_loaded_at'), reltuples
        from pg_class where oid = to_regclass(%s)
        """,
        [table.as_string(None)],
    ).fetchone()
    if found is None:
        return ""
    is_landed, estimate = found
    query = "select count(*), sum(hash_record_extended(rows, 0)::numeric) from {} as rows"
    if is_landed:
        query = "select max(_loaded_at)::text"
        if estimate <= COUNTED_TO:
            query += ", (select count(*) from {0} where _deleted_at is null)"
        query += " from {0}"
    return repr(connection.execute(sql.SQL(query).format(table)).fetchone())
