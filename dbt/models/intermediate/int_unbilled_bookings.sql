-- Bookings whose work is done and whose amount is not invoiced in full. Draft invoices do not count, they ask for
-- nothing.
with hours as (
    select
        booking_id,
        sum(hours) as hours
    from {{ ref('fct_time_entries') }}
    where billable and ended_at is not null
    group by booking_id
)

select
    bookings.booking_id,
    bookings.org_id,
    bookings.service_id,
    bookings.provider_id,
    coalesce(bookings.completed_day, bookings.delivered_day) as done_day,
    cast(bookings.total_amount as numeric(18, 2)) as total_amount,
    {{ as_money('bookings.total_amount - states.invoiced_amount') }} as unbilled_amount,
    cast(coalesce(hours.hours, 0) as numeric(18, 4)) as tracked_hours
from {{ ref('int_bookings_as_of') }} as bookings
inner join {{ ref('int_booking_states') }} as states
    on bookings.booking_id = states.booking_id and bookings.periods_ago = states.periods_ago
left join hours on bookings.booking_id = hours.booking_id
where
    bookings.status in ('delivered', 'completed')
    and bookings.is_in_own_currency
    and coalesce(bookings.completed_day, bookings.delivered_day) is not null
    and states.invoiced_amount < bookings.total_amount
