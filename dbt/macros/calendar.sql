{# Days, hours and months. A business day is the date of a moment in the organisation's time zone. #}

{% macro local_day(moment, timezone) -%}
    {{ adapter.dispatch('local_day')(moment, timezone) }}
{%- endmacro %}

{% macro default__local_day(moment, timezone) -%}
    cast(from_utc_timestamp({{ moment }}, {{ timezone }}) as date)
{%- endmacro %}

{% macro postgres__local_day(moment, timezone) -%}
    cast({{ moment }} at time zone {{ timezone }} as date)
{%- endmacro %}


{# The hour of the day, 0 to 23, of a moment in a time zone. #}
{% macro local_hour(moment, timezone) -%}
    {{ adapter.dispatch('local_hour')(moment, timezone) }}
{%- endmacro %}

{% macro default__local_hour(moment, timezone) -%}
    hour(from_utc_timestamp({{ moment }}, {{ timezone }}))
{%- endmacro %}

{% macro postgres__local_hour(moment, timezone) -%}
    extract(hour from {{ moment }} at time zone {{ timezone }})
{%- endmacro %}


{# The moment at which a business day begins. #}
{% macro start_of_day(day, timezone) -%}
    {{ adapter.dispatch('start_of_day')(day, timezone) }}
{%- endmacro %}

{% macro default__start_of_day(day, timezone) -%}
    to_utc_timestamp(cast({{ day }} as timestamp), {{ timezone }})
{%- endmacro %}

{% macro postgres__start_of_day(day, timezone) -%}
    (cast({{ day }} as timestamp) at time zone {{ timezone }})
{%- endmacro %}


{# `day` moved by `days` days (either may be an expression), as a date. #}
{% macro add_days(day, days) -%}
    cast({{ dbt.dateadd('day', days, day) }} as date)
{%- endmacro %}


{# Whole days from one date to a later one. #}
{% macro days_from_to(first_day, last_day) -%}
    {{ dbt.datediff(first_day, last_day, 'day') }}
{%- endmacro %}


{# Months from the first day of one month to that of a later one. #}
{% macro months_from_to(first_month, last_month) -%}
    cast({{ dbt.datediff(first_month, last_month, 'month') }} as integer)
{%- endmacro %}


{% macro first_day_of(part, day) -%}
    cast({{ dbt.date_trunc(part, day) }} as date)
{%- endmacro %}


{% macro last_day_of(part, day) -%}
    cast({{ dbt.last_day(day, part) }} as date)
{%- endmacro %}


{# Seconds from one moment to another, with their fraction. #}
{% macro seconds_from_to(first_moment, last_moment) -%}
    {{ adapter.dispatch('seconds_from_to')(first_moment, last_moment) }}
{%- endmacro %}

{% macro default__seconds_from_to(first_moment, last_moment) -%}
    (cast({{ last_moment }} as double) - cast({{ first_moment }} as double))
{%- endmacro %}

{% macro postgres__seconds_from_to(first_moment, last_moment) -%}
    extract(epoch from {{ last_moment }} - {{ first_moment }})
{%- endmacro %}


{# The ISO weekday of a date: 1 is Monday, 7 is Sunday. #}
{% macro weekday_of(day) -%}
    {{ adapter.dispatch('weekday_of')(day) }}
{%- endmacro %}

{% macro default__weekday_of(day) -%}
    (weekday({{ day }}) + 1)
{%- endmacro %}

{% macro postgres__weekday_of(day) -%}
    cast(extract(isodow from {{ day }}) as integer)
{%- endmacro %}


{# A subquery with one column, `number`: every integer from `first` to `last`. #}
{% macro every_number(first, last) -%}
    {{ adapter.dispatch('every_number')(first, last) }}
{%- endmacro %}

{% macro default__every_number(first, last) -%}
    (select explode(sequence({{ first }}, {{ last }})) as number)
{%- endmacro %}

{% macro postgres__every_number(first, last) -%}
    (select generate_series({{ first }}, {{ last }}) as number)
{%- endmacro %}


{# An array of ISO weekdays as text, one digit per day: 12345 is Monday to Friday. #}
{% macro weekdays_as_text(weekdays) -%}
    {{ adapter.dispatch('weekdays_as_text')(weekdays) }}
{%- endmacro %}

{% macro default__weekdays_as_text(weekdays) -%}
    array_join({{ weekdays }}, '')
{%- endmacro %}

{% macro postgres__weekdays_as_text(weekdays) -%}
    array_to_string({{ weekdays }}, '')
{%- endmacro %}


{# True if a text of weekdays contains `weekday`. #}
{% macro names_weekday(weekdays, weekday) -%}
    {{ weekdays }} like '%' || cast({{ weekday }} as text) || '%'
{%- endmacro %}
