-- Each booking on each day at whose end it was on hand for a service day of the four weeks after it: the single rows of
-- int_revenue_on_hand.
select
    periods.booking_id,
    periods.org_id,
    periods.service_id,
    dates.day,
    periods.revenue
from {{ ref('int_on_hand_periods') }} as periods
inner join {{ ref('dim_date') }} as dates
    on
        periods.first_day <= dates.day
        and {{ add_days('periods.service_day', -var('horizon_days')) }} <= dates.day
        and periods.service_day > dates.day
        and (periods.removed_day is null or periods.removed_day > dates.day)
