"""The SQL of an import: from the staging tables into `app`, each statement about the whole import.

A row that the database refuses leaves its staging table, and `refused` says why.
"""

from typing import Final

FIND_ORGANIZATION: Final = "select id, timezone, currency from app.organizations where slug = %(slug)s"
# An organisation, a client, a service is as old as the first booking that shows it.
INSERT_ORGANIZATION: Final = """
insert into app.organizations (id, org_id, name, slug, timezone, country, currency, created_at, updated_at)
select id, id, %(name)s, %(slug)s, %(timezone)s, %(country)s, %(currency)s,
    least(%(now)s, (select min(created_at) from staged_booking)), %(now)s
from uuidv7() as made (id)
returning id
"""

# A row that has gone in since, or is refused for another reason now, leaves no stale sentence behind.
FORGET_REJECTIONS: Final = """
delete from app.import_rejections as old
where old.org_id = %(org)s and old.mapping = %(mapping)s
    and (old.file_name = any(%(files)s) or exists (
        select from app.import_records as taken
        where taken.org_id = %(org)s and taken.mapping = %(mapping)s and taken.kind = old.kind
            and taken.external_ref = old.external_ref
    ))
    and not exists (
        select from refused
        where refused.row_key = old.row_key and refused.field = old.field and refused.message = old.message
    )
"""
INSERT_REJECTIONS: Final = """
insert into app.import_rejections (
    org_id, mapping, kind, external_ref, file_name, row_number, row_key, field, value, message, created_at, updated_at
)
select %(org)s, %(mapping)s, kind, external_ref, refused.file, row_number, coalesce(row_key, 'line ' || row_number),
    field, value, message, %(now)s, %(now)s
from refused
on conflict (org_id, mapping, row_key, field) do nothing
"""
