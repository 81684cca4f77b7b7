"""States of the dbt models: from which definition and which input each was last built."""

from alembic import op

revision = "0017"
down_revision = "0016"

STATES = """
create table raw.model_states (
    node text primary key,
    definition text not null,
    inputs text not null,
    row_count bigint,
    built_at timestamptz not null default now()
);
comment on table raw.model_states is 'From which definition and which input each dbt model was last built, and each dbt test last passed.';
"""


def upgrade() -> None:
    op.execute(STATES)


def downgrade() -> None:
    op.execute("drop table raw.model_states")
