select
    milestones.booking_id,
    count(*) as milestones_total,
    sum(case when milestones.is_done then 1 else 0 end) as milestones_done,
    sum(case when not milestones.is_done and milestones.due_at < run_clock.as_of_at then 1 else 0 end)
        as milestones_past_due,
    min(case when not milestones.is_done then milestones.due_at end) as next_due_at
from {{ ref('fct_milestones') }} as milestones
left join {{ ref('stg_app__run_clock') }} as run_clock on milestones.org_id = run_clock.org_id
where milestones.status <> 'cancelled'
group by milestones.booking_id
