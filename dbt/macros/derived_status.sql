{# The derived status of a booking at `now`: its group if that is pending, completed or cancelled. An ongoing booking is
   overdue once its end has passed, at_risk with a milestone past due or with progress that lags the elapsed schedule, else
   active. #}
{% macro derived_status(group, scheduled_start, scheduled_end, progress_pct, milestones_past_due, now) -%}
    case
        when {{ group }} <> 'ongoing' then {{ group }}
        when {{ scheduled_end }} < {{ now }} then 'overdue'
        when {{ milestones_past_due }} > 0 then 'at_risk'
        when
            {{ scheduled_start }} < {{ now }}
            and 100 * {{ seconds_from_to(scheduled_start, now) }}
            / {{ seconds_from_to(scheduled_start, scheduled_end) }}
            - {{ progress_pct }} > {{ var('at_risk_lag_points') }}
            then 'at_risk'
        else 'active'
    end
{%- endmacro %}
