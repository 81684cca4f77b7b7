-- The visits of each client up to as_of (days with a service that took place), each with the day from which the next
-- one was known. Of the last visit, that of a coming or requested booking.
with bookings as (
    select
        bookings.org_id,
        bookings.client_id,
        states.service_day,
        states.created_day,
        states.status_group,
        states.is_realized as is_visit,
        case when states.is_in_own_currency then states.total_amount else 0 end as amount
    from {{ ref('int_bookings_as_of') }} as states
    inner join {{ ref('fct_bookings') }} as bookings on states.booking_id = bookings.booking_id
),

visits as (
    select
        org_id,
        client_id,
        service_day as visit_day,
        min(coalesce(created_day, service_day)) as booked_day,
        sum(amount) as amount
    from bookings
    where is_visit
    group by 1, 2, 3
),

-- A client who has asked for a date is not missing, nor is one whose work goes on.
coming as (
    select
        client_id,
        min(coalesce(created_day, service_day)) as booked_day
    from bookings
    where status_group in ('pending', 'ongoing') and (not is_visit or status_group = 'ongoing')
    group by client_id
),

ordered as (
    select
        visits.*,
        lead(visits.visit_day) over client_visits as next_day,
        lead(visits.booked_day) over client_visits as next_booked_day
    from visits
    window client_visits as (partition by visits.client_id order by visits.visit_day)
)

select
    ordered.org_id,
    ordered.client_id,
    ordered.visit_day,
    ordered.next_day,
    case when ordered.next_day is not null then ordered.next_booked_day else coming.booked_day end as next_known_day,
    {{ as_money('ordered.amount') }} as amount
from ordered
left join coming on ordered.client_id = coming.client_id
