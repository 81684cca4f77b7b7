{{
    config(
        unique_key='milestone_id',
        incremental_strategy='delete+insert',
        post_hook="{{ delete_orphans('milestones', 'milestone_id') }}",
        indexes=[
            {'columns': ['milestone_id'], 'unique': true},
            {'columns': ['booking_id']},
            {'columns': ['org_id', 'due_day']},
            {'columns': ['_loaded_at']},
            {'columns': ['_booking_loaded_at']},
            {'columns': ['_organization_loaded_at']},
        ],
    )
}}

select
    milestones.milestone_id,
    milestones.org_id,
    milestones.booking_id,
    bookings.service_id,
    bookings.provider_id,
    milestones.title,
    milestones.position,
    milestones.weight,
    milestones.status,
    milestones.progress_pct,
    milestones.due_at,
    milestones.completed_at,
    {{ local_day('milestones.due_at', 'organizations.timezone') }} as due_day,
    {{ local_day('milestones.completed_at', 'organizations.timezone') }} as completed_day,
    milestones.status = 'approved' as is_done,
    milestones._loaded_at,
    bookings._loaded_at as _booking_loaded_at,
    organizations._loaded_at as _organization_loaded_at
from {{ ref('stg_app__milestones') }} as milestones
inner join {{ ref('stg_app__bookings') }} as bookings on milestones.booking_id = bookings.booking_id
inner join {{ ref('stg_app__organizations') }} as organizations on milestones.org_id = organizations.org_id
{{ only_changed('milestones', 'milestone_id') }}
