{{
    config(
        unique_key='review_id',
        incremental_strategy='delete+insert',
        post_hook="{{ delete_orphans('reviews', 'review_id') }}",
        indexes=[
            {'columns': ['review_id'], 'unique': true},
            {'columns': ['booking_id']},
            {'columns': ['org_id', 'reviewed_day']},
            {'columns': ['_loaded_at']},
            {'columns': ['_booking_loaded_at']},
            {'columns': ['_organization_loaded_at']},
        ],
    )
}}

select
    reviews.review_id,
    reviews.org_id,
    reviews.booking_id,
    bookings.service_id,
    reviews.client_id,
    reviews.provider_id,
    reviews.rating,
    reviews.comment,
    reviews.reviewed_at,
    {{ local_day('reviews.reviewed_at', 'organizations.timezone') }} as reviewed_day,
    reviews._loaded_at,
    bookings._loaded_at as _booking_loaded_at,
    organizations._loaded_at as _organization_loaded_at
from {{ ref('stg_app__reviews') }} as reviews
inner join {{ ref('stg_app__bookings') }} as bookings on reviews.booking_id = bookings.booking_id
inner join {{ ref('stg_app__organizations') }} as organizations on reviews.org_id = organizations.org_id
{{ only_changed('reviews', 'review_id') }}
