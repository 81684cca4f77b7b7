"""Webhooks of payment processors: their calls are signed, and have no token."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Request, Response

from sources.api.problems import responses
from sources.api.request_context import reply
from sources.errors import HubError
from sources.operations.errors import Refusal
from sources.operations.money import processor_events
from sources.operations.money.processor_events import Receipt
from sources.payment_processors import stripe
from sources.settings import Settings

router = APIRouter(
    prefix="/v1/payments/webhooks", tags=["webhooks"], responses=responses(400, 401, 409, 413, 422, 429, 500, 503)
)

EVENT: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"type": "object"},
                "example": {
                    "id": "evt_1", "object": "event", "type": "payment_intent.succeeded", "created": 1777888800,
                    "data": {"object": {
                        "id": "pi_1", "object": "payment_intent", "amount_received": 15000, "currency": "eur",
                        "metadata": {"org_id": "0198...", "invoice_id": "0198..."},
                    }},
                },
            }
        },
    }
}  # fmt: skip


@router.post("/stripe", response_model=Receipt, openapi_extra=EVENT, summary="Receive an event of Stripe")
async def receive_stripe_event(
    request: Request,
    stripe_signature: Annotated[str | None, Header(description="t=...,v1=..., signed with the signing secret.")] = None,
) -> Response:
    """Needs no token: the signature over the raw body is verified, and its age (at most 5 minutes).

    Each event is applied once; the response to repeated, unknown and early ones is 200 as well. `metadata` of the
    payment intent names the organisation (`org_id`) and the invoice (`invoice_id`). 409: the currency is another one,
    more is refunded than was paid, or it is not known whose invoice is paid; Stripe then repeats the event.
    """
    state = request.app.state
    settings: Settings = state.settings
    try:
        secret = settings.secret("stripe_webhook_secret")
    except HubError as error:
        raise Refusal("unavailable", "not_configured", str(error)) from None
    body = await request.body()
    # In a thread: the first call imports the library, which takes half a second.
    payload = await asyncio.to_thread(stripe.verified, body, stripe_signature, secret)
    receipt = await processor_events.receive(
        state.pool, stripe.read_event(payload), at=datetime.now(UTC), timeout_ms=settings.statement_timeout_ms
    )
    return reply(receipt)
