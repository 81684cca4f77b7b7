"""Tables of organisations and their people."""

from sqlalchemy import Boolean, CheckConstraint, Column, Date, Index, Numeric, SmallInteger, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from sources.row_values import DEFAULT_LOCALE, LOCALES, PERSON_ROLES, SENSITIVITIES
from sources.tables.columns import (
    belongs_to,
    check,
    currency_column,
    one_of,
    operational_table,
    text_column,
    uuid_column,
)


def _working_days() -> tuple[Column[object], CheckConstraint]:
    """Return the column of ISO weekdays (1 is Monday), and its CHECK."""
    return Column("working_days", ARRAY(SmallInteger)), check("working_days <@ '{1,2,3,4,5,6,7}'", "working_days")


organizations = operational_table(
    "organizations",
    text_column("name"),
    text_column("slug"),
    text_column("timezone"),
    text_column("country", required=False),  # ISO 3166-1 alpha-2, for the public holidays
    text_column("region", required=False),  # the subdivision code of ISO 3166-2 without its country, for regional ones
    currency_column(),
    Column("settings", JSONB, nullable=False, server_default=text("'{}'")),
    *_working_days(),  # null: derived from the weekdays of its bookings
    text_column("sensitivity", default="normal"),
    text_column("locale", default=DEFAULT_LOCALE),  # of figures and money, as CLDR names it
    UniqueConstraint("slug"),
    one_of("sensitivity", SENSITIVITIES),
    one_of("locale", LOCALES),
    check("org_id = id", "org_id", "id", name="is_its_own_organization"),
    in_organization=False,
)

profiles = operational_table(
    "profiles",
    text_column("role"),
    text_column("full_name"),
    text_column("email", required=False),
    text_column("client_group", required=False),  # the segment of a client, e.g. a market segment
    Column("capacity_hours_per_day", Numeric(5, 2)),  # of a provider, on a working day
    Column("is_active", Boolean, nullable=False, server_default=text("true")),
    text_column("external_ref", required=False),
    *_working_days(),  # of a provider; null: those of the organisation
    one_of("role", PERSON_ROLES),
    check("capacity_hours_per_day between 0 and 24", "capacity_hours_per_day", name="capacity"),
    UniqueConstraint("org_id", "email"),
    UniqueConstraint("org_id", "external_ref"),
)

provider_absences = operational_table(
    "provider_absences",
    uuid_column("provider_id"),
    Column("starts_on", Date, nullable=False),
    Column("ends_on", Date, nullable=False),  # the last day of the absence
    text_column("reason", required=False),
    check("ends_on >= starts_on", "starts_on", "ends_on", name="days"),
    belongs_to("profiles", "provider_id"),
    Index(None, "org_id", "provider_id", "starts_on"),
)
