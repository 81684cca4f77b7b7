"""What the Hub keeps of a person is erased on request: names, addresses and free texts, in every table that keeps them."""

from alembic import op

revision = "0039"
down_revision = "0038"

# The audit log stays append-only for every role. An erasure is the one exception: it takes texts from entries, leaves
# who did what and when, and is an entry itself.
AUDIT = """
alter table app.audit_log drop constraint ck_audit_log_action, add constraint ck_audit_log_action
    check (action in ({actions}));
create or replace function app.keep_audit_log() returns trigger language plpgsql set search_path = app, pg_temp as $$
begin
    {exception}raise exception using errcode = 'insufficient_privilege',
        message = 'The audit log is append-only: no row of it is changed or deleted.';
end $$;
"""
ACTIONS = "'insert', 'update', 'delete', 'sign_in', 'act_as'"
EXCEPTION = """if tg_op = 'UPDATE' and current_setting('hub.erases', true) = 'yes' then
        if (old.id, old.org_id, old.at, old.actor_id, old.actor_role, old.key_id, old.action, old.table_name, old.row_id)
            is not distinct from
            (new.id, new.org_id, new.at, new.actor_id, new.actor_role, new.key_id, new.action, new.table_name, new.row_id)
        then
            return new;
        end if;
    end if;
    """

