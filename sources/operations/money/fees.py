"""Cancellation fees: the share of the price that a client owes for a cancelled booking."""

from decimal import Decimal
from typing import Final

import asyncpg

from sources import lifecycle
from sources.operations.money.prices_and_deposits import to_cents
from sources.operations.transaction import Tx

SELECT_RULES: Final = "select settings -> 'cancellation_rules' as rules from app.organizations where id = $1"


async def cancellation_fee(tx: Tx, booking: asyncpg.Record) -> Decimal:
    """Return the fee of a locked booking that the caller cancels now; it rises as the start of the booking approaches.

    Only clients pay a fee, and only once the booking is confirmed. The rules are settings.cancellation_rules of the
    organisation, such as [{"hours_before": 24, "fee_pct": 50}]; the rule with the fewest hours_before that is still
    more than the hours left until the start applies. A move by the client does not lower the fee that was due before
    it (`fee_floor`). A move by staff does not raise it: the start that the client knows counts. At most the price.
    """
    if tx.caller.role != "client" or booking["status"] in lifecycle.PENDING:
        return Decimal(0)
    floor = Decimal(booking["fee_floor"])
    if booking["known_start"] is None:
        return floor
    rules = (await tx.one(SELECT_RULES, tx.org_id))["rules"] or []
    hours_left = Decimal((booking["known_start"] - tx.at).total_seconds()) / 3600
    applicable = [rule for rule in rules if hours_left < Decimal(str(rule["hours_before"]))]
    nearest = min(applicable, key=lambda rule: Decimal(str(rule["hours_before"])), default={"fee_pct": 0})
    fee = to_cents(booking["total_amount"] * Decimal(str(nearest["fee_pct"])) / 100)
    return max(floor, min(fee, Decimal(booking["total_amount"])))
