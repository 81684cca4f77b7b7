"""Money over HTTP: an invoice's life, and the signed calls of Stripe."""

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
from tests.sources.operations.money import charge, event, intent

SECRET: Final = "whsec_" + "a" * 32
WEBHOOK: Final = "/v1/payments/webhooks/stripe"


@pytest.fixture(scope="module")
def paying(seeded: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with (
        seeded_settings(seeded, tmp_path_factory.mktemp("hub")) as settings,
        served(settings.model_copy(update={"stripe_webhook_secret": SecretStr(SECRET)})) as api,
    ):
        yield api


def tell(
    api: Api, payload: Any, *, secret: str = SECRET, at: float | None = None, signature: str | bytes | None = None
) -> httpx.Response:
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    if signature is None:
        text = body.decode()
        signature = stripe.WebhookSignature.generate_signature_header(text, secret, int(at or time.time()))
    header = signature if isinstance(signature, bytes) else signature.encode()
    return api.new_client().post(WEBHOOK, content=body, headers={b"Stripe-Signature": header})


def drafted(api: Api) -> tuple[str, dict[str, Any]]:
    """The path of a new draft over 120.00, and the draft."""
    booking = api.book(provider_id=str(api.org.provider))
    answer = api.client("provider").post(f"/v1/bookings/{booking['id']}/invoices", json={"kind": "final"})
    assert answer.status_code == 201, answer.text
    return answer.headers["Location"], answer.json()


def issued(api: Api) -> dict[str, Any]:
    path, _ = drafted(api)
    answer = api.client("provider").post(f"{path}/issue")
    assert answer.status_code == 200, answer.text
    invoice: dict[str, Any] = answer.json()
    return invoice


def test_the_life_of_an_invoice(paying: Api) -> None:
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
    assert [it["invoice_number"] for it in listed["items"]] == [number]
    of_booking = client.get(f"/v1/bookings/{draft['booking_id']}/invoices").json()
    assert [it["id"] for it in of_booking["items"]] == [draft["id"]]
    payment = {"amount": "120.00", "method": "cash"}
    key = {"Idempotency-Key": uuid4().hex}
    answers = [provider.post(f"{path}/payments", json=payment, headers=key) for _ in range(2)]
    assert [it.status_code for it in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    refund = admin.post(f"/v1/payments/{answers[0].json()['id']}/refunds", json={"reason": "Agreed."})
    assert (refund.status_code, refund.json()["amount"]) == (201, "120.00")
    assert client.post(f"{path}/payments", json=payment).json()["status"] == "pending"
    pending = client.get(path).json()["payments"][-1]["id"]
    settled = provider.post(f"/v1/payments/{pending}/settlement", json={"status": "failed", "reason": "Never came."})
    assert settled.json()["failure_reason"] == "Never came."
    void = provider.post(f"{path}/void", json={"reason": "Cancelled."})
    assert (void.status_code, void.json()["status"]) == (200, "void")


def test_the_deposit_from_the_quote_to_the_cancellation(paying: Api) -> None:
    client, admin = paying.client("client"), paying.client("admin")
    path = f"/v1/bookings/{paying.book(provider_id=str(paying.org.provider))['id']}"

    def step(who: httpx.Client, action: str, **fields: str) -> str:
        answer = who.post(f"{path}/transitions", json={"action": action, **fields})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["status"])

    step(admin, "quote", total_amount="200.00", deposit_amount="50.00")
    step(client, "accept_quote")
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
    kept = [it["paid_amount"] for it in client.get(f"{path}/invoices").json()["items"] if it["kind"] == "fee"]
    assert sum(float(it) for it in kept) == min(float(fee), 50)


def test_an_event_counts_once(paying: Api) -> None:
    invoice = issued(paying)
    told = event("payment_intent.succeeded", intent(f"pi_{uuid4().hex}", 12000, invoice["id"]))
    assert [tell(paying, told).json() for _ in range(2)] == [{"status": "applied"}, {"status": "repeated"}]
    shown = paying.client("client").get(f"/v1/invoices/{invoice['id']}").json()
    assert (shown["status"], shown["paid_amount"]) == ("paid", "120.00")


def test_only_what_stripe_signed_just_now_counts(paying: Api) -> None:
    invoice = issued(paying)
    told = event("charge.succeeded", charge(f"pi_{uuid4().hex}", 12000, invoice["id"]))
    body = json.dumps(told)
    right = stripe.WebhookSignature.generate_signature_header(body, SECRET)
    refused = [
        tell(paying, told, secret=SECRET + "x"),
        tell(paying, told, at=time.time() - 301),
        tell(paying, body.encode(), signature=""),
        tell(paying, body.encode() + b" ", signature=right),
        tell(paying, body.encode(), signature=right.replace("v1=", "v0=")),
        tell(paying, body.encode(), signature=b"t=1,v1=\xe9"),
        tell(paying, b"\xff", signature=right),
        paying.client("admin").post(WEBHOOK, json=told),
    ]
    assert {it.status_code for it in refused} == {401}
    assert {it.json()["code"] for it in refused} == {"signature_invalid"}
    assert paying.client("admin").get(f"/v1/invoices/{invoice['id']}").json()["paid_amount"] == "0.00"
    known = paying.business.connection.execute(
        "select count(*) from app.processor_events where event_id = %s", [told["id"]]
    ).fetchone()
    assert known == (0,)


@pytest.mark.parametrize("body", [b"no json", b"[]", b"{}", b'{"type": "x"}', b'"\\u0000"'])
def test_what_is_signed_and_no_event_is_refused(paying: Api, body: bytes) -> None:
    answer = tell(paying, body)
    assert (answer.status_code, answer.json()["code"]) == (422, "event_malformed")


def test_it_bears_no_token_in_the_document(paying: Api) -> None:
    document = paying.new_client().get("/openapi.json").json()
    assert "security" not in document["paths"][WEBHOOK]["post"]
    assert document["paths"]["/v1/invoices"]["get"]["security"]
