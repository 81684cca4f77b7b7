{{ config(unique_key='client_id', indexes=[{'columns': ['client_id'], 'unique': true}, {'columns': ['org_id']}]) }}

select
    visits.client_id,
    visits.org_id,
    visits.visit_day as last_visit_day,
    rhythms.visits,
    rhythms.median_days,
    rhythms.missed_after_days,
    rhythms.yearly_amount,
    coalesce(weeks.is_missed, false) as is_missed
from {{ ref('int_client_visits') }} as visits
left join {{ ref('int_client_rhythm') }} as rhythms
    on visits.client_id = rhythms.client_id and visits.visit_day = rhythms.visit_day
left join {{ ref('int_client_weeks') }} as weeks on visits.client_id = weeks.client_id and weeks.weeks_ago = 0
where visits.next_day is null
