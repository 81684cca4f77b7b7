"""Forecast accuracy is a dbt view: drop its table and its recorded failures, and the relations of renamed dbt models."""

from alembic import op

revision = "0013"
down_revision = "0012"

TABLE = """
create table ml.forecast_accuracy (
    org_id uuid not null,
    as_of date not null,
    service_id uuid,
    lead_days integer not null,
    days integer not null,
    actual numeric(16, 2) not null,
    forecast numeric(16, 2) not null,
    absolute_error numeric(16, 2) not null,
    naive_absolute_error numeric(16, 2),
    covered_80 integer not null,
    covered_95 integer not null,
    unique nulls not distinct (org_id, service_id, lead_days),
    check (days > 0 and covered_80 <= covered_95 and covered_95 <= days)
);
"""

RENAMED_MODELS = {"int_book_steps": "table", "int_book_moves": "view", "int_book_edges": "view"}


def upgrade() -> None:
    # Views of an earlier build on these relations are dropped as well: the next run builds them again.
    op.execute("drop table ml.forecast_accuracy cascade")
    op.execute("delete from raw.run_failures where step = 'forecast_accuracy'")
    for name, kind in RENAMED_MODELS.items():
        op.execute(f"drop {kind} if exists intermediate.{name} cascade")


def downgrade() -> None:
    op.execute(TABLE)
