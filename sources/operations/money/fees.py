"""Cancellation fees: the share of the price that a client owes for a cancelled booking."""

from decimal import Decimal
from itertools import islice
from typing import Final

import asyncpg

from sources import lifecycle
from sources.operations.money.prices_and_deposits import to_cents
from sources.operations.settings.organization import CancellationRule, OrganizationSettings
from sources.operations.transaction import Tx

SELECT_SETTINGS: Final = "select settings from app.organizations where id = $1"


async def cancellation_fee(tx: Tx, booking: asyncpg.Record) -> Decimal:
    """Return the fee of a locked booking that the caller cancels now; it rises as the start of the booking approaches.

    Only clients pay a fee, and only once the booking is confirmed. The rule with the fewest hours_before that is still
    more than the hours left until the start applies. Of the organisation's rules and those that stood when the booking
    was made, the ones with the lower fee count. A move by the client does not lower the fee that was due before
    it (`fee_floor`). A move by staff does not raise it: the start that the client knows counts. At most the price.
    """
    if tx.caller.role != "client" or booking["status"] in lifecycle.PENDING:
        return Decimal(0)
    floor = Decimal(booking["fee_floor"])
    if booking["known_start"] is None:
        return floor
    settings = OrganizationSettings.model_validate((await tx.one(SELECT_SETTINGS, tx.org_id))["settings"])
    stood = (former.rules for former in settings.former_cancellation_rules if booking["created_at"] < former.until)
    hours_left = Decimal((booking["known_start"] - tx.at).total_seconds()) / 3600
    shares = (_share(rules, hours_left) for rules in (settings.cancellation_rules, *islice(stood, 1)))
    fee = to_cents(booking["total_amount"] * min(shares) / 100)
    return max(floor, min(fee, Decimal(booking["total_amount"])))


def _share(rules: list[CancellationRule], hours_left: Decimal) -> Decimal:
    """Return the share of the price, in percent, that a cancellation costs so many hours before the start."""
    applicable = [rule for rule in rules if hours_left < rule.hours_before]
    return min(applicable, key=lambda rule: rule.hours_before).fee_pct if applicable else Decimal(0)
