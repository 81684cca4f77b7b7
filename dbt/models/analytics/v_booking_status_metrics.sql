{%- set derived = ['pending', 'active', 'at_risk', 'overdue', 'completed', 'cancelled'] %}
{%- set figures = ['total_bookings'] + derived + [
    'completion_rate', 'cancellation_rate', 'total_revenue', 'avg_booking_value', 'avg_completion_days',
] %}
{%- set kept_amount = "case when states.derived_status <> 'cancelled' then bookings.total_amount end" %}

with periods as (
    select
        run_clock.org_id,
        run_clock.as_of,
        numbers.number as periods_ago,
        {{ add_days('run_clock.as_of', '1 - (numbers.number + 1) * ' ~ var('status_period_days')) }} as period_start,
        {{ add_days('run_clock.as_of', '- numbers.number * ' ~ var('status_period_days')) }} as period_end
    from {{ ref('stg_app__run_clock') }} as run_clock
    cross join {{ every_number(0, 1) }} as numbers
),

counted as (
    select
        periods.org_id,
        periods.as_of,
        periods.periods_ago,
        periods.period_start,
        periods.period_end,
        count(bookings.booking_id) as total_bookings,
        {% for status in derived %}
            sum(case when states.derived_status = '{{ status }}' then 1 else 0 end) as {{ status }},
        {% endfor %}
        coalesce(sum({{ kept_amount }}), 0) as total_revenue,
        round(avg({{ kept_amount }}), 2) as avg_booking_value,
        {{ mean_completion_days("states.derived_status = 'completed'") }} as avg_completion_days
    from periods
    left join {{ ref('fct_bookings') }} as bookings
        on periods.org_id = bookings.org_id and bookings.created_day between periods.period_start and periods.period_end
    left join {{ ref('int_booking_states') }} as states on bookings.booking_id = states.booking_id
    group by periods.org_id, periods.as_of, periods.periods_ago, periods.period_start, periods.period_end
),

rated as (
    select
        counted.*,
        {{ share('completed', 'total_bookings') }} as completion_rate,
        {{ share('cancelled', 'total_bookings') }} as cancellation_rate
    from counted
)

select
    this_period.org_id,
    this_period.as_of,
    this_period.period_start,
    this_period.period_end,
    {% for figure in figures %}
        this_period.{{ figure }},
    {% endfor %}
    {% for figure in figures %}
        previous.{{ figure }} as {{ figure }}_previous,
        this_period.{{ figure }} - previous.{{ figure }} as {{ figure }}_delta,
    {% endfor %}
    previous.period_start as previous_period_start,
    previous.period_end as previous_period_end
from rated as this_period
inner join rated as previous on this_period.org_id = previous.org_id and previous.periods_ago = 1
where this_period.periods_ago = 0
