"""Master data (services, clients, providers): merged from all rows that contain them, and checked.

A record of its own takes precedence over a booking, a later booking over an earlier one. Parameters: org, now,
lines_name_services and rows_name_providers (true if the references of lines and hours are names).
"""

from dataclasses import dataclass
from typing import Final, LiteralString

from psycopg import sql

from sources.importing.record_kinds import RECORD_KINDS


@dataclass(frozen=True)
class MasterTable:
    """A table of master data and the staging table of its merged records.

    `columns` are its columns, each with the field of the mapping, the name first. No two records have the same value
    of `unique`: `resolve` changes a staged duplicate, with `warning`.
    """

    table: LiteralString
    merged: LiteralString
    kinds: tuple[LiteralString, ...]
    kind: LiteralString  # SQL for the kind of a row
    columns: dict[LiteralString, LiteralString]
    unique: LiteralString
    resolve: LiteralString
    warning: LiteralString

    def names(self) -> dict[str, sql.Composable]:
        """Return the parts of the statements that differ from table to table."""
        return {
            "table": sql.Identifier("app", self.table),
            "table_name": sql.Literal(self.table),
            "merged": sql.Identifier(self.merged),
            "kind": sql.SQL(self.kind),
            "name": sql.Identifier(next(iter(self.columns))),
            "unique": sql.Identifier(self.unique),
            "unique_name": sql.Literal(self.unique),
            "resolve": sql.SQL(self.resolve),
        }


TABLES: Final = (
    MasterTable(
        "services",
        "merged_service",
        kinds=("service",),
        kind="'service'",
        columns={
            "name": "name", "category": "category", "base_price": "base_price", "duration_hours": "duration_hours",
        },
        unique="name",
        resolve="name = format('%%s (%%s)', merged.name, substr(merged.external_ref, length('service:') + 1))",
        warning="A service has the name of another one, so its reference was appended to its name",
    ),
    MasterTable(
        "profiles",
        "merged_person",
        kinds=("client", "provider"),
        kind="existing.role",
        columns={
            "full_name": "name", "email": "email", "client_group": "client_group",
            "capacity_hours_per_day": "capacity_hours_per_day",
        },
        unique="email",
        resolve="email = null",
        warning="An e-mail address that another person has was left out",
    ),
)  # fmt: skip
# The columns of staged rows that refer to master data: kind of the row, kind of master data, column.
REFERENCES: Final[tuple[tuple[LiteralString, LiteralString, LiteralString], ...]] = (
    ("booking", "service", "service_ref"),
    ("booking", "client", "client_ref"),
    ("booking", "provider", "provider_ref"),
    ("line", "service", "service_ref"),
    ("line", "provider", "provider_ref"),
    ("hours", "provider", "provider_ref"),
    ("service", "service", "external_ref"),
    ("client", "client", "external_ref"),
    ("provider", "provider", "external_ref"),
)
_REFERENCE_IS_NAME: Final[dict[str, LiteralString]] = {
    "service": "%(lines_name_services)s",
    "provider": "%(rows_name_providers)s",
}

_MERGE: Final = """
create temporary table {merged} on commit drop as
with mentions (
    kind, external_ref, {columns}, is_own, latest, earliest, position, last_position
) as (
    {mentions}
)

select kind, external_ref, {latest}, least(min(earliest), %(now)s) as created_at, min(position) as position
from mentions
group by kind, external_ref
"""
_LATEST: Final = """
(array_agg({0} order by is_own desc, latest desc nulls last, last_position desc) filter (where {0} is not null))[1]
    as {0}
"""
_IN_BOOKINGS: Final = """
select {kind}, {ref}, {fields}, false, max(created_at), min(created_at), min(position), max(position)
from staged_booking
where {ref} is not null
group by {ref}, {own_fields}
"""
_OF_THEIR_OWN: Final = "select {kind}, external_ref, {fields}, true, null, null, position, position from {staged}"
_IN_REFERENCES: Final = """
select {kind}, {ref}, case when {is_name} then substr({ref}, length({kind}) + 2) end, {nulls}, false, null, null,
    min(position), max(position)
from ({rows}) as referring
where {ref} is not null
group by {ref}
"""

