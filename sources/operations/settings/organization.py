"""The organisation: its name, place, working days, sensitivity, and its policies of deposits and cancellations."""

from datetime import datetime
from decimal import Decimal
from functools import cache
from itertools import pairwise
from typing import Annotated, Any, Final
from uuid import UUID
from zoneinfo import available_timezones

import asyncpg
import holidays
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from sources.operations.errors import Refusal
from sources.operations.field_types import Line, Moment, Request, Weekdays
from sources.operations.settings import rows
from sources.operations.settings.rows import Resource, demand_admin
from sources.operations.settings.services import Version
from sources.operations.transaction import Tx
from sources.row_values import DEFAULT_LOCALE, FormatLocale, Sensitivity

MOST_RULES: Final = 20
LONGEST_NOTICE_H: Final = 8784

Percentage = Annotated[Decimal, Field(ge=0, le=100, max_digits=5, decimal_places=2, examples=["40"])]
CountryCode = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]


class CancellationRule(BaseModel):
    """The fee of a client who cancels fewer than `hours_before` hours before the start."""

    model_config = ConfigDict(extra="forbid")
    hours_before: Annotated[Decimal, Field(ge=0, le=LONGEST_NOTICE_H, max_digits=8, decimal_places=2, examples=["24"])]
    fee_pct: Percentage = Field(description="The share of the price, in percent.")


class FormerRules(BaseModel):
    """Cancellation rules that were replaced: they stand for the bookings that were made until then."""

    until: datetime
    rules: list[CancellationRule]


class OrganizationSettings(BaseModel):
    """The keys of `app.organizations.settings` that operations read. Others, such as of the sample, are kept."""

    deposit_pct: Percentage = Field(Decimal(0), description="The share of a price that is due before confirmation.")
    cancellation_rules: list[CancellationRule] = Field([], max_length=MOST_RULES)
    former_cancellation_rules: list[FormerRules] = []
    providers_record_payments: bool = Field(False, description="True: providers record and settle payments.")


