{{
    config(
        unique_key=['org_id', 'created_day', 'service_id', 'currency', 'status', 'derived_status'],
        indexes=[
            {
                'columns': ['org_id', 'created_day', 'service_id', 'currency', 'status', 'derived_status'],
                'unique': true,
            },
        ],
    )
}}

-- The bookings made on each day, by service, currency and status, in counts and sums of what became of them by
-- as_of_at. The figures of any days are sums of its rows.
{%- set is_completed = "bookings.status_group = 'completed'" %}
{#- The punctuality of a booking is unknown if the day of its delivery or completion is unknown. #}
{%- set is_due = 'bookings.service_end_day <= run_clock.as_of and ' ~ is_firm('bookings.status_group')
    ~ " and (bookings.delivered_day is not null or bookings.status not in ('delivered', 'completed'))"
    ~ " and (bookings.completed_day is not null or bookings.status <> 'completed')" %}

select
    bookings.org_id,
    bookings.created_day,
    bookings.service_id,
    bookings.currency,
    bookings.status,
    bookings.status_group,
    states.derived_status,
    cast(count(*) as integer) as bookings,
    {{ as_money('sum(bookings.total_amount)') }} as total_amount,
    {{ as_money('sum(states.invoiced_amount)') }} as invoiced_amount,
    {{ as_money('sum(states.paid_amount)') }} as paid_amount,
    {{ as_money('sum(states.outstanding_amount)') }} as outstanding_amount,
    {{ as_money('coalesce(sum(case when bookings.is_realized then bookings.total_amount end), 0)') }}
        as realized_amount,
    cast(coalesce(sum(courses.tracked_hours), 0) as numeric(14, 4)) as tracked_hours,
    cast(coalesce(sum(case when bookings.is_realized then courses.tracked_hours end), 0) as numeric(14, 4))
        as realized_hours,
    cast(count(reviews.rating) as integer) as reviews,
    cast(coalesce(sum(reviews.rating), 0) as integer) as ratings,
    cast(
        {{ count_where("bookings.completed_day is not null or bookings.status_group <> 'completed'") }} as integer
    ) as completion_known,
    {% for age in var('completion_ages') %}
        cast(
            {{ count_where('bookings.completed_day <= ' ~ add_days('bookings.created_day', age)) }} as integer
        ) as completed_in_{{ age }}_days,
    {% endfor %}
    {% for name, (first_moment, last_moment) in completion_spans().items() %}
        {%- set seconds = 'case when ' ~ is_completed ~ ' then '
            ~ seconds_from_to('bookings.' ~ first_moment, 'bookings.' ~ last_moment) ~ ' end' %}
        cast(coalesce(sum({{ seconds }}), 0) as numeric(20, 6)) as {{ name }}_seconds,
        cast(count({{ seconds }}) as integer) as {{ name }}_bookings,
    {% endfor %}
    cast({{ count_where(is_due) }} as integer) as due,
    cast({{ count_where(is_due ~ ' and bookings.delivered_day <= bookings.service_end_day') }} as integer)
        as delivered_on_time,
    cast({{ count_where(is_due ~ ' and bookings.completed_day <= bookings.service_end_day') }} as integer)
        as accepted_on_time
from {{ ref('int_bookings_as_of') }} as bookings
inner join {{ ref('stg_app__run_clock') }} as run_clock on bookings.org_id = run_clock.org_id
inner join {{ ref('int_booking_states') }} as states
    on bookings.booking_id = states.booking_id and bookings.periods_ago = states.periods_ago
left join {{ ref('int_booking_courses') }} as courses on bookings.booking_id = courses.booking_id
left join {{ ref('fct_reviews') }} as reviews
    on bookings.booking_id = reviews.booking_id and bookings.seen_at > reviews.reviewed_at
group by
    bookings.org_id,
    bookings.created_day,
    bookings.service_id,
    bookings.currency,
    bookings.status,
    bookings.status_group,
    states.derived_status