# Rows made by hand or by the API have no reference: they are recognised by name or e-mail and get one.
_ADOPT: Final = """
update {table} as existing
set external_ref = merged.external_ref
from (
    select distinct on ({unique}) kind, {unique}, external_ref from {merged} order by {unique}, position, kind
) as merged
where existing.org_id = %(org)s and existing.external_ref is null
    and existing.{unique} = merged.{unique} and {kind} = merged.kind
    and not exists (
        select from {table} as other where other.org_id = %(org)s and other.external_ref = merged.external_ref
    )
"""
# The owner of each unique value: rows of the table, and the first staged record with it.
_OWNERS: Final = """
    select existing.{unique}, existing.external_ref, existing.id::text as id, {kind} as kind
    from {table} as existing
    where existing.org_id = %(org)s
    union all
    (
        select distinct on ({unique}) {unique}, external_ref, null, kind from {merged}
        where {unique} is not null
        order by {unique}, position, kind
    )
"""
_RESOLVE: Final = """
update {merged} as merged
set {resolve}
from ({owners}) as owner
where owner.{unique} = merged.{unique} and owner.external_ref is distinct from merged.external_ref
    and (owner.kind <> merged.kind or merged.external_ref <> merged.kind || ':' || merged.{unique})
"""
_INVALID: Final = """
select merged.kind, merged.external_ref, 'name' as field,
    substr(merged.external_ref, length(merged.kind) + 2) as value, 'not described' as reason,
    format('The %%s ''%%s'' has no name in any of the files, and is not in the Hub.',
        merged.kind, substr(merged.external_ref, length(merged.kind) + 2)) as message
from {merged} as merged
where merged.{name} is null and not exists (
    select from {table} as existing where existing.org_id = %(org)s and existing.external_ref = merged.external_ref
)
union all
select merged.kind, merged.external_ref, {unique_name}, merged.{unique}, 'belongs to another',
    format('''%%s'' already belongs to another one of %%s (%%s).',
        merged.{unique}, {table_name}, coalesce(owner.external_ref, owner.id))
from {merged} as merged
inner join ({owners}) as owner
    on owner.{unique} = merged.{unique} and owner.external_ref is distinct from merged.external_ref
"""


def _merge(table: MasterTable) -> sql.Composed:
    """Create the staging table of merged records: the latest value of each column."""
    columns = [sql.Identifier(column) for column in table.columns]
    return sql.SQL(_MERGE).format(
        **table.names(),
        columns=sql.SQL(", ").join(columns),
        latest=sql.SQL(", ").join(sql.SQL(_LATEST).format(column) for column in columns),
        mentions=sql.SQL("\nunion all\n").join(mention for kind in table.kinds for mention in _mentions(kind, table)),
    )


def _mentions(kind: LiteralString, table: MasterTable) -> list[sql.Composed]:
    """Return the queries for all mentions of a kind: in bookings, as records of their own, in other references."""
    fields = list(table.columns.values())
    own = [field for field in fields if field in RECORD_KINDS[kind].columns]
    nulls = {field: sql.SQL("null::" + RECORD_KINDS[kind].sql_type(field)) for field in fields}
    names = {
        "kind": sql.Literal(kind),
        "ref": sql.Identifier(f"{kind}_ref"),
        "staged": sql.Identifier(f"staged_{kind}"),
    }

    def listed(prefix: str) -> sql.Composed:
        return sql.SQL(", ").join(sql.Identifier(prefix + field) if field in own else nulls[field] for field in fields)

    own_fields = sql.SQL(", ").join(sql.Identifier(f"{kind}_{field}") for field in own)
    mentions = [
        sql.SQL(_IN_BOOKINGS).format(**names, fields=listed(f"{kind}_"), own_fields=own_fields),
        sql.SQL(_OF_THEIR_OWN).format(**names, fields=listed("")),
    ]
    referring = [row for row, master, _ in REFERENCES if master == kind and row not in ("booking", kind)]
    if referring:
        rows = sql.SQL(" union all ").join(
            sql.SQL("select {ref}, position from {staged}").format(
                ref=names["ref"], staged=sql.Identifier(f"staged_{row}")
            )
            for row in referring
        )
        other_nulls = sql.SQL(", ").join(nulls[field] for field in fields[1:])
        is_name = sql.SQL(_REFERENCE_IS_NAME[kind])
        mentions.append(sql.SQL(_IN_REFERENCES).format(**names, rows=rows, nulls=other_nulls, is_name=is_name))
    return mentions


def _invalid(table: MasterTable) -> sql.Composed:
    return sql.SQL(_INVALID).format(**table.names(), owners=sql.SQL(_OWNERS).format(**table.names()))


MERGE: Final = tuple(_merge(table) for table in TABLES)
ADOPT: Final = tuple(sql.SQL(_ADOPT).format(**table.names()) for table in TABLES)
# Statements that change a staged duplicate of a unique value if something else identifies it, with a warning each.
RESOLVE_DUPLICATES: Final = tuple(
    (table.warning, sql.SQL(_RESOLVE).format(**table.names(), owners=sql.SQL(_OWNERS).format(**table.names())))
    for table in TABLES
)
FIND_INVALID: Final = sql.SQL("create temporary table invalid_master_data on commit drop as {}").format(
    sql.SQL("\nunion all\n").join(_invalid(table) for table in TABLES)
)
DELETE_INVALID: Final = tuple(
    sql.SQL(
        "delete from {merged} as merged using invalid_master_data as invalid "
        "where invalid.external_ref = merged.external_ref"
    ).format(**table.names())
    for table in TABLES
)
