-- The amounts and schedules over time of the bookings whose own have changed since snapshots began; the others have
-- always had today's. What was before snapshots began is not known: today's stand for it.
with began as (
    select
        org_id,
        min(recorded_at) as began_at
    from {{ ref('booking_terms') }}
    group by org_id
),

changed as (
    select booking_id
    from {{ ref('booking_terms') }}
    where dbt_valid_to is not null
),

versions as (
    select
        terms.*,
        row_number() over (partition by terms.booking_id order by terms.dbt_valid_from) as version
    from {{ ref('booking_terms') }} as terms
    where terms.booking_id in (select changed.booking_id from changed)
)

select
    bookings.booking_id,
    bookings.total_amount,
    bookings.scheduled_start,
    bookings.scheduled_end,
    cast(null as timestamp) as valid_from,
    began.began_at as valid_to
from {{ ref('fct_bookings') }} as bookings
inner join began on bookings.org_id = began.org_id
where bookings.booking_id in (select changed.booking_id from changed)
union all
select
    versions.booking_id,
    versions.total_amount,
    versions.scheduled_start,
    versions.scheduled_end,
    case
        when versions.version = 1 then began.began_at
        else greatest(versions.dbt_valid_from, began.began_at)
    end as valid_from,
    case when versions.dbt_valid_to is not null then greatest(versions.dbt_valid_to, began.began_at) end as valid_to
from versions
inner join began on versions.org_id = began.org_id
