-- A booking is on hand for its service day from when it becomes firm (neither pending nor cancelled) until it no longer
-- is, or its day or amount changes. One that is added and removed within a day was never on hand at the end of a day.
with firm_changes as (
    select
        booking_id,
        org_id,
        position,
        valid_from,
        {{ is_firm('status_group') }} as is_firm
    from {{ ref('fct_booking_statuses') }}
    where
        {{ is_firm('status_group') }} <> coalesce({{ is_firm('previous_group') }}, false)
),

firm_periods as (
    select
        firm_changes.*,
        lead(firm_changes.valid_from) over (
            partition by firm_changes.org_id, firm_changes.booking_id
            order by firm_changes.position
        ) as valid_to
    from firm_changes
),

periods_on_hand as (
    select
        firm_periods.booking_id,
        firm_periods.org_id,
        bookings.service_id,
        greatest(firm_periods.valid_from, terms.valid_from) as valid_from,
        least(firm_periods.valid_to, terms.valid_to) as valid_to,
        case when terms.booking_id is null then bookings.scheduled_start else terms.scheduled_start end
            as scheduled_start,
        case
            when not bookings.is_in_own_currency then 0
            when terms.booking_id is null then bookings.total_amount
            else terms.total_amount
        end as revenue
    from firm_periods
    inner join {{ ref('fct_bookings') }} as bookings on firm_periods.booking_id = bookings.booking_id
    left join {{ ref('int_booking_terms') }} as terms
        on
            firm_periods.booking_id = terms.booking_id
            and (terms.valid_from is null or firm_periods.valid_to is null or firm_periods.valid_to > terms.valid_from)
            and (terms.valid_to is null or firm_periods.valid_from < terms.valid_to)
    where firm_periods.is_firm
),

days as (
    select
        periods_on_hand.booking_id,
        periods_on_hand.org_id,
        periods_on_hand.service_id,
        periods_on_hand.revenue,
        {{ local_day('periods_on_hand.scheduled_start', 'organizations.timezone') }} as service_day,
        {{ local_day('periods_on_hand.valid_from', 'organizations.timezone') }} as first_day,
        {{ local_day('periods_on_hand.valid_to', 'organizations.timezone') }} as removed_day
    from periods_on_hand
    inner join {{ ref('stg_app__organizations') }} as organizations on periods_on_hand.org_id = organizations.org_id
    where periods_on_hand.scheduled_start is not null
)

select
    booking_id,
    org_id,
    service_id,
    service_day,
    first_day,
    removed_day,
    {{ as_money('revenue') }} as revenue
from days
where first_day <= service_day and (removed_day is null or removed_day > first_day)
