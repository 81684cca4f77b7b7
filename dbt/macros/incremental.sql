{# Facts are built from rows that changed, and from rows whose booking or organisation changed (they carry its service, its
   provider and its local days). The watermarks are columns of the fact itself, so that a build that is killed or repeated
   has the same result: _loaded_at, _booking_loaded_at and _organization_loaded_at, each the newest value in the fact.
   Loads of different tables are not ordered by time, so that one watermark for all of them would lose rows. #}

{% macro only_changed(staged, key, has_booking=true) -%}
    {%- if is_incremental() %}
where {{ staged }}.{{ key }} in (
    select changed.{{ key }}
    from {{ ref(_staging(staged)) }} as changed
    where changed._loaded_at > {{ _newest_held('_loaded_at') }}
    {%- if has_booking %}
    union all
    select changed.{{ key }}
    from {{ ref(_staging(staged)) }} as changed
    inner join {{ ref('stg_app__bookings') }} as parent on changed.booking_id = parent.booking_id
    where parent._loaded_at > {{ _newest_held('_booking_loaded_at') }}
    {%- endif %}
    union all
    select changed.{{ key }}
    from {{ ref(_staging(staged)) }} as changed
    inner join {{ ref('stg_app__organizations') }} as parent on changed.org_id = parent.org_id
    where parent._loaded_at > {{ _newest_held('_organization_loaded_at') }}
)
    {%- endif %}
{%- endmacro %}

{# For fct_booking_statuses: the bookings that changed, or whose recorded status changes did. #}
{% macro only_changed_histories() -%}
    {%- if is_incremental() %}
where booking_id in (
    select changed.booking_id
    from {{ ref('fct_bookings') }} as changed
    where changed._loaded_at > {{ _newest_held('_booking_loaded_at') }}
    union all
    select changed.booking_id
    from {{ ref('fct_booking_status_changes') }} as changed
    where changed._loaded_at > {{ _newest_held('_loaded_at') }}
    union all
    select old_rows.booking_id
    from {{ this }} as old_rows
    left join {{ ref('fct_booking_status_changes') }} as existing on old_rows.status_change_id = existing.status_change_id
    where old_rows.status_change_id is not null and existing.status_change_id is null
)
    {%- endif %}
{%- endmacro %}

{# For fct_invoice_lines: the lines that changed, and those of invoices that changed or were built again. #}
{% macro only_changed_lines() -%}
    {%- if is_incremental() %}
where lines.invoice_line_id in (
    select changed.invoice_line_id
    from {{ ref('stg_app__invoice_lines') }} as changed
    where changed._loaded_at > {{ _newest_held('_loaded_at') }}
    union all
    select changed.invoice_line_id
    from {{ ref('stg_app__invoice_lines') }} as changed
    inner join {{ ref('fct_invoices') }} as parent on changed.invoice_id = parent.invoice_id
    where
        parent._loaded_at > {{ _newest_held('_invoice_loaded_at') }}
        or parent._booking_loaded_at > {{ _newest_held('_booking_loaded_at') }}
        or parent._organization_loaded_at > {{ _newest_held('_organization_loaded_at') }}
)
    {%- endif %}
{%- endmacro %}

{# After only_changed: also the cancelled bookings whose cancelled_day differs from the day in `endings`. Their status
   history may have changed although the booking itself did not. #}
{% macro or_changed_end(staged, endings) -%}
    {%- if is_incremental() %}
or {{ staged }}.booking_id in (
    select old_rows.booking_id
    from {{ this }} as old_rows
    inner join {{ ref('stg_app__organizations') }} as organization on old_rows.org_id = organization.org_id
    left join {{ endings }} as ending on old_rows.booking_id = ending.booking_id and old_rows.status = ending.to_status
    where
        old_rows.status_group = 'cancelled'
        and old_rows.cancelled_at is null
        and old_rows.cancelled_day is distinct from {{ local_day('ending.changed_at', 'organization.timezone') }}
)
    {%- endif %}
{%- endmacro %}

{% macro _staging(staged) -%}
    stg_app__{{ staged }}
{%- endmacro %}

{% macro _newest_held(watermark) -%}
    (select coalesce(max({{ watermark }}), cast('1970-01-01' as timestamp)) from {{ this }})
{%- endmacro %}


{# The last step of a fact's build: delete the rows whose own row or whose booking no longer exists. By comparison and not by
   the deletion marks, so that rows that vanished from raw (a reload, a restore) are deleted as well. #}
{% macro delete_orphans(staged, key, has_booking=true) %}
    delete from {{ this }}
    where not exists (
        select 1
        from {{ ref(_staging(staged)) }} as existing
        where existing.{{ key }} = {{ this }}.{{ key }}
    )
    {%- if has_booking %}
    or not exists (
        select 1
        from {{ ref('stg_app__bookings') }} as existing
        where existing.booking_id = {{ this }}.booking_id
    )
    {%- endif %}
{% endmacro %}


{# Incremental strategy of tables that are computed whole: only the rows that differ are written. Views on them remain,
   readers never see a half-built table, and a build without changes writes nothing. `unique_key` names columns without
   nulls. #}
{% macro get_incremental_only_differences_sql(arguments) %}
    {%- set given = arguments['unique_key'] -%}
    {%- set keys = [given] if given is string else given -%}
    {%- set same_key = [] -%}
    {%- for key in keys -%}
        {%- do same_key.append('new_rows.' ~ key ~ ' = old_rows.' ~ key) -%}
    {%- endfor -%}
    {%- set same_row = same_key | list -%}
    {%- for column in arguments['dest_columns'] if column.name not in keys -%}
        {%- do same_row.append('new_rows.' ~ column.quoted ~ ' is not distinct from old_rows.' ~ column.quoted) -%}
    {%- endfor -%}
    {%- set columns = arguments['dest_columns'] | map(attribute='quoted') | join(', ') -%}

    {{ prepare_comparison(arguments['temp_relation']) }}
    delete from {{ arguments['target_relation'] }} as old_rows
    where not exists (
        select 1
        from {{ arguments['temp_relation'] }} as new_rows
        where {{ same_row | join(' and ') }}
    );
    insert into {{ arguments['target_relation'] }} ({{ columns }})
    select {{ columns }}
    from {{ arguments['temp_relation'] }} as new_rows
    where not exists (
        select 1
        from {{ arguments['target_relation'] }} as old_rows
        where {{ same_key | join(' and ') }}
    )
{% endmacro %}


{% macro prepare_comparison(relation) -%}
    {{ adapter.dispatch('prepare_comparison')(relation) }}
{%- endmacro %}

{% macro default__prepare_comparison(relation) %}{% endmacro %}

{% macro postgres__prepare_comparison(relation) -%}
    analyze {{ relation }};
    set local enable_mergejoin = off; -- sorting text for it takes three times as long as hashing does
{%- endmacro %}


{# A new table has no statistics, so that the planner cannot estimate the models on it: some then take minutes. #}
{% macro analyze_table() -%}
    {%- if config.get('materialized') != 'view' %}
    analyze {{ this }}
    {%- endif %}
{%- endmacro %}
