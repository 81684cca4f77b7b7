"""GET /v1/bookings/summary: right for whom it is for, and last known figures while the database is slow."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from decimal import Decimal

import psycopg
import pytest

from sources.api.routes import summary
from tests.sources.api.conftest import Api
from tests.sources.business import NORTH, SOUTH


def test_figures_are_those_of_the_caller(serve: Callable[..., AbstractContextManager[Api]]) -> None:
    with serve() as api:
        mine = api.book(provider_id=str(NORTH.provider))
        api.book(package_id=str(NORTH.package))
        api.book("admin", client_id=str(NORTH.client2))
        cancelled = api.client("client").post(
            f"/v1/bookings/{mine['id']}/transitions", json={"action": "cancel", "reason": "Ill"}
        )
        assert cancelled.status_code == 200, cancelled.text
        confirm(api, api.book()["id"])
        owed = {"currency": "EUR", "total_amount": "420.00", "outstanding_amount": "70.00"}
        admins = owed | {"total_amount": "540.00"}
        for who, total, counts, amounts in (
            ("client", 3, {"pending": 1, "active": 1, "completed": 0, "cancelled": 1}, [owed]),
            ("admin", 4, {"pending": 2, "active": 1, "completed": 0, "cancelled": 1}, [admins]),
            ("provider", 1, {"pending": 0, "active": 0, "completed": 0, "cancelled": 1},
             [{"currency": "EUR", "total_amount": "0.00", "outstanding_amount": "0.00"}]),
            ("provider2", 0, {"pending": 0, "active": 0, "completed": 0, "cancelled": 0}, []),
        ):  # fmt: skip
            figures = api.client(who).get("/v1/bookings/summary").json()
            assert figures["total"] == total == sum(figures["by_status"].values()), who
            assert figures["counts"] == counts, who
            assert [{**it, **{key: f"{Decimal(it[key]):.2f}" for key in it if key != "currency"}}
                    for it in figures["amounts"]] == amounts, who  # fmt: skip
            assert figures["stale"] is False
        assert api.client("admin", org=SOUTH).get("/v1/bookings/summary").json()["total"] == 0


def confirm(api: Api, booking_id: str) -> None:
    """Make the booking an ongoing one, with an invoice of 100 of which 30 are paid."""
    api.business.connection.execute("update app.bookings set status = 'confirmed' where id = %s", [booking_id])
    invoice = api.business.connection.execute(
        "insert into app.invoices (org_id, booking_id, client_id, invoice_number, status, total_amount, currency,"
        " issued_at) values (%s, %s, %s, 'T-1', 'part_paid', 100, 'EUR', now()) returning id",
        [NORTH.id, booking_id, NORTH.client],
    ).fetchall()[0][0]
    for kind, amount in (("payment", 50), ("refund", 20)):
        api.business.connection.execute(
            "insert into app.payments (org_id, invoice_id, booking_id, kind, status, amount, currency, paid_at)"
            " values (%s, %s, %s, %s, 'succeeded', %s, 'EUR', now())",
            [NORTH.id, invoice, booking_id, kind, amount],
        )


def test_while_the_database_is_slow_the_last_known_figures_are_given(
    serve: Callable[..., AbstractContextManager[Api]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(summary, "PATIENCE_S", 0.3)
    with serve(statement_timeout_ms=1000) as api:
        api.book()
        known = api.client("client").get("/v1/bookings/summary").json()
        with psycopg.connect(api.business.settings.database_url) as blocking:
            blocking.execute("lock table app.bookings in access exclusive mode")
            began = time.monotonic()
            answers = [api.client("client").get("/v1/bookings/summary") for _ in range(3)]
            assert time.monotonic() - began < 0.9  # the second and the third did not wait
            assert [it.json() for it in answers] == [known | {"stale": True}] * 3
            nothing_known = api.client("client2").get("/v1/bookings/summary")
            assert nothing_known.status_code == 503
            assert nothing_known.headers["Retry-After"]
        api.book()
        for _ in range(50):
            after = api.client("client").get("/v1/bookings/summary").json()
            if not after["stale"]:
                break
            time.sleep(0.05)
        assert (after["total"], after["stale"]) == (2, False)
        assert after["as_of"] > known["as_of"]
