"""Stripe: it moves the money of payments and refunds, and reports them by signed events.

The library is imported by the first event, since the import takes half a second.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, ClassVar, Final
from uuid import UUID

from sources.operations.errors import Refusal
from sources.payment_processors.interface import Failed, Paid, ProcessorEvent, Refund, Refunds
from sources.row_values import PaymentStatus

# Amounts are in the smallest unit of the currency (https://docs.stripe.com/currencies); all other currencies have two
# decimals.
DECIMALS: Final = {
    **dict.fromkeys(
        ("BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF"), 0
    ),
    **dict.fromkeys(("BHD", "JOD", "KWD", "OMR", "TND"), 3),
}

REFUND_STATUS: Final[Mapping[str, PaymentStatus]] = {
    "succeeded": "succeeded",
    "pending": "pending",
    "requires_action": "pending",
    "failed": "failed",
    "canceled": "failed",
}
MAX_TEXT: Final = 200


class Stripe:
    """A payment or a refund is pending until an event of Stripe settles it."""

    name: ClassVar[str] = "stripe"
    settles: ClassVar[bool] = True

    def payment_status(self, reference: str | None, *, is_received: bool) -> PaymentStatus:
        if reference is None or not reference.startswith("pi_"):
            raise Refusal(
                "invalid", "reference_required", "Give the id of the payment intent, pi_..., in `reference`.",
                field="reference",
            )  # fmt: skip
        return "pending"

    def refund_status(self) -> PaymentStatus:
        return "pending"


def verified(body: bytes, signature: str | None, secret: str) -> dict[str, Any]:
    """Return the event of a call, with its signature and age verified. Raises Refusal unauthenticated or invalid."""
    import stripe

    try:
        stripe.WebhookSignature.verify_header(body, signature, secret, stripe.Webhook.DEFAULT_TOLERANCE)
    # TypeError: characters beyond ASCII in the header; ValueError: bytes that are not text.
    except (stripe.SignatureVerificationError, TypeError, ValueError):
        raise Refusal(
            "unauthenticated", "signature_invalid", "The Stripe-Signature does not match the body, or is too old."
        ) from None
    try:
        payload = json.loads(body)
    except ValueError:
        payload = None
    if not isinstance(payload, dict):
        raise _malformed()
    return payload


def read_event(payload: dict[str, Any]) -> ProcessorEvent:
    """Convert a verified event into the Hub's terms. Raises Refusal invalid where it is not an event."""
    try:
        event_type, subject = payload["type"], payload["data"]["object"]
        metadata = subject.get("metadata") or {}
        return ProcessorEvent(
            processor=Stripe.name,
            event_id=_text(payload["id"]),
            event_type=_text(event_type),
            ref=_payment_of(subject),
            at=datetime.fromtimestamp(payload["created"], UTC),
            org_id=_uuid(metadata.get("org_id")),
            invoice_id=_uuid(metadata.get("invoice_id")),
            change=_change(event_type, subject, _text(payload["id"])),
            payload=payload,
        )
    except (KeyError, TypeError, AttributeError, ValueError, ArithmeticError, OSError):
        raise _malformed() from None


def _malformed() -> Refusal:
    return Refusal("invalid", "event_malformed", "The body is not an event of Stripe.")


def _payment_of(subject: dict[str, Any]) -> str | None:
    """Return the id of the payment intent, or of the charge if it has no payment intent."""
    if subject.get("object") == "payment_intent":
        return _text(subject["id"])
    charge = subject["id"] if subject.get("object") == "charge" else subject.get("charge")
    ref = subject.get("payment_intent") or charge
    return _text(ref) if ref else None


def _change(event_type: str, subject: dict[str, Any], event_id: str) -> Paid | Failed | Refunds | None:
    match event_type:
        case "payment_intent.succeeded":
            return Paid(_amount(subject, "amount_received", "amount"), _currency(subject))
        case "charge.succeeded" if subject.get("captured", True):  # otherwise the amount is only reserved
            return Paid(_amount(subject, "amount_captured", "amount"), _currency(subject))
        case "payment_intent.payment_failed":
            error = subject.get("last_payment_error") or {}
            return Failed(
                _text(error.get("charge") or event_id), _amount(subject, "amount"), _currency(subject),
                _text(error.get("message") or "payment failed"),
            )  # fmt: skip
        case "refund.created" | "refund.updated" | "refund.failed" | "charge.refund.updated":
            return Refunds(_currency(subject), (_refund(subject),))
        case "charge.refunded":
            listed = (subject.get("refunds") or {}).get("data", [])
            total = _amount(subject, "amount_refunded")
            return Refunds(_currency(subject), tuple(_refund(refund) for refund in listed), total, _text(subject["id"]))
        case _:
            return None


def _refund(subject: dict[str, Any]) -> Refund:
    status = REFUND_STATUS[subject.get("status") or "succeeded"]
    reason = subject.get("failure_reason") or "refund failed" if status == "failed" else None
    amount = _amount(subject, "amount")
    if amount <= 0:
        raise ValueError("the amount of a refund is above 0")
    return Refund(_text(subject["id"]), amount, status, reason)


def _currency(subject: dict[str, Any]) -> str:
    return _text(subject["currency"]).upper()


def _amount(subject: dict[str, Any], *fields: str) -> Decimal:
    """Return the first of `fields` that has a value, converted from the smallest unit of the currency."""
    minor = next((subject[field] for field in fields if subject.get(field) is not None), None)
    if isinstance(minor, bool) or not isinstance(minor, int) or minor < 0:
        raise ValueError("an amount is a whole number of at least 0")
    return Decimal(minor).scaleb(-DECIMALS.get(_currency(subject), 2)).quantize(Decimal("0.01"))


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("a text is expected")
    return value[:MAX_TEXT]


def _uuid(value: object) -> UUID | None:
    try:
        return UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None
