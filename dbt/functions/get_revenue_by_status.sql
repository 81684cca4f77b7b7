select
    outcomes.status,
    outcomes.status_group,
    outcomes.derived_status,
    outcomes.currency,
    sum(outcomes.bookings) as bookings,
    sum(outcomes.total_amount) as total_amount,
    sum(outcomes.invoiced_amount) as invoiced_amount,
    sum(outcomes.paid_amount) as paid_amount,
    sum(outcomes.outstanding_amount) as outstanding_amount
from {{ ref('fct_booking_outcomes') }} as outcomes
where outcomes.org_id = p_org_id and outcomes.created_day between p_from and p_to
group by outcomes.status, outcomes.status_group, outcomes.derived_status, outcomes.currency
order by outcomes.status, outcomes.derived_status, outcomes.currency
