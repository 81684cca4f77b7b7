"""Descriptions of the models, the sources and their columns as comments in the database, for BI tools and psql.

dbt would write all of a model at each of its builds (persist_docs); these are compared first, so that an unchanged
description costs nothing and a changed one needs no build.
"""

from collections.abc import Collection, Mapping
from typing import Any, Final

import psycopg
from psycopg import sql

PRESENT: Final = """
    select namespaces.nspname, relations.relname, columns.name, relations.relkind = 'v', descriptions.description
    from pg_class as relations
    inner join pg_namespace as namespaces on namespaces.oid = relations.relnamespace
    cross join lateral (
        select 0 as number, null as name
        union all
        select attnum, attname from pg_attribute where attrelid = relations.oid and attnum > 0 and not attisdropped
    ) as columns
    left join pg_description as descriptions on descriptions.classoid = 'pg_class'::regclass
        and descriptions.objoid = relations.oid and descriptions.objsubid = columns.number
    where namespaces.nspname = any(%s) and relations.relkind in ('r', 'v')
"""


def write(connection: psycopg.Connection, manifest: Mapping[str, Any], nodes: Collection[str]) -> int:
    """Write the descriptions of the models, snapshots and sources `nodes`; return how many were different."""
    wanted: dict[tuple[str, str, str | None], str] = {}
    known = {**manifest["nodes"], **manifest["sources"]}
    for properties in (known[node] for node in nodes):
        if properties["resource_type"] in ("model", "snapshot", "source"):
            relation = (properties["schema"], properties.get("alias") or properties["identifier"])
            wanted[*relation, None] = properties["description"]
            wanted |= {(*relation, name): column["description"] for name, column in properties["columns"].items()}
    schemas = list({schema for schema, _, _ in wanted})
    present = connection.execute(PRESENT, [schemas]).fetchall()
    statements = [
        _comment(key, is_view=is_view, text=wanted[key])
        for *parts, is_view, comment in present
        if (key := tuple(parts)) in wanted and wanted[key] != (comment or "")
    ]
    with connection.pipeline():
        for statement in statements:
            connection.execute(statement)
    return len(statements)


def _comment(key: tuple[str, str, str | None], *, is_view: bool, text: str) -> sql.Composed:
    schema, relation, column = key
    if column is not None:
        kind, name = "column", sql.Identifier(schema, relation, column)
    else:
        kind, name = "view" if is_view else "table", sql.Identifier(schema, relation)
    return sql.SQL("comment on {} {} is {}").format(sql.SQL(kind), name, sql.Literal(text))
