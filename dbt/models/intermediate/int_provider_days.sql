-- Every day that a provider's booking covers, within the days that the workload shows, with its part of the hours:
-- spread evenly over its working days, or over all its days where none of them is a working day.
with bookings as (
    select
        bookings.org_id,
        bookings.provider_id,
        bookings.booking_id,
        bookings.service_day as first_day,
        coalesce(bookings.service_end_day, bookings.service_day) as last_day,
        hours.hours,
        {{ add_days('run_clock.as_of', -var('workload_days')) }} as shown_from,
        {{ add_days('run_clock.as_of', var('workload_days')) }} as shown_to
    from {{ ref('fct_bookings') }} as bookings
    inner join {{ ref('int_booking_hours') }} as hours on bookings.booking_id = hours.booking_id
    inner join {{ ref('stg_app__run_clock') }} as run_clock on bookings.org_id = run_clock.org_id
    where
        bookings.provider_id is not null
        and bookings.status_group not in ('pending', 'cancelled')
        and bookings.service_day <= {{ add_days('run_clock.as_of', var('workload_days')) }}
        and coalesce(bookings.service_end_day, bookings.service_day)
        >= {{ add_days('run_clock.as_of', -var('workload_days')) }}
),

covered as (
    select
        bookings.*,
        dates.day,
        dates.is_working_day,
        count(*) over booking as days,
        sum(case when dates.is_working_day then 1 else 0 end) over booking as working_days
    from bookings
    inner join {{ ref('dim_date') }} as dates on dates.day between bookings.first_day and bookings.last_day
    window booking as (partition by bookings.booking_id)
)

select
    org_id,
    provider_id,
    day,
    booking_id,
    case
        when working_days = 0 then hours / days
        when is_working_day then hours / working_days
        else 0
    end as booked_hours
from covered
where day between shown_from and shown_to
