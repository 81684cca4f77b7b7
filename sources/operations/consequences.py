"""What a booking's end, or its next step, means for its money: in the same transaction as the step."""

from uuid import UUID

import asyncpg

from sources.operations.transaction import Tx


async def follow(tx: Tx, booking_id: UUID, booking: asyncpg.Record, status: str) -> None:
    """Bring the invoices and payments of a booking in step with the `status` that it has just taken.

    `booking` is its locked row as it was before the step (of steps.lock_booking).
    """
