{{
    config(
        materialized='incremental',
        incremental_strategy='only_differences',
        on_schema_change='fail',
        unique_key=['service_id', 'day'],
        post_hook="{{ analyze_table() }}",
        indexes=[{'columns': ['service_id', 'day'], 'unique': true}],
    )
}}

-- Each span of an open invoice adds its amount to its service on its days. Days on which nothing is open have no row.
with spans as (
    select
        invoices.org_id,
        invoices.service_id,
        spans.first_day,
        spans.until_day,
        spans.open_amount
    from {{ ref('fct_receivables') }} as spans
    inner join {{ ref('fct_invoices') }} as invoices on spans.invoice_id = invoices.invoice_id
),

changes as (
    select
        org_id,
        service_id,
        first_day as day,
        open_amount
    from spans
    union all
    select
        org_id,
        service_id,
        until_day as day,
        -open_amount as open_amount
    from spans
    where until_day is not null
),

{{ levels_of_days('changes', 'open_amount') }}