class OrganizationChange(Request):
    """The fields to change; a field that is absent is kept."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"deposit_pct": "30"}]})
    name: Line = Field(default_factory=str)
    timezone: Line = Field(default_factory=str, examples=["Europe/Lisbon"])
    country: CountryCode | None = Field(None, description="ISO 3166-1, for its public holidays.", examples=["PT"])
    region: Line | None = Field(None, description="ISO 3166-2 without the country, for regional ones.", examples=["AZ"])
    working_days: Weekdays | None = Field(None, description="Null: derived from the weekdays of its bookings.")
    sensitivity: Sensitivity = "normal"
    locale: FormatLocale = Field(DEFAULT_LOCALE, description="How figures and money are written (CLDR).")
    deposit_pct: Percentage = Decimal(0)
    cancellation_rules: list[CancellationRule] = Field([], max_length=MOST_RULES)
    providers_record_payments: bool = False


class Organization(BaseModel):
    """The organisation of the caller."""

    id: UUID
    name: str
    slug: str
    timezone: str
    country: str | None
    region: str | None
    currency: str
    working_days: list[int] | None
    sensitivity: Sensitivity
    locale: FormatLocale
    deposit_pct: Percentage
    cancellation_rules: list[CancellationRule]
    providers_record_payments: bool
    created_at: Moment
    updated_at: Moment
    version: Version


POLICIES: Final = ("deposit_pct", "cancellation_rules", "providers_record_payments")
ORGANIZATION: Final = Resource(
    "organizations", "organisation",
    "select id, name, slug, timezone, country, region, currency, working_days, sensitivity, locale, settings, "
    "created_at, updated_at, row_version::text as version from app.organizations where org_id = $1 and id = $2",
)  # fmt: skip
HAS_BOOKINGS: Final = "select exists (select from app.bookings where org_id = $1) as has_bookings"


async def get_organization(tx: Tx) -> Organization:
    """Return the organisation of the caller."""
    row = await rows.find(tx, ORGANIZATION, tx.org_id)
    policies = OrganizationSettings.model_validate(row["settings"])
    values = dict(row) | {name: getattr(policies, name) for name in POLICIES}
    del values["settings"]
    return Organization.model_construct(**values)


async def edit_organization(tx: Tx, change: OrganizationChange, expected: str | None) -> Organization:
    """Change the organisation; `expected`: the version that the caller last read, if given.

    A booking owes no higher fee than by the cancellation rules that stood when it was made, and keeps its deposit.

    Raises Refusal: forbidden, stale, conflict timezone_fixed, invalid (unknown_timezone, unknown_country,
    unknown_region, rule_twice, fee_falls).
    """
    demand_admin(tx, "Settings of the organisation are")
    row = await rows.lock(tx, ORGANIZATION, tx.org_id, expected)
    changes = rows.changes_of(change)
    await _demand_place(tx, row, dict(row) | changes)
    policies = change.model_dump(mode="json", include=set(POLICIES), exclude_unset=True)
    columns = {name: value for name, value in changes.items() if name not in POLICIES}
    if policies:
        columns["settings"] = row["settings"] | policies | _former_rules(tx, row, change)
    await rows.update(tx, ORGANIZATION, tx.org_id, columns)
    return await get_organization(tx)


async def _demand_place(tx: Tx, row: asyncpg.Record, values: dict[str, Any]) -> None:
    """Raise Refusal where the time zone, the country or the region cannot be that of the organisation."""
    if values["timezone"] != row["timezone"]:
        if values["timezone"] not in _timezones():
            raise Refusal("invalid", "unknown_timezone", "Write the time zone such as Europe/Lisbon.", field="timezone")
        if (await tx.one(HAS_BOOKINGS, tx.org_id))["has_bookings"]:
            raise Refusal(
                "conflict", "timezone_fixed",
                "The time zone is fixed once there are bookings: every figure of a day would be another one.",
                field="timezone",
            )  # fmt: skip
    if (values["country"], values["region"]) == (row["country"], row["region"]):
        return
    regions = _regions().get(values["country"], [])
    if values["country"] and values["country"] not in _regions():
        raise Refusal("invalid", "unknown_country", "There are no public holidays of this country.", field="country")
    if values["region"] and values["region"] not in regions:
        raise Refusal(
            "invalid", "unknown_region", f"The regions of the country are: {', '.join(regions) or 'none'}.",
            field="region",
        )  # fmt: skip


@cache
def _timezones() -> set[str]:
    return available_timezones()


@cache
def _regions() -> dict[str, list[str]]:
    """Return the regions with public holidays of each country that has public holidays."""
    regions: dict[str, list[str]] = holidays.list_supported_countries()
    return regions


def _former_rules(tx: Tx, row: asyncpg.Record, change: OrganizationChange) -> dict[str, Any]:
    """Return the setting of former rules if `change` replaces rules, else nothing. Raises Refusal invalid."""
    if "cancellation_rules" not in change.model_fields_set:
        return {}
    by_notice = sorted(change.cancellation_rules, key=lambda rule: rule.hours_before)
    for nearer, farther in pairwise(by_notice):
        if nearer.hours_before == farther.hours_before:
            raise Refusal(
                "invalid", "rule_twice", f"There are two fees for {nearer.hours_before} hours before the start.",
                field="cancellation_rules",
            )  # fmt: skip
        if nearer.fee_pct < farther.fee_pct:
            raise Refusal(
                "invalid", "fee_falls",
                f"The fee falls from {farther.fee_pct} to {nearer.fee_pct} % as the start approaches.",
                field="cancellation_rules",
            )  # fmt: skip
    present = OrganizationSettings.model_validate(row["settings"])
    if present.cancellation_rules == change.cancellation_rules:
        return {}
    replaced = FormerRules(until=tx.at, rules=present.cancellation_rules)
    former = [*present.former_cancellation_rules, replaced]
    return {"former_cancellation_rules": [rules.model_dump(mode="json") for rules in former]}
