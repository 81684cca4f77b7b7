-- The bookings in their state at as_of_at. Every metric of bookings is computed from them.
select
    *,
    cast({{ weekday_of('service_day') }} as text) as service_weekday,
    case
        when lead_days <= 0 then 'same day'
        {% for name, longest_lead in var('lead_buckets').items() %}
            when lead_days <= {{ longest_lead }} then '{{ name }}'
        {% endfor %}
        when lead_days is not null then '{{ var('longest_lead_bucket') }}'
    end as lead_bucket
from {{ ref('int_bookings_at') }}
where periods_ago = 0
