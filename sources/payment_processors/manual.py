"""The default processor: people move the money themselves, in cash or by transfer, and record it here."""

from typing import ClassVar

from sources.lifecycle import Role
from sources.row_values import PaymentStatus


class Manual:
    """A payment that staff record succeeds at once; one that a client announces is pending until staff settle it."""

    name: ClassVar[str] = "manual"

    def payment_status(self, by: Role, reference: str | None) -> PaymentStatus:
        return "pending" if by == "client" else "succeeded"

    def refund_status(self) -> PaymentStatus:
        return "succeeded"
