select
    country,
    region,
    day,
    name as holiday_name
from {{ source('app', 'public_holidays') }}
