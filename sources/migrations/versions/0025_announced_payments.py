"""Payments know who announced them: an event of a processor that names no invoice settles what an admin announced."""

from alembic import op

revision = "0025"
down_revision = "0024"

FUNCTION = """
drop function app.organization_of_payment(text, text);
-- The organisation of the payment that an event without an organisation is about: the only one in which it is recorded
-- as paid; if it is recorded as paid in none, the only one in which it is announced, if an admin announced it there.
-- `is_announced`: anybody announced it, in any organisation.
create function app.organization_of_payment(
    p_processor text, p_ref text, out org_id uuid, out is_announced boolean
) stable language sql security definer set search_path = app, pg_temp as $$
    select
        case
            when count(distinct found.org_id) filter (where found.status = 'succeeded') = 1
            then (array_agg(found.org_id) filter (where found.status = 'succeeded'))[1]
            when count(distinct found.org_id) filter (where found.status <> 'failed') = 1
            then (array_agg(found.org_id) filter (where found.status <> 'failed' and found.is_by_admin))[1]
        end,
        count(*) > 0
    from (
        select payment.org_id, payment.status, coalesce(person.role = 'admin', false) as is_by_admin
        from app.payments as payment
        left join app.profiles as person on person.org_id = payment.org_id and person.id = payment.announced_by
        where payment.processor = p_processor and payment.processor_ref = p_ref
    ) as found
$$;
revoke execute on function app.organization_of_payment from public;
grant execute on function app.organization_of_payment to hub_api;
"""
FORMER_FUNCTION = """
drop function app.organization_of_payment(text, text);
create function app.organization_of_payment(p_processor text, p_ref text) returns uuid stable language sql
    security definer set search_path = app, pg_temp as $$
    select org_id from app.payments where processor = p_processor and processor_ref = p_ref limit 1
$$;
revoke execute on function app.organization_of_payment from public;
grant execute on function app.organization_of_payment to hub_api;
"""


def upgrade() -> None:
    op.execute("alter table app.payments add column announced_by uuid")
    op.execute(FUNCTION)


def downgrade() -> None:
    op.execute(FORMER_FUNCTION)
    op.execute("alter table app.payments drop column announced_by")
