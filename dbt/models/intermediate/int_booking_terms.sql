-- Amounts and schedules over time of the bookings for which they have changed since snapshots began; the other bookings
-- have always had the present ones. Those before snapshots began are unknown: the present ones are used for that time.
with snapshot_starts as (
    select
        org_id,
        min(recorded_at) as started_at
    from {{ ref('booking_terms') }}
    group by org_id
),

changed_bookings as (
    select booking_id
    from {{ ref('booking_terms') }}
    where dbt_valid_to is not null
),

versions as (
    select
        terms.*,
        row_number() over (partition by terms.booking_id order by terms.dbt_valid_from) as version
    from {{ ref('booking_terms') }} as terms
    where terms.booking_id in (select changed_bookings.booking_id from changed_bookings)
)

select
    bookings.booking_id,
    bookings.total_amount,
    bookings.scheduled_start,
    bookings.scheduled_end,
    cast(null as timestamp) as valid_from,
    snapshot_starts.started_at as valid_to
from {{ ref('fct_bookings') }} as bookings
inner join snapshot_starts on bookings.org_id = snapshot_starts.org_id
where bookings.booking_id in (select changed_bookings.booking_id from changed_bookings)
union all
select
    versions.booking_id,
    versions.total_amount,
    versions.scheduled_start,
    versions.scheduled_end,
    case
        when versions.version = 1 then snapshot_starts.started_at
        else greatest(versions.dbt_valid_from, snapshot_starts.started_at)
    end as valid_from,
    case when versions.dbt_valid_to is not null then greatest(versions.dbt_valid_to, snapshot_starts.started_at) end
        as valid_to
from versions
inner join snapshot_starts on versions.org_id = snapshot_starts.org_id
