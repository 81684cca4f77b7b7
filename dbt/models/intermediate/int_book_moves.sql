-- A booking enters the books of its service day when it becomes firm (neither pending nor cancelled), and leaves them
-- when it no longer is, or moves to another day or amount. Two moves for each stay on the books, each at its lead: the
-- days that the service day was still away. What enters and leaves on one day never stood at the end of a day.
with turns as (
    select
        booking_id,
        org_id,
        position,
        valid_from,
        status_group in ('ongoing', 'completed') as is_firm
    from {{ ref('fct_booking_statuses') }}
    where
        (status_group in ('ongoing', 'completed'))
        <> coalesce(previous_group in ('ongoing', 'completed'), false)
),

firm as (
    select
        turns.*,
        lead(turns.valid_from) over (partition by turns.booking_id order by turns.position) as valid_to
    from turns
),

stays as (
    select
        firm.booking_id,
        firm.org_id,
        bookings.service_id,
        greatest(firm.valid_from, terms.valid_from) as valid_from,
        least(firm.valid_to, terms.valid_to) as valid_to,
        case when terms.booking_id is null then bookings.scheduled_start else terms.scheduled_start end
            as scheduled_start,
        case
            when not bookings.is_in_own_currency then 0
            when terms.booking_id is null then bookings.total_amount
            else terms.total_amount
        end as revenue
    from firm
    inner join {{ ref('fct_bookings') }} as bookings on firm.booking_id = bookings.booking_id
    left join {{ ref('int_booking_terms') }} as terms
        on
            firm.booking_id = terms.booking_id
            and (terms.valid_from is null or firm.valid_to is null or firm.valid_to > terms.valid_from)
            and (terms.valid_to is null or firm.valid_from < terms.valid_to)
    where firm.is_firm
),

days as (
    select
        stays.org_id,
        stays.service_id,
        stays.revenue,
        {{ local_day('stays.scheduled_start', 'organizations.timezone') }} as service_day,
        {{ local_day('stays.valid_from', 'organizations.timezone') }} as first_day,
        {{ local_day('stays.valid_to', 'organizations.timezone') }} as left_day
    from stays
    inner join {{ ref('stg_app__organizations') }} as organizations on stays.org_id = organizations.org_id
    where stays.scheduled_start is not null
),

standing as (
    select *
    from days
    where first_day <= service_day and (left_day is null or left_day > first_day)
)

select
    org_id,
    service_id,
    service_day,
    least({{ days_from_to('first_day', 'service_day') }}, {{ var('horizon_days') }}) as lead_days,
    1 as bookings,
    {{ as_money('revenue') }} as revenue
from standing
union all
select
    org_id,
    service_id,
    service_day,
    least({{ days_from_to('left_day', 'service_day') }}, {{ var('horizon_days') }}) as lead_days,
    -1 as bookings,
    {{ as_money('-revenue') }} as revenue
from standing
where left_day <= service_day
