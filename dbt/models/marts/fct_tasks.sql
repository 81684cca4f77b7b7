{{
    config(
        unique_key='task_id',
        incremental_strategy='delete+insert',
        post_hook="{{ delete_orphans('tasks', 'task_id') }}",
        indexes=[
            {'columns': ['task_id'], 'unique': true},
            {'columns': ['booking_id']},
            {'columns': ['org_id', 'due_day']},
            {'columns': ['_loaded_at']},
            {'columns': ['_booking_loaded_at']},
            {'columns': ['_organization_loaded_at']},
        ],
    )
}}

select
    tasks.task_id,
    tasks.org_id,
    tasks.booking_id,
    bookings.service_id,
    bookings.provider_id,
    tasks.milestone_id,
    tasks.assignee_id,
    tasks.title,
    tasks.status,
    tasks.weight,
    tasks.progress_pct,
    tasks.estimated_hours,
    tasks.due_at,
    tasks.completed_at,
    {{ local_day('tasks.due_at', 'organizations.timezone') }} as due_day,
    {{ local_day('tasks.completed_at', 'organizations.timezone') }} as completed_day,
    tasks.status = 'done' as is_done,
    tasks._loaded_at,
    bookings._loaded_at as _booking_loaded_at,
    organizations._loaded_at as _organization_loaded_at
from {{ ref('stg_app__tasks') }} as tasks
inner join {{ ref('stg_app__bookings') }} as bookings on tasks.booking_id = bookings.booking_id
inner join {{ ref('stg_app__organizations') }} as organizations on tasks.org_id = organizations.org_id
{{ only_changed('tasks', 'task_id') }}
