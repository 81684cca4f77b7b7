"""What the Hub asks of a payment provider, and the events that it hears from one."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar, Literal, Protocol
from uuid import UUID

from sources.lifecycle import Role

MoneyStatus = Literal["pending", "succeeded", "failed"]


@dataclass(frozen=True, slots=True)
class Paid:
    """The payment that the event speaks of has succeeded."""

    amount: Decimal
    currency: str


@dataclass(frozen=True, slots=True)
class Failed:
    """An attempt to pay, `ref`, has failed; another may still succeed."""

    ref: str
    amount: Decimal
    currency: str
    reason: str


@dataclass(frozen=True, slots=True)
class Refund:
    """One refund as it stands now."""

    ref: str
    amount: Decimal
    status: MoneyStatus
    failure_reason: str | None


@dataclass(frozen=True, slots=True)
class Refunds:
    """Refunds of the payment: some by name, and perhaps what has been refunded `in_total` by then (of `source`)."""

    named: tuple[Refund, ...] = ()
    in_total: Decimal = Decimal(0)
    source: str = ""


@dataclass(frozen=True, slots=True)
class ProcessorEvent:
    """What a provider tells. `ref`: the payment it is about; `news` None: nothing that concerns the Hub."""

    processor: str
    event_id: str
    event_type: str
    ref: str | None
    at: datetime
    org_id: UUID | None
    invoice_id: UUID | None
    news: Paid | Failed | Refunds | None
    payload: dict[str, Any]


class PaymentProcessor(Protocol):
    """What becomes of money that people record or give back by way of this provider."""

    name: ClassVar[str]

    def take(self, by: Role, reference: str | None) -> MoneyStatus:
        """The status of a payment that a caller of this role records. Raises Refusal."""
        ...

    def give_back(self) -> MoneyStatus:
        """The status of a refund that somebody has ordered."""
        ...
