"""SQL of an import: from the staging tables into `app`, each statement about the whole import.

A row that SQL rejects is deleted from its staging table, and `rejections` has the reason.
"""

from typing import Final

FIND_ORGANIZATION: Final = "select id, timezone, currency from app.organizations where slug = %(slug)s"
# An organisation, a client or a service is created at the time of its first booking.
INSERT_ORGANIZATION: Final = """
insert into app.organizations (id, org_id, name, slug, timezone, country, currency, created_at, updated_at)
select id, id, %(name)s, %(slug)s, %(timezone)s, %(country)s, %(currency)s,
    least(%(now)s, (select min(created_at) from staged_booking)), %(now)s
from uuidv7() as new_id (id)
returning id
"""

# A row that was imported since, or that is rejected for another reason now, keeps no outdated sentence.
DELETE_OLD_REJECTIONS: Final = """
delete from app.import_rejections as old
where old.org_id = %(org)s and old.mapping = %(mapping)s
    and (old.file_name = any(%(files)s) or exists (
        select from app.import_records as record
        where record.org_id = %(org)s and record.mapping = %(mapping)s and record.kind = old.kind
            and record.external_ref = old.external_ref
    ))
    and not exists (
        select from rejections
        where rejections.row_key = old.row_key and rejections.field = old.field and rejections.message = old.message
    )
"""
INSERT_REJECTIONS: Final = """
insert into app.import_rejections (
    org_id, mapping, kind, external_ref, file_name, row_number, row_key, field, value, message, created_at, updated_at
)
select %(org)s, %(mapping)s, kind, external_ref, rejections.file, row_number,
    coalesce(row_key, 'line ' || row_number), field, value, message, %(now)s, %(now)s
from rejections
on conflict (org_id, mapping, row_key, field) do nothing
"""
