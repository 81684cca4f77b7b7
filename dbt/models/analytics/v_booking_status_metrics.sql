{%- set derived = ['pending', 'active', 'at_risk', 'overdue', 'completed', 'cancelled'] %}
{%- set open_now = ['pending', 'active', 'at_risk', 'overdue'] %}
{%- set outcome_names = outcomes() | map('first') | list %}
{%- set durations = {
    'avg_completion_days': ('created_at', 'completed_at'),
    'avg_lead_days': ('created_at', 'scheduled_start'),
    'avg_delivery_days': ('scheduled_start', 'delivered_at'),
    'avg_acceptance_days': ('delivered_at', 'completed_at'),
} %}
{%- set firm_amount = 'case when ' ~ is_firm('bookings.status_group')
    ~ ' and bookings.is_in_own_currency then bookings.total_amount end' %}
{%- set figures = ['total_bookings'] + derived + [
    'completion_rate', 'cancellation_rate', 'total_revenue', 'avg_booking_value', 'no_show_rate',
    'other_currency_bookings', 'completed_in_period',
    'overdue_provider_now', 'overdue_client_now', 'overdue_payment_now',
] + outcome_names + durations | list %}
{%- for status in open_now %}{% do figures.append(status ~ '_now') %}{% endfor %}

-- Each part is a subquery for one period, so that the bookings of its days are read by index.
-- The bookings made in each period, in their state at its end: both cohorts have the same age.
with cohorts as (
    select
        periods.org_id,
        periods.periods_ago,
        figures.*
    from {{ ref('int_periods') }} as periods
    cross join lateral (
        select
            count(bookings.booking_id) as total_bookings,
            {% for status in derived %}
                coalesce({{ count_where("states.derived_status = '" ~ status ~ "'") }}, 0) as {{ status }},
            {% endfor %}
            {% for name, status in outcomes() %}
                coalesce({{ count_where("states.status = '" ~ status ~ "'") }}, 0) as {{ name }},
            {% endfor %}
            coalesce({{ count_where('not bookings.is_in_own_currency') }}, 0) as other_currency_bookings,
            coalesce(sum({{ firm_amount }}), 0) as total_revenue,
            round(avg({{ firm_amount }}), 2) as avg_booking_value
        from {{ ref('int_booking_states') }} as states
        inner join {{ ref('int_bookings_at') }} as bookings
            on states.booking_id = bookings.booking_id and states.periods_ago = bookings.periods_ago
        where
            states.org_id = periods.org_id
            and states.periods_ago = periods.periods_ago
            and states.created_day between periods.period_start and periods.period_end
    ) as figures
),

-- The bookings completed in each period, whenever they were made: a cohort of young bookings holds only quick ones.
completions as (
    select
        periods.org_id,
        periods.periods_ago,
        figures.*
    from {{ ref('int_periods') }} as periods
    cross join lateral (
        select
            {% for name, (first_moment, last_moment) in durations.items() %}
                {{ mean_days('bookings.' ~ first_moment, 'bookings.' ~ last_moment) }} as {{ name }},
            {% endfor %}
            count(bookings.booking_id) as completed_in_period
        from {{ ref('int_bookings_as_of') }} as bookings
        where
            bookings.org_id = periods.org_id
            and bookings.completed_day between periods.period_start and periods.period_end
    ) as figures
),

-- The bookings open at the end of each period, whenever they were made.
stocks as (
    select
        periods.org_id,
        periods.periods_ago,
        figures.*
    from {{ ref('int_periods') }} as periods
    cross join lateral (
        select
            {% for status in open_now %}
                coalesce({{ count_where("states.derived_status = '" ~ status ~ "'") }}, 0) as {{ status }}_now,
            {% endfor %}
            coalesce({{ count_where("states.overdue_reason = 'provider'") }}, 0) as overdue_provider_now,
            coalesce({{ count_where("states.overdue_reason = 'client'") }}, 0) as overdue_client_now,
            coalesce({{ count_where("states.overdue_reason = 'payment'") }}, 0) as overdue_payment_now
        from {{ ref('int_booking_states') }} as states
        where
            states.org_id = periods.org_id
            and states.periods_ago = periods.periods_ago
            and states.derived_status in ('pending', 'active', 'at_risk', 'overdue')
    ) as figures
),

period_figures as (
    select
        periods.period_start,
        periods.period_end,
        cohorts.*,
        {{ share('cohorts.completed', 'cohorts.total_bookings') }} as completion_rate,
        {{ share('cohorts.cancellations', 'cohorts.total_bookings') }} as cancellation_rate,
        {{ share('cohorts.no_shows', 'cohorts.total_bookings') }} as no_show_rate,
        completions.completed_in_period,
        {% for name in durations %}
            completions.{{ name }},
        {% endfor %}
        {% for status in open_now %}
            stocks.{{ status }}_now,
        {% endfor %}
        stocks.overdue_provider_now,
        stocks.overdue_client_now,
        stocks.overdue_payment_now
    from {{ ref('int_periods') }} as periods
    inner join cohorts on periods.org_id = cohorts.org_id and periods.periods_ago = cohorts.periods_ago
    inner join completions on periods.org_id = completions.org_id and periods.periods_ago = completions.periods_ago
    inner join stocks on periods.org_id = stocks.org_id and periods.periods_ago = stocks.periods_ago
)

select
    this_period.org_id,
    this_period.period_end as as_of,
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
from period_figures as this_period
inner join period_figures as previous on this_period.org_id = previous.org_id and previous.periods_ago = 1
where this_period.periods_ago = 0
