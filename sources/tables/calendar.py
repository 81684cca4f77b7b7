"""Table of what is known ahead: closures, campaigns, price changes, and events in town."""

from sqlalchemy import Column, Date, Index, Numeric

from sources.row_values import CALENDAR_EVENT_KINDS
from sources.tables.columns import belongs_to, check, one_of, operational_table, text_column, uuid_column

calendar_events = operational_table(
    "calendar_events",
    text_column("kind"),
    text_column("title"),
    Column("starts_on", Date, nullable=False),
    Column("ends_on", Date, nullable=False),  # the last day of the event
    uuid_column("service_id", required=False),  # without service and provider: the whole organisation
    uuid_column("provider_id", required=False),
    Column("expected_effect", Numeric(8, 4)),  # the factor on a usual day, such as 1.5; null: unknown
    one_of("kind", CALENDAR_EVENT_KINDS),
    check("ends_on >= starts_on", "starts_on", "ends_on", name="days"),
    check("expected_effect >= 0", "expected_effect"),
    check("service_id is null or provider_id is null", "service_id", "provider_id", name="concerns"),
    belongs_to("services", "service_id"),
    belongs_to("profiles", "provider_id"),
    Index(None, "org_id", "starts_on"),
)
