{{
    config(
        unique_key=['org_id', 'dimension', 'member', 'service_day', 'lead_days'],
        indexes=[{'columns': ['org_id', 'dimension', 'member', 'service_day', 'lead_days'], 'unique': true}],
    )
}}

{%- set horizon = var('on_hand_days') %}

-- A booking enters the books of its service day at the lead of its creation and leaves them at the lead of its
-- cancellation: two changes, whatever the number of leads between them.
with entries as (
    select
        org_id,
        service_id,
        service_day,
        least(lead_days, {{ horizon }}) as lead_days,
        1 as bookings,
        total_amount as revenue
    from {{ ref('fct_bookings') }}
    where lead_days >= 0
),

exits as (
    select
        org_id,
        service_id,
        service_day,
        least({{ days_from_to('cancelled_day', 'service_day') }}, lead_days, {{ horizon }}) as lead_days,
        -1 as bookings,
        -total_amount as revenue
    from {{ ref('fct_bookings') }}
    where lead_days >= 0 and cancelled_day <= service_day
),

moves as (
    select * from entries
    union all
    select * from exits
),

-- Without a service: the total of the organisation.
changes as (
    select
        org_id,
        cast(null as uuid) as service_id,
        service_day,
        lead_days,
        sum(bookings) as bookings,
        sum(revenue) as revenue
    from moves
    group by org_id, service_day, lead_days
    union all
    select
        org_id,
        service_id,
        service_day,
        lead_days,
        sum(bookings) as bookings,
        sum(revenue) as revenue
    from moves
    group by org_id, service_id, service_day, lead_days
),

series as (
    select
        changes.org_id,
        changes.service_id,
        run_clock.as_of,
        min(changes.service_day) as first_day
    from changes
    inner join {{ ref('stg_app__run_clock') }} as run_clock on changes.org_id = run_clock.org_id
    group by changes.org_id, changes.service_id, run_clock.as_of
),

-- Every service day of every series begins its books at the longest lead, with nothing.
filled as (
    select
        org_id,
        service_id,
        service_day,
        lead_days,
        bookings,
        revenue
    from changes
    union all
    select
        series.org_id,
        series.service_id,
        dates.day as service_day,
        {{ horizon }} as lead_days,
        0 as bookings,
        0 as revenue
    from series
    inner join {{ ref('dim_date') }} as dates
        on dates.day between series.first_day and {{ add_days('series.as_of', horizon) }}
),

-- What stands from one change to the next.
steps as (
    select
        org_id,
        service_id,
        service_day,
        lead_days,
        coalesce(lead(lead_days) over books, -1) as next_lead_days,
        sum(sum(bookings)) over books as bookings,
        sum(sum(revenue)) over books as revenue
    from filled
    group by org_id, service_id, service_day, lead_days
    window books as (partition by org_id, service_id, service_day order by lead_days desc)
)

select
    steps.org_id,
    case when steps.service_id is null then 'total' else 'service' end as dimension,
    coalesce(cast(steps.service_id as text), 'all') as member,
    steps.service_day,
    numbers.number as lead_days,
    cast(steps.bookings as integer) as bookings,
    {{ as_money('steps.revenue') }} as revenue
from steps
inner join {{ ref('stg_app__run_clock') }} as run_clock on steps.org_id = run_clock.org_id
cross join lateral {{ every_number('steps.next_lead_days + 1', 'steps.lead_days') }} as numbers
where
    steps.service_day <= {{ add_days('run_clock.as_of', horizon) }}
    and numbers.number >= {{ days_from_to('run_clock.as_of', 'steps.service_day') }}
