-- Two changes for each period on hand, each at its lead time: the days that remain until the service day.
select
    org_id,
    service_id,
    service_day,
    least({{ days_from_to('first_day', 'service_day') }}, {{ var('horizon_days') }}) as lead_days,
    1 as bookings,
    revenue
from {{ ref('int_on_hand_periods') }}
union all
select
    org_id,
    service_id,
    service_day,
    least({{ days_from_to('removed_day', 'service_day') }}, {{ var('horizon_days') }}) as lead_days,
    -1 as bookings,
    {{ as_money('-revenue') }} as revenue
from {{ ref('int_on_hand_periods') }}
where removed_day <= service_day
