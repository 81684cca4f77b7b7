select
    cancellations.org_id,
    cancellations.month as period_start,
    {{ last_day_of('month', 'cancellations.month') }} as period_end,
    {{ last_day_of('month', 'cancellations.month') }} > run_clock.as_of as is_partial,
    cancellations.service_id,
    services.service_name,
    cancellations.status,
    cancellations.cancel_reason,
    nullif(cancellations.lead_bucket, 'unknown') as lead_bucket,
    nullif(cancellations.notice_bucket, 'unknown') as notice_bucket,
    cancellations.bookings,
    cancellations.amount,
    cancellations.kept_amount
from {{ ref('int_cancellations') }} as cancellations
inner join {{ ref('stg_app__run_clock') }} as run_clock on cancellations.org_id = run_clock.org_id
left join {{ ref('dim_service') }} as services on cancellations.service_id = services.service_id
