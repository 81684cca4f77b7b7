"""Imports that admins ask for on the pages: their files, which are kept until the import has ended, and their progress."""

from alembic import op

revision = "0040"
down_revision = "0039"

TABLES = """
create table app.import_jobs (
    id uuid not null default uuidv7(),
    org_id uuid not null,
    requested_by uuid not null,
    requested_at timestamptz,
    file_names text[] not null,
    mapping text not null,
    findings jsonb not null,
    state text not null default 'checked',
    attempts integer not null default 0,
    started_at timestamptz,
    finished_at timestamptz,
    step text,
    rows_read bigint not null default 0,
    report jsonb,
    error text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint pk_import_jobs primary key (id),
    constraint uq_import_jobs_org_id_id unique (org_id, id),
    constraint ck_import_jobs_state check (state in ('checked', 'requested', 'running', 'done', 'failed')),
    constraint ck_import_jobs_requested_at check ((state = 'checked') = (requested_at is null))
);
create index ix_import_jobs_state_requested_at on app.import_jobs (state, requested_at);
create trigger touch before update on app.import_jobs for each row execute function app.touch_row();

create table app.import_files (
    id uuid not null default uuidv7(),
    org_id uuid not null,
    job_id uuid not null,
    name text not null,
    content bytea not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint pk_import_files primary key (id),
    constraint uq_import_files_org_id_id unique (org_id, id),
    constraint uq_import_files_org_id_job_id_name unique (org_id, job_id, name),
    constraint fk_import_files_org_id_job_id foreign key (org_id, job_id)
        references app.import_jobs (org_id, id) on delete cascade
);
alter table app.import_files alter column content set storage external;  -- most files are compressed already
"""

# The API stores checks and forgets them; the states are changed by app.request_import and by the run that imports.
RIGHTS = """
alter table app.import_jobs enable row level security;
grant select, insert, delete, update (mapping, findings) on app.import_jobs to hub_api;
create policy caller on app.import_jobs to hub_api
    using (org_id = (select app.org_id()) and (select app.administers()));
create policy checks on app.import_jobs as restrictive for insert to hub_api with check (
    state = 'checked' and requested_by = (select app.person()) and attempts = 0 and report is null and error is null
);
create policy unasked_changes on app.import_jobs as restrictive for update to hub_api using (state = 'checked');
create trigger analysts_read before insert or update or delete on app.import_jobs
    for each statement when (current_setting('hub.role', true) = 'analyst') execute function app.refuse_analyst();
create policy unasked_deletes on app.import_jobs as restrictive for delete to hub_api using (state = 'checked');

alter table app.import_files enable row level security;
grant select, insert on app.import_files to hub_api;
create policy caller on app.import_files to hub_api
    using (org_id = (select app.org_id()) and (select app.administers()));
create trigger analysts_read before insert or update or delete on app.import_files
    for each statement when (current_setting('hub.role', true) = 'analyst') execute function app.refuse_analyst();
create policy of_checks on app.import_files as restrictive for insert to hub_api with check (
    exists (
        select from app.import_jobs as jobs
        where jobs.org_id = import_files.org_id and jobs.id = import_files.job_id and jobs.state = 'checked'
    )
);

-- Ask for the import of checked files, as the caller. False: there is no such check, or it found that nothing can be read.
create function app.request_import(p_job_id uuid, p_at timestamptz) returns boolean
language plpgsql security definer set search_path = app, pg_temp as $$
declare
    asked app.import_jobs;
begin
    update app.import_jobs as jobs
    set state = 'requested', requested_by = app.person(), requested_at = p_at
    where jobs.id = p_job_id and jobs.org_id = app.org_id() and app.administers() and app.person() is not null
        and jobs.state = 'checked' and jobs.findings ->> 'problem' = ''
    returning jobs.* into asked;
    if not found then
        return false;
    end if;
    insert into app.audit_log (org_id, actor_id, actor_role, key_id, action, table_name, row_id, after)
    values (
        asked.org_id, asked.requested_by, current_setting('hub.role'),
        nullif(current_setting('hub.key_id', true), '')::uuid, 'insert', 'import_jobs', asked.id,
        jsonb_build_object('files', array_to_string(asked.file_names, ', '), 'rows_read', asked.findings -> 'rows_read')
    );
    return true;
end $$;
comment on function app.request_import is 'Ask for the import of checked files; one entry of the audit log says who did.';
revoke execute on function app.request_import from public;
grant execute on function app.request_import to hub_api;
"""

LIVE = """
create function app.tell_imports() returns trigger language plpgsql
    security definer set search_path = app, pg_temp as $$
begin
    insert into app.live_changes (org_id, kind, data)
    values (new.org_id, 'import.changed', jsonb_build_object('import_id', new.id, 'state', new.state));
    return null;
end $$;
revoke execute on function app.tell_imports from public;
create trigger tell_changed after update on app.import_jobs for each row
    when ((old.state, old.step, old.rows_read) is distinct from (new.state, new.step, new.rows_read))
    execute function app.tell_imports();
"""
KINDS = """
alter table app.live_changes drop constraint ck_live_changes_kind;
alter table app.live_changes add constraint ck_live_changes_kind check (kind in ({kinds}));
"""
FORMER = (
    "booking.created", "booking.changed", "booking.progress", "message.created", "work.changed", "insight.changed",
    "figures.changed", "reload",
)  # fmt: skip
ADDED = "import.changed"


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(RIGHTS)
    op.execute(KINDS.format(kinds=", ".join(f"'{kind}'" for kind in (*FORMER, ADDED))))
    op.execute(LIVE)


def downgrade() -> None:
    op.execute("drop function app.request_import; drop table app.import_files, app.import_jobs")
    op.execute("drop function app.tell_imports")
    op.execute(f"delete from app.live_changes where kind = '{ADDED}'")
    op.execute(KINDS.format(kinds=", ".join(f"'{kind}'" for kind in FORMER)))
