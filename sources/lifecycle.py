"""Booking statuses and their groups, as data: the one place where a status is named."""

from typing import Final

PENDING: Final = ("draft", "requested", "under_review", "quoted", "approved", "awaiting_payment")
ONGOING: Final = (
    "confirmed",
    "scheduled",
    "in_progress",
    "on_hold",
    "awaiting_client",
    "revision_requested",
    "delivered",
    "disputed",
)
COMPLETED: Final = ("completed",)
CANCELLED: Final = ("declined", "cancelled", "no_show", "refunded", "expired")

STATUSES: Final = PENDING + ONGOING + COMPLETED + CANCELLED