ERASURE = """
-- Free texts that people write: erased where the row is of the person. A text that may not be null becomes 'Erased'.
create function app.free_texts() returns table (table_name text, column_name text) immutable language sql as $$
    values ('bookings', 'title'), ('bookings', 'notes'), ('bookings', 'cancel_reason'),
        ('booking_status_history', 'reason'), ('booking_extras', 'description'), ('booking_extras', 'reason'),
        ('booking_lines', 'description'), ('milestones', 'title'), ('tasks', 'title'), ('time_entries', 'note'),
        ('approvals', 'reason'), ('messages', 'body'), ('reviews', 'comment'), ('payments', 'note'),
        ('payments', 'failure_reason'), ('invoices', 'void_reason'), ('provider_absences', 'reason'),
        ('calendar_events', 'title'), ('api_keys', 'name'), ('insight_events', 'feedback'),
        ('insight_feedback', 'comment'), ('notifications', 'title'), ('notifications', 'body')
$$;

-- A text without the word, which stands between other characters than letters and digits. A word of one part, such as
-- Will, is told from others by its capitals; addresses and full names are found however they are written.
create function app.without_word(p_text text, p_word text, p_instead text) returns text immutable language sql as $$
    select case when p_word is null or position(lower(p_word) in lower(p_text)) = 0 then p_text else regexp_replace(
        p_text,
        '(?<![[:alnum:]])' || regexp_replace(p_word, '([^[:alnum:][:space:]])', '\\\\\\1', 'g') || '(?![[:alnum:]])',
        p_instead, case when p_word ~ '[[:space:]@]' then 'gi' else 'g' end
    ) end
$$;

create function app.erase_person(p_profile_id uuid) returns integer
language plpgsql security definer set search_path = app, pg_temp as $$
declare
    v_org uuid := app.org_id();
    v_person app.profiles;
    v_word text := 'Erased person ' || right(replace(p_profile_id::text, '-', ''), 8);
    v_actor uuid := app.person();
    v_role text := app.caller_role();
    v_key_ends timestamptz := nullif(current_setting('hub.key_expires_at', true), '')::timestamptz;
    v_key uuid := nullif(current_setting('hub.key_id', true), '')::uuid;
    v_schema text;
    v_table record;
    v_condition text;
    v_ids uuid[];
    v_new uuid[];
    v_erased uuid[] := '{}';
    v_bookings uuid[];
    v_changed integer;
    v_total integer := 0;
begin
    if not app.administers() or v_org is null then
        raise exception using errcode = 'insufficient_privilege', message = 'Admins erase people.';
    end if;
    select * into v_person from app.profiles where org_id = v_org and id = p_profile_id for update;
    if not found then
        return null;
    end if;
    perform app.set_caller(v_org, null, 'operator', null, null, null);  -- the audit log would keep what is erased
    perform set_config('hub.erases', 'yes', true);
    select coalesce(array_agg(id), '{}') into v_bookings from app.bookings where org_id = v_org and client_id = p_profile_id;

    -- 1. Rows of the person, those in raw included that are deleted in app already.
    foreach v_schema in array array['app', 'raw'] loop
        for v_table in
            select tables.table_name, array_agg(distinct columns.attname::text) as names, to_regclass(v_schema || '.' || tables.table_name) as id
            from (select distinct texts.table_name from app.free_texts() as texts) as tables
            join pg_attribute as columns on columns.attrelid = to_regclass(v_schema || '.' || tables.table_name)
                and columns.attnum > 0 and not columns.attisdropped
            group by tables.table_name
        loop
            select string_agg(part, ' or ') into v_condition from (
                select format('%I = $2', name) from unnest(v_table.names) as name
                where name in (
                    'client_id', 'sender_id', 'actor_id', 'decided_by', 'proposer_id', 'decider_id', 'profile_id', 'announced_by'
                ) or name = 'provider_id' and v_table.table_name not in ('bookings', 'booking_lines')
                union all
                select format('%I::text = %L', name, 'profile ' || p_profile_id) from unnest(v_table.names) as name
                where name in ('closed_by', 'given_by')
                union all
                select format('booking_id = any ($3) or booking_id in (select b.id from %I.bookings as b where b.org_id = $1 and b.client_id = $2)', v_schema)
                from unnest(v_table.names) as name where name = 'booking_id'
            ) as parts (part);
            execute format('select coalesce(array_agg(id), ''{}'') from %s where org_id = $1 and (%s)', v_table.id, v_condition)
                into v_ids using v_org, p_profile_id, v_bookings;
            v_erased := v_erased || v_ids;
            execute (
                select format(
                    'update %s set %s where id = any ($1) and (%s)', v_table.id,
                    string_agg(format('%I = case when %I is not null then %s end', columns.attname, columns.attname,
                        case when originals.attnotnull then '''Erased''' else 'null' end), ', '),
                    string_agg(format('%I <> ''Erased''', columns.attname), ' or ')
                )
                from app.free_texts() as texts
                join pg_attribute as columns on columns.attrelid = v_table.id and columns.attname = texts.column_name
                join pg_attribute as originals on originals.attrelid = to_regclass('app.' || texts.table_name)
                    and originals.attname = texts.column_name
                where texts.table_name = v_table.table_name
            ) using v_ids;
            get diagnostics v_changed = row_count;
            v_total := v_total + v_changed;
        end loop;
        if to_regclass(v_schema || '.profiles') is not null then
            execute format(
                'update %I.profiles set full_name = $3, email = null where org_id = $1 and id = $2 and (full_name <> $3 or email is not null)',
                v_schema
            ) using v_org, p_profile_id, v_word;
        end if;
    end loop;
    update app.profiles set is_active = false where org_id = v_org and id = p_profile_id and is_active;
    delete from app.saved_views where org_id = v_org and profile_id = p_profile_id;
    delete from app.import_jobs where org_id = v_org and state = 'checked';  -- with their files, which may name the person

    -- 2. Copies: stored responses, payloads of processors, rejected rows of imports, pending live changes, the audit log.
    update app.idempotency_keys as keys set response_body = jsonb_build_object('headers', '{}'::jsonb, 'text', '')
    where keys.org_id = v_org and keys.response_body is not null and (
        keys.profile_id = p_profile_id
        or exists (
            select from regexp_matches(keys.response_body::text, '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}', 'g') as found (id)
            where found.id[1]::uuid = any (v_erased || p_profile_id)
        )
    );
    update app.processor_events as events set payload = '{}'
    where events.org_id = v_org and events.payload <> '{}' and (
        exists (
            select from app.payments as payments
            where payments.org_id = v_org and payments.booking_id = any (v_bookings)
                and position(payments.processor_ref in events.payload::text || coalesce(events.object_ref, '')) > 0
        )
        or app.without_word(app.without_word(events.payload::text, v_person.email, ''), v_person.full_name, '') <> events.payload::text
    );
    update app.import_rejections as rejections set value = null, message = 'Erased'
    where rejections.org_id = v_org and rejections.message <> 'Erased' and (
        rejections.external_ref = v_person.external_ref
        or rejections.external_ref in (select b.external_ref from app.bookings as b where b.org_id = v_org and b.id = any (v_bookings))
        or app.without_word(app.without_word(concat(rejections.value, ' ', rejections.message), v_person.email, ''), v_person.full_name, '')
            <> concat(rejections.value, ' ', rejections.message)
    );
    update app.audit_log as entries set before = app.without_texts(entries.before), after = app.without_texts(entries.after)
    where entries.org_id = v_org and (
        entries.row_id = p_profile_id or entries.row_id = any (v_erased)
        or entries.actor_id = p_profile_id and entries.table_name in (select texts.table_name from app.free_texts() as texts)
        or coalesce(entries.after, entries.before) ->> 'client_id' = p_profile_id::text
        or (coalesce(entries.after, entries.before) ->> 'booking_id')::uuid = any (v_bookings)
        or entries.table_name = 'saved_views' and entries.actor_id = p_profile_id
    );

    -- 3. The name and the address in the texts of others: insights, messages, channels, copies of these.
    if v_person.full_name <> v_word then
        update app.notification_channels as channels set target = kept.target, is_active = channels.is_active and kept.target <> '',
            removed_at = case when kept.target = '' then coalesce(channels.removed_at, now()) end
        from (
            select id, coalesce((
                select string_agg(address, ', ' order by position)
                from unnest(regexp_split_to_array(target, '\\s*,\\s*')) with ordinality as addresses (address, position)
                where lower(address) <> lower(v_person.email)
            ), '') as target
            from app.notification_channels where org_id = v_org and kind = 'email' and target <> ''
        ) as kept
        where channels.id = kept.id and channels.target <> kept.target;
        v_total := v_total + app.erase_words(v_org, v_person.full_name, v_person.email, v_word);
    end if;
    delete from app.live_changes as changes where changes.org_id = v_org and (
        changes.client_id = p_profile_id or changes.provider_id = p_profile_id or changes.booking_id = any (v_bookings)
        or app.without_word(app.without_word(changes.data::text, v_person.email, ''), v_person.full_name, '') <> changes.data::text
    );
    perform set_config('hub.erases', '', true);
    perform app.set_caller(v_org, v_actor, v_role, v_key, v_key_ends, null);
    insert into app.audit_log (org_id, actor_id, actor_role, key_id, action, table_name, row_id)
    values (v_org, v_actor, v_role, v_key, 'erase', 'profiles', p_profile_id);
    return v_total;
end $$;

-- An object of the audit log without free texts, names and addresses.
create function app.without_texts(p_row jsonb) returns jsonb stable language sql set search_path = app, pg_temp as $$
    select jsonb_object_agg(key, case
        when jsonb_typeof(value) = 'null' or key not in (
            select texts.column_name from app.free_texts() as texts
            union all values ('full_name'), ('email'), ('name'), ('tiles')
        ) then value else '"Erased"'::jsonb end)
    from jsonb_each(p_row)
$$;

-- Replace the words in every text of the organisation, wherever it is kept; marts and views follow with the next build.
-- Names of the organisation and of what it sells stay, though they may be the name of a person.
create function app.erase_words(p_org_id uuid, p_name text, p_email text, p_instead text) returns integer
language plpgsql security definer set search_path = app, pg_temp as $$
declare
    v_table record;
    v_changed integer;
    v_total integer := 0;
begin
    -- One pass over each table. In the text of JSON the name is written as JSON writes it.
    for v_table in
        select relations.oid::regclass as id,
            string_agg(format(
                '%1$I = app.without_word(app.without_word(%1$I::text, $3, $4), %2$s, $4)::%3$s',
                columns.attname, kinds.name, columns.atttypid::regtype
            ), ', ') as assignments,
            string_agg(format(
                'position(lower($3) in lower(%1$I::text)) > 0 or position(lower(%2$s) in lower(%1$I::text)) > 0',
                columns.attname, kinds.name
            ), ' or ') as mentions
        from pg_class as relations
        join pg_attribute as columns on columns.attrelid = relations.oid and columns.attnum > 0 and not columns.attisdropped
            and columns.attgenerated = ''
        join (values ('text'::regtype, '$2'), ('jsonb'::regtype, '$5')) as kinds (type, name) on kinds.type = columns.atttypid
        where relations.relnamespace in (select oid from pg_namespace where nspname in ('app', 'raw', 'ml', 'snapshots'))
            and relations.relkind = 'r'
            and exists (select from pg_attribute as own where own.attrelid = relations.oid and own.attname = 'org_id')
            and relations.relname not in (
                'organizations', 'services', 'service_packages', 'service_add_ons', 'price_rules', 'booking_search', 'live_changes'
            )
        group by relations.oid
    loop
        execute format('update %s set %s where org_id = $1 and (%s)', v_table.id, v_table.assignments, v_table.mentions)
            using p_org_id, p_name, p_email, p_instead, trim(both '"' from to_jsonb(p_name)::text);
        get diagnostics v_changed = row_count;
        v_total := v_total + v_changed;
    end loop;
    return v_total;
end $$;

revoke execute on function app.free_texts, app.without_word, app.without_texts, app.erase_words, app.erase_person from public;
grant execute on function app.erase_person to hub_api;
"""


def upgrade() -> None:
    op.execute(AUDIT.format(actions=f"{ACTIONS}, 'erase'", exception=EXCEPTION))
    op.execute(ERASURE)


def downgrade() -> None:
    op.execute("drop function app.erase_person, app.erase_words, app.without_texts, app.without_word, app.free_texts")
    op.execute("alter table app.audit_log disable trigger keep")
    op.execute("delete from app.audit_log where action = 'erase'")
    op.execute("alter table app.audit_log enable trigger keep")
    op.execute(AUDIT.format(actions=ACTIONS, exception=""))
