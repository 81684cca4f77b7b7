"""The default processor: people move the money themselves, in cash or by transfer, and record it here."""

from typing import ClassVar

from sources.row_values import PaymentStatus


class Manual:
    """A payment succeeds at once if its recorder may confirm it; an announced one is pending until people settle it."""

    name: ClassVar[str] = "manual"
    settles: ClassVar[bool] = False

    def payment_status(self, reference: str | None, *, is_received: bool) -> PaymentStatus:
        return "succeeded" if is_received else "pending"

    def refund_status(self) -> PaymentStatus:
        return "succeeded"
