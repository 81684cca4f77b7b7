"""Invoices and payments over HTTP, and the signed calls of Stripe."""

import json
import time
from collections.abc import Iterator
from typing import Any, Final
from uuid import uuid4

import httpx
import pytest
import stripe
from pydantic import SecretStr

from tests.sources.api.conftest import Api, served
from tests.sources.conftest import seeded_settings
from tests.sources.operations.money.helpers import charge, event, intent

SECRET: Final = "whsec_" + "a" * 32
WEBHOOK: Final = "/v1/payments/webhooks/stripe"


@pytest.fixture(scope="module")
def paying(seeded: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with (
        seeded_settings(seeded, tmp_path_factory.mktemp("hub")) as settings,
        served(settings.model_copy(update={"stripe_webhook_secret": SecretStr(SECRET)})) as api,
    ):
        yield api


def post_event(
    api: Api, payload: Any, *, secret: str = SECRET, at: float | None = None, signature: str | bytes | None = None
) -> httpx.Response:
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    if signature is None:
        text = body.decode()
        signature = stripe.WebhookSignature.generate_signature_header(text, secret, int(at or time.time()))
    header = signature if isinstance(signature, bytes) else signature.encode()
    return api.new_client().post(WEBHOOK, content=body, headers={b"Stripe-Signature": header})


def drafted(api: Api) -> tuple[str, dict[str, Any]]:
    """Create a draft of 120.00; return its path and the draft."""
    booking = api.book(provider_id=str(api.org.provider))
    api.client("provider").post(f"/v1/bookings/{booking['id']}/transitions", json={"action": "approve"})
    answer = api.client("provider").post(f"/v1/bookings/{booking['id']}/invoices", json={"kind": "final"})
    assert answer.status_code == 201, answer.text
    return answer.headers["Location"], answer.json()


def issued(api: Api) -> dict[str, Any]:
    path, _ = drafted(api)
    answer = api.client("provider").post(f"{path}/issue")
    assert answer.status_code == 200, answer.text
    invoice: dict[str, Any] = answer.json()
    return invoice


def test_an_invoice_from_draft_to_void(paying: Api) -> None:
    provider, client, admin = (paying.client(who) for who in ("provider", "client", "admin"))
    path, draft = drafted(paying)
    assert client.get(path).status_code == 404
    assert client.post(f"{path}/issue").status_code == 403
    changes = {"lines": [{"description": "Workshop", "quantity": "1.5", "unit_price": "80.00"}]}
    etag = provider.get(path).headers["ETag"]
    changed = provider.patch(path, json=changes, headers={"If-Match": etag})
    assert (changed.status_code, changed.json()["total_amount"]) == (200, "120.00")
    assert provider.patch(path, json=changes, headers={"If-Match": etag}).status_code == 412
    number = provider.post(f"{path}/issue").json()["invoice_number"]
    assert number.startswith("INV-")
    listed = client.get("/v1/invoices", params={"status": "issued", "limit": 1}).json()
    assert [item["invoice_number"] for item in listed["items"]] == [number]
    of_booking = client.get(f"/v1/bookings/{draft['booking_id']}/invoices").json()
    assert [item["id"] for item in of_booking["items"]] == [draft["id"]]
    payment = {"amount": "120.00", "method": "cash"}
    key = {"Idempotency-Key": uuid4().hex}
    answers = [admin.post(f"{path}/payments", json=payment, headers=key) for _ in range(2)]
    assert [response.status_code for response in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    refund = admin.post(f"/v1/payments/{answers[0].json()['id']}/refunds", json={"reason": "Agreed."})
    assert (refund.status_code, refund.json()["amount"]) == (201, "120.00")
    assert client.post(f"{path}/payments", json=payment).json()["status"] == "pending"
    pending = client.get(path).json()["payments"][-1]["id"]
    settled = provider.post(f"/v1/payments/{pending}/settlement", json={"status": "failed", "reason": "Not received."})
    assert settled.json()["failure_reason"] == "Not received."
    void = provider.post(f"{path}/void", json={"reason": "Cancelled."})
    assert (void.status_code, void.json()["status"]) == (200, "void")


def test_a_deposit_from_quote_to_cancellation(paying: Api) -> None:
    client, admin = paying.client("client"), paying.client("admin")
    path = f"/v1/bookings/{paying.book(provider_id=str(paying.org.provider))['id']}"

    def step(who: httpx.Client, action: str, **fields: str) -> str:
        answer = who.post(f"{path}/transitions", json={"action": action, **fields})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["status"])

    step(admin, "quote", total_amount="200.00", deposit_amount="50.00")
    step(client, "accept_quote", total_amount="200.00", deposit_amount="50.00")
    assert step(admin, "request_payment") == "awaiting_payment"
    [deposit] = client.get(f"{path}/invoices").json()["items"]
    assert (deposit["kind"], deposit["total_amount"], deposit["status"]) == ("deposit", "50.00", "issued")
    paid = admin.post(f"/v1/invoices/{deposit['id']}/payments", json={"amount": "50.00", "method": "cash"})
    assert paid.status_code == 201
    assert client.get(path).json()["status"] == "confirmed"
    assert step(client, "cancel", reason="change of plans") == "cancelled"
    fee = client.get(path).json()["cancellation_fee"] or "0"
    shown = client.get(f"/v1/invoices/{deposit['id']}").json()
    assert (shown["status"], shown["paid_amount"]) == ("void", "0.00")
    kept = [item["paid_amount"] for item in client.get(f"{path}/invoices").json()["items"] if item["kind"] == "fee"]
    assert sum(float(item) for item in kept) == min(float(fee), 50)


def test_an_event_is_applied_once(paying: Api) -> None:
    invoice = issued(paying)
    payload = event("payment_intent.succeeded", intent(f"pi_{uuid4().hex}", 12000, invoice["id"]))
    assert [post_event(paying, payload).json() for _ in range(2)] == [{"status": "applied"}, {"status": "repeated"}]
    shown = paying.client("client").get(f"/v1/invoices/{invoice['id']}").json()
    assert (shown["status"], shown["paid_amount"]) == ("paid", "120.00")


def test_only_recently_signed_events_are_accepted(paying: Api) -> None:
    invoice = issued(paying)
    payload = event("charge.succeeded", charge(f"pi_{uuid4().hex}", 12000, invoice["id"]))
    body = json.dumps(payload)
    right = stripe.WebhookSignature.generate_signature_header(body, SECRET)
    refused = [
        post_event(paying, payload, secret=SECRET + "x"),
        post_event(paying, payload, at=time.time() - 301),
        post_event(paying, body.encode(), signature=""),
        post_event(paying, body.encode() + b" ", signature=right),
        post_event(paying, body.encode(), signature=right.replace("v1=", "v0=")),
        post_event(paying, body.encode(), signature=b"t=1,v1=\xe9"),
        post_event(paying, b"\xff", signature=right),
        paying.client("admin").post(WEBHOOK, json=payload),
    ]
    assert {item.status_code for item in refused} == {401}
    assert {item.json()["code"] for item in refused} == {"signature_invalid"}
    assert paying.client("admin").get(f"/v1/invoices/{invoice['id']}").json()["paid_amount"] == "0.00"
    known = paying.business.connection.execute(
        "select count(*) from app.processor_events where event_id = %s", [payload["id"]]
    ).fetchone()
    assert known == (0,)


@pytest.mark.parametrize("body", [b"no json", b"[]", b"{}", b'{"type": "x"}', b'"\\u0000"'])
def test_a_signed_body_that_is_not_an_event_is_refused(paying: Api, body: bytes) -> None:
    answer = post_event(paying, body)
    assert (answer.status_code, answer.json()["code"]) == (422, "event_malformed")


def test_the_document_requires_no_token_for_the_webhook(paying: Api) -> None:
    document = paying.new_client().get("/openapi.json").json()
    assert "security" not in document["paths"][WEBHOOK]["post"]
    assert document["paths"]["/v1/invoices"]["get"]["security"]
