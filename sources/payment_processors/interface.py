"""The interface of a payment processor, and the events that processors send, in the Hub's terms."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar, Protocol
from uuid import UUID

from sources.row_values import PaymentStatus


@dataclass(frozen=True, slots=True)
class Paid:
    """The payment of the event has succeeded."""

    amount: Decimal
    currency: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The attempt `ref` to pay has failed; another attempt may still succeed."""

    ref: str
    amount: Decimal
    currency: str
    reason: str


@dataclass(frozen=True, slots=True)
class Refund:
    """The current state of one refund."""

    ref: str
    amount: Decimal
    status: PaymentStatus
    failure_reason: str | None


@dataclass(frozen=True, slots=True)
class Refunds:
    """Refunds of the payment: the `named` ones, and the `total` refunded so far, if known, of the object `source`."""

    currency: str
    named: tuple[Refund, ...] = ()
    total: Decimal = Decimal(0)
    source: str = ""


@dataclass(frozen=True, slots=True)
class ProcessorEvent:
    """An event of a processor. `ref`: the payment that it is about; `change` None: the Hub ignores the event."""

    processor: str
    event_id: str
    event_type: str
    ref: str | None
    at: datetime
    org_id: UUID | None
    invoice_id: UUID | None
    change: Paid | Failed | Refunds | None
    payload: dict[str, Any]


class PaymentProcessor(Protocol):
    """The initial status of the payments and refunds that people record with this processor."""

    name: ClassVar[str]
    settles: ClassVar[bool]  # its events alone settle what is pending; otherwise people do

    def payment_status(self, reference: str | None, *, is_received: bool) -> PaymentStatus:
        """Return the status of a payment that a person records. Raises Refusal.

        `is_received`: the person may state that the money was received.
        """
        ...

    def refund_status(self) -> PaymentStatus:
        """Return the status of a refund that a person orders."""
        ...
