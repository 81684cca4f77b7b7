"""Routes of price rules."""

from uuid import UUID

from fastapi import APIRouter, Response

from sources.api.problems import CHANGES, COMMON, WRITES
from sources.api.request_context import Reading, Writing, reply
from sources.operations.bookings.access import All
from sources.operations.settings import price_rules
from sources.operations.settings.price_rules import NewPriceRule, PriceRule, PriceRuleChange

router = APIRouter(prefix="/v1/price-rules", tags=["catalogue"], responses=COMMON)


@router.get("", response_model=All[PriceRule], summary="List the price rules")
async def list_rules(context: Reading) -> Response:
    """In the order in which they apply, retired ones included. For admins."""
    return reply(await context.run(price_rules.list_rules))


@router.post("", status_code=201, response_model=PriceRule, responses=WRITES, summary="Add a price rule")
async def create_rule(context: Writing, body: NewPriceRule) -> Response:
    """It concerns the bookings from then on."""
    return await context.write(
        lambda tx: price_rules.create_rule(tx, body),
        status=201,
        location=lambda created: f"/v1/price-rules/{created.id}",
    )


@router.get("/{price_rule_id}", response_model=PriceRule, summary="Read a price rule")
async def get_rule(context: Reading, price_rule_id: UUID) -> Response:
    return reply(await context.run(lambda tx: price_rules.get_rule(tx, price_rule_id)))


@router.patch("/{price_rule_id}", response_model=PriceRule, responses=CHANGES, summary="Change or retire a price rule")
async def edit_rule(context: Writing, price_rule_id: UUID, body: PriceRuleChange) -> Response:
    """A booking keeps its price; `is_active: false` retires the rule."""
    return await context.write(lambda tx: price_rules.edit_rule(tx, price_rule_id, body, context.if_match))
