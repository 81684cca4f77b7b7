"""Tables of the catalogue: services, packages, add-ons and price rules."""

from sqlalchemy import Boolean, Column, Date, Integer, Numeric, SmallInteger, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY

from sources.tables.columns import (
    NOT_LANDED,
    belongs_to,
    check,
    currency_column,
    hub_table,
    money_column,
    operational_table,
    text_column,
    uuid_column,
)

services = operational_table(
    "services",
    text_column("name"),
    text_column("category", required=False),
    money_column("base_price"),
    currency_column(),
    Column("duration_hours", Numeric(8, 2)),
    Column("is_active", Boolean, nullable=False, server_default=text("true")),
    text_column("external_ref", required=False),
    check("base_price >= 0", "base_price"),
    UniqueConstraint("org_id", "name"),
    UniqueConstraint("org_id", "external_ref"),
)

service_packages = operational_table(
    "service_packages",
    uuid_column("service_id"),
    text_column("name"),
    money_column("price"),
    currency_column(),
    Column("hours_included", Numeric(8, 2)),
    Column("is_active", Boolean, nullable=False, server_default=text("true"), info=NOT_LANDED),
    belongs_to("services", "service_id"),
    check("price >= 0", "price"),
    UniqueConstraint("org_id", "service_id", "name"),
)

service_add_ons = hub_table(
    "service_add_ons",
    uuid_column("service_id"),
    text_column("name"),
    money_column("price"),
    currency_column(),
    Column("is_active", Boolean, nullable=False, server_default=text("true")),
    belongs_to("services", "service_id"),
    check("price >= 0", "price"),
    UniqueConstraint("org_id", "service_id", "name"),
)

price_rules = hub_table(
    "price_rules",
    uuid_column("service_id", required=False),  # null: every service
    uuid_column("package_id", required=False),  # null: every package, and no package
    text_column("name"),
    Column("weekdays", ARRAY(SmallInteger)),  # ISO weekdays (1 is Monday) of the start, local time
    Column("starts_on", Date),  # the first and last day on which the booking may start
    Column("ends_on", Date),
    Column("min_lead_days", Integer),  # from the booking to the start
    Column("max_lead_days", Integer),
    Column("adjust_pct", Numeric(6, 2), nullable=False),  # rules are applied one after the other, by position
    Column("position", SmallInteger, nullable=False, server_default=text("1")),
    Column("is_active", Boolean, nullable=False, server_default=text("true")),
    belongs_to("services", "service_id"),
    belongs_to("service_packages", "package_id"),
    check("adjust_pct > -100", "adjust_pct"),
    UniqueConstraint("org_id", "name"),
)
