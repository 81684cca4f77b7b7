"""Requests for insights: how often a run was started for one, and a function that makes one where none waits."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"

REQUEST_INSIGHTS = """
create function app.request_insights(p_org_id uuid, p_requested_by text) returns uuid
language sql set search_path = '' as $function$
    -- Two callers at the same time make one request.
    select pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtext('request_insights ' || coalesce(p_org_id::text, 'all')));
    with waiting as (
        select logs.id from app.insight_run_logs as logs
        where logs.status = 'requested' and logs.org_id is not distinct from p_org_id
        order by logs.created_at limit 1
    ), made as (
        insert into app.insight_run_logs (org_id, requested_by)
        select p_org_id, p_requested_by where not exists (select from waiting)
        returning id
    )
    select id from waiting union all select id from made;
$function$;
comment on function app.request_insights is 'Return the id of the waiting request for insights of the organisation (null: of all), made if there is none.';
revoke all on function app.request_insights from public;
grant execute on function app.request_insights to hub_api;
"""


def upgrade() -> None:
    op.add_column(
        "insight_run_logs",
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        schema="app",
    )
    op.execute(REQUEST_INSIGHTS)


def downgrade() -> None:
    op.execute("drop function app.request_insights")
    op.drop_column("insight_run_logs", "attempts", schema="app")
