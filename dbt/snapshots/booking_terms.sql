{% snapshot booking_terms %}
{{
    config(
        strategy='check',
        unique_key='booking_id',
        check_cols=['total_amount', 'scheduled_start', 'scheduled_end'],
        updated_at='updated_at',
        indexes=[{'columns': ['booking_id']}, {'columns': ['dbt_valid_to']}, {'columns': ['_loaded_at']}],
    )
}}

-- Only bookings that were landed after the newest version are compared: the others have not changed.
select
    booking_id,
    org_id,
    total_amount,
    scheduled_start,
    scheduled_end,
    updated_at,
    {{ dbt.current_timestamp() }} as recorded_at,
    _loaded_at
from {{ ref('stg_app__bookings') }}
{%- if load_relation(this) is not none %}
where _loaded_at > (select coalesce(max(versions._loaded_at), cast('1970-01-01' as timestamp)) from {{ this }} as versions)
{%- endif %}

{% endsnapshot %}
