"""Table of the targets that the business sets itself for its metrics."""

from sqlalchemy import Column, Date, Numeric, UniqueConstraint

from sources.row_values import GRAINS
from sources.tables.columns import one_of, operational_table, text_column

metric_targets = operational_table(
    "metric_targets",
    text_column("metric"),  # as in marts.dim_metric
    text_column("dimension", default="total"),
    text_column("member", default="all"),
    text_column("grain"),
    Column("starts_on", Date, nullable=False),  # for the periods from this day on, until a later one begins
    Column("target", Numeric(18, 4)),  # of one period, in the unit of the metric; null: none from this day on
    one_of("grain", GRAINS),
    UniqueConstraint("org_id", "metric", "dimension", "member", "grain", "starts_on", name="uq_metric_targets_series"),
)
