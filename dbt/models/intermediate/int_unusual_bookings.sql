-- Logarithms, because prices differ by factors; quartiles, because a wrong amount must not widen the range that it is
-- compared with. Amounts of zero and below are gifts and corrections, not typing errors.
{%- set service_days -%}
    greatest({{ days_from_to('bookings.service_day', 'bookings.service_end_day') }}, 1)
{%- endset %}
{%- set log_amount = 'ln(bookings.total_amount / ' ~ service_days ~ ')' %}
{%- set known_day = 'coalesce(bookings.created_day, bookings.service_day)' %}

with usual_amounts as (
    select
        bookings.org_id,
        bookings.service_id,
        bookings.currency,
        count(*) as bookings,
        percentile_cont(0.25) within group (order by {{ log_amount }}) as lower_quartile,
        percentile_cont(0.5) within group (order by {{ log_amount }}) as median,
        percentile_cont(0.75) within group (order by {{ log_amount }}) as upper_quartile
    from {{ ref('fct_bookings') }} as bookings
    inner join {{ ref('stg_app__run_clock') }} as run_clock on bookings.org_id = run_clock.org_id
    where
        bookings.total_amount > 0
        and {{ known_day }} <= run_clock.as_of
        and {{ known_day }} > {{ add_days('run_clock.as_of', -var('unusual_booking_history_days')) }}
    group by bookings.org_id, bookings.service_id, bookings.currency
    having count(*) >= {{ var('unusual_booking_least_bookings') }}
),

-- A normal distribution with these quartiles has a standard deviation of their distance over 1.349.
ranges as (
    select
        usual_amounts.*,
        {{ var('unusual_booking_spreads') }} * (usual_amounts.upper_quartile - usual_amounts.lower_quartile) / 1.349
            as distance
    from usual_amounts
)

select
    bookings.booking_id,
    bookings.org_id,
    bookings.booking_number,
    bookings.service_id,
    {{ known_day }} as known_day,
    bookings.total_amount,
    bookings.currency,
    {{ service_days }} as service_days,
    ranges.bookings as service_bookings,
    {{ as_money('exp(ranges.median)') }} as usual_amount_per_day,
    {{ as_money('exp(ranges.lower_quartile)') }} as lower_amount_per_day,
    {{ as_money('exp(ranges.upper_quartile)') }} as upper_amount_per_day
from {{ ref('fct_bookings') }} as bookings
inner join {{ ref('stg_app__run_clock') }} as run_clock on bookings.org_id = run_clock.org_id
inner join ranges
    on
        bookings.org_id = ranges.org_id
        and bookings.service_id = ranges.service_id
        and bookings.currency = ranges.currency
where
    bookings.total_amount > 0
    and {{ known_day }} <= run_clock.as_of
    and {{ known_day }} > {{ add_days('run_clock.as_of', -var('unusual_booking_recent_days')) }}
    and (
        {{ log_amount }} > ranges.median + greatest(ranges.distance, ln({{ var('unusual_booking_high_factor') }}))
        or {{ log_amount }} < ranges.median - greatest(ranges.distance, ln({{ var('unusual_booking_low_factor') }}))
    )
