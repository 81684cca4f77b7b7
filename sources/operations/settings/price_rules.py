"""Price rules: how the list price changes by weekday, season and lead time. A rule concerns later bookings only."""

from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Final
from uuid import UUID

import asyncpg
from pydantic import BaseModel, ConfigDict, Field

from sources.operations.bookings.access import All
from sources.operations.calendar import Day
from sources.operations.errors import Refusal
from sources.operations.field_types import Line, Moment, Named, Request, Weekdays
from sources.operations.settings import rows
from sources.operations.settings.rows import Resource, demand_admin
from sources.operations.settings.services import Version
from sources.operations.transaction import Tx

MOST_RULES: Final = 500
LONGEST_LEAD_DAYS: Final = 3660  # as far ahead as a booking may start

LeadDays = Annotated[int, Field(ge=0, le=LONGEST_LEAD_DAYS)]
Adjustment = Annotated[Decimal, Field(gt=-100, le=1000, max_digits=6, decimal_places=2, examples=["-10"])]
Position = Annotated[int, Field(ge=1, le=1000, description="Rules apply one after the other in this order.")]


class NewPriceRule(Request):
    """A rule. A condition that is absent restricts nothing; days are those of the start in the organisation's zone."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "Weekend", "weekdays": [6, 7], "adjust_pct": "15"}]}
    )
    name: Line
    adjust_pct: Adjustment
    service_id: UUID | None = Field(None, description="The one service that it concerns.")
    package_id: UUID | None = Field(None, description="The one package that it concerns.")
    weekdays: Weekdays | None = None
    starts_on: Day | None = None
    ends_on: Day | None = Field(None, description="The last day.")
    min_lead_days: LeadDays | None = Field(None, description="The fewest days from the booking to its start.")
    max_lead_days: LeadDays | None = None
    position: Position = 1


class PriceRuleChange(Request):
    """The fields to change; a field that is absent is kept."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"is_active": False}]})
    name: Line = Field(default_factory=str)
    adjust_pct: Adjustment = Decimal(0)
    service_id: UUID | None = None
    package_id: UUID | None = None
    weekdays: Weekdays | None = None
    starts_on: Day | None = None
    ends_on: Day | None = None
    min_lead_days: LeadDays | None = None
    max_lead_days: LeadDays | None = None
    position: Position = 1
    is_active: bool = Field(True, description="False: retired, it changes no later price.")


class PriceRule(BaseModel):
    """A price rule, with the service and the package that it concerns."""

    id: UUID
    name: str
    adjust_pct: Decimal
    service: Named | None
    package: Named | None
    weekdays: list[int] | None
    starts_on: date | None
    ends_on: date | None
    min_lead_days: int | None
    max_lead_days: int | None
    position: int
    is_active: bool
    created_at: Moment
    updated_at: Moment
    version: Version


FROM_RULES: Final = """
select rules.id, rules.name, rules.adjust_pct, rules.service_id, services.name as service_name, rules.package_id,
    packages.name as package_name, rules.weekdays, rules.starts_on, rules.ends_on, rules.min_lead_days,
    rules.max_lead_days, rules.position, rules.is_active, rules.created_at, rules.updated_at,
    rules.xmin::text as version
from app.price_rules as rules
left join app.services as services on services.org_id = rules.org_id and services.id = rules.service_id
left join app.service_packages as packages on packages.org_id = rules.org_id and packages.id = rules.package_id
"""
RULE: Final = Resource("price_rules", "price rule", f"{FROM_RULES} where rules.org_id = $1 and rules.id = $2")
SELECT_RULES: Final = f"{FROM_RULES} where rules.org_id = $1 order by rules.position, rules.name limit $2"
KNOWN: Final = """
select
    $2::uuid is null or exists (select from app.services where org_id = $1 and id = $2) as service,
    $3::uuid is null or exists (
        select from app.service_packages where org_id = $1 and id = $3 and service_id = coalesce($2, service_id)
    ) as package
"""


async def list_rules(tx: Tx) -> All[PriceRule]:
    """Return the rules in the order in which they apply, retired ones included. Raises Refusal forbidden."""
    _demand_admin(tx)
    found = await tx.rows(SELECT_RULES, tx.org_id, MOST_RULES)
    return All.model_construct(items=[_as_rule(row) for row in found])


async def get_rule(tx: Tx, rule_id: UUID) -> PriceRule:
    """Return the rule. Raises Refusal: forbidden, not_found."""
    _demand_admin(tx)
    return _as_rule(await rows.find(tx, RULE, rule_id))


async def create_rule(tx: Tx, request: NewPriceRule) -> PriceRule:
    """Create a rule.

    Raises Refusal: forbidden, conflict name_taken, invalid (unknown_service, unknown_package, ends_before_start,
    lead_days_reversed).
    """
    _demand_admin(tx)
    values = request.model_dump()
    await _demand_valid(tx, values)
    return await get_rule(tx, await rows.insert(tx, RULE, values))


async def edit_rule(tx: Tx, rule_id: UUID, change: PriceRuleChange, expected: str | None) -> PriceRule:
    """Change or retire a rule; `expected`: the version that the caller last read, if given.

    Raises Refusal: not_found, stale, and those of `create_rule`.
    """
    _demand_admin(tx)
    row = await rows.lock(tx, RULE, rule_id, expected)
    changes = rows.changes_of(change)
    await _demand_valid(tx, dict(row) | changes)
    await rows.update(tx, RULE, rule_id, changes)
    return await get_rule(tx, rule_id)


async def _demand_valid(tx: Tx, values: dict[str, Any]) -> None:
    known = await tx.one(KNOWN, tx.org_id, values["service_id"], values["package_id"])
    if not known["service"]:
        raise Refusal("invalid", "unknown_service", "There is no such service.", field="service_id")
    if not known["package"]:
        raise Refusal("invalid", "unknown_package", "There is no such package of the service.", field="package_id")
    if values["starts_on"] and values["ends_on"] and values["ends_on"] < values["starts_on"]:
        raise Refusal("invalid", "ends_before_start", "A rule ends on its first day or later.", field="ends_on")
    fewest, most = values["min_lead_days"], values["max_lead_days"]
    if fewest is not None and most is not None and most < fewest:
        raise Refusal(
            "invalid", "lead_days_reversed", "max_lead_days is less than min_lead_days.", field="max_lead_days"
        )


def _demand_admin(tx: Tx) -> None:
    demand_admin(tx, "Price rules are")


def _as_rule(row: asyncpg.Record) -> PriceRule:
    values = dict(row)
    for noun in ("service", "package"):
        identifier, name = values.pop(f"{noun}_id"), values.pop(f"{noun}_name")
        values[noun] = Named.model_construct(id=identifier, name=name) if identifier else None
    return PriceRule.model_construct(**values)
