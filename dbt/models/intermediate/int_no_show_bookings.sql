-- Bookings by whether the client came, of organisations that record no-shows: what is known of each on the evening
-- before its service day, and its outcome. Open: not over yet, or it is not known whether the client came.
with organizations as (
    select
        organizations.org_id,
        organizations.timezone,
        run_clock.as_of
    from {{ ref('stg_app__organizations') }} as organizations
    inner join {{ ref('stg_app__run_clock') }} as run_clock on organizations.org_id = run_clock.org_id
    where
        organizations.org_id in (
            select states.org_id
            from {{ ref('int_bookings_as_of') }} as states
            where states.status = 'no_show'
        )
),

payments as (
    select
        payments.booking_id,
        sum(payments.collected_amount) as amount
    from {{ ref('fct_payments') }} as payments
    inner join {{ ref('fct_bookings') }} as bookings
        on payments.booking_id = bookings.booking_id and payments.currency = bookings.currency
    where payments.kind = 'payment' and payments.paid_day < bookings.service_day
    group by payments.booking_id
)

select
    states.booking_id,
    states.org_id,
    bookings.client_id,
    states.service_id,
    states.provider_id,
    states.created_day as booked_day,
    states.service_day,
    cast({{ local_hour('states.scheduled_start', 'organizations.timezone') }} as integer) as hour,
    states.total_amount as amount,
    coalesce(payments.amount >= states.total_amount and states.total_amount > 0, false) as is_prepaid,
    case
        when states.status = 'no_show' then 'missed'
        when states.status_group = 'completed' or states.status in {{ statuses_from('work_over') }}
            and {{ is_firm('states.status_group') }} then 'came'
        when states.status in {{ statuses_from('work_begun') }} and states.service_day <= organizations.as_of
            then 'came'
        when states.status = 'cancelled' then 'cancelled'
    end as outcome,
    case
        when states.status = 'cancelled' then coalesce(states.cancelled_day, states.service_day)
        else states.service_day
    end as outcome_day
from {{ ref('int_bookings_as_of') }} as states
inner join {{ ref('fct_bookings') }} as bookings on states.booking_id = bookings.booking_id
inner join organizations on states.org_id = organizations.org_id
left join payments on states.booking_id = payments.booking_id
where
    states.service_day is not null
    and (
        states.status in ('no_show', 'cancelled')
        or {{ is_firm('states.status_group') }}
    )
