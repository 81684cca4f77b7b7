"""GET /v1/bookings/summary: the figures of each caller, and last known figures while the database is slow."""

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from decimal import Decimal
from typing import Final

import psycopg
import pytest

from sources.api import last_known
from sources.api.routes import summary
from tests.sources.api.conftest import Api
from tests.sources.business import NORTH, SOUTH
from tests.waiting import wait_until

WAITING: Final = "from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"


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
            ("client", 3, {"pending": 1, "ongoing": 1, "completed": 0, "cancelled": 1}, [owed]),
            ("admin", 4, {"pending": 2, "ongoing": 1, "completed": 0, "cancelled": 1}, [admins]),
            ("provider", 1, {"pending": 0, "ongoing": 0, "completed": 0, "cancelled": 1},
             [{"currency": "EUR", "total_amount": "0.00", "outstanding_amount": "0.00"}]),
            ("provider2", 0, {"pending": 0, "ongoing": 0, "completed": 0, "cancelled": 0}, []),
        ):  # fmt: skip
            figures = api.client(who).get("/v1/bookings/summary").json()
            assert figures["total"] == total == sum(figures["by_status"].values()), who
            assert figures["counts"] == counts, who
            assert [{**amount, **{key: f"{Decimal(amount[key]):.2f}" for key in amount if key != "currency"}}
                    for amount in figures["amounts"]] == amounts, who  # fmt: skip
            assert figures["stale"] is False
        assert api.client("admin", org=SOUTH).get("/v1/bookings/summary").json()["total"] == 0


def confirm(api: Api, booking_id: str) -> None:
    """Confirm the booking, with an invoice of 100 of which 30 are paid."""
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


def test_last_known_figures_while_the_database_is_slow(
    serve: Callable[..., AbstractContextManager[Api]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(summary, "PATIENCE_S", 0.1)
    monkeypatch.setattr(last_known, "EXPENSIVE_S", math.inf)  # figures are never reused
    with serve(statement_timeout_ms=600_000) as api, ThreadPoolExecutor() as pool:
        api.book()
        known = api.client("client").get("/v1/bookings/summary").json()
        with psycopg.connect(api.business.settings.database_url) as blocking:
            blocking.execute("lock table app.bookings in access exclusive mode")
            answers = [api.client("client").get("/v1/bookings/summary") for _ in range(3)]
            assert [response.json() for response in answers] == [known | {"stale": True}] * 3
            assert _count_waiting(api) == 1  # the second and the third sent no query
            nothing_known = pool.submit(api.client("client2").get, "/v1/bookings/summary")
            wait_until(lambda: _count_waiting(api) == 2)
            api.business.connection.execute(f"select pg_cancel_backend(pid) {WAITING}")  # as the statement timeout does
            assert nothing_known.result().status_code == 503
            assert nothing_known.result().headers["Retry-After"]
        api.book()
        wait_until(lambda: not api.client("client").get("/v1/bookings/summary").json()["stale"])
        after = api.client("client").get("/v1/bookings/summary").json()
        assert after["total"] == 2
        assert after["as_of"] > known["as_of"]


def _count_waiting(api: Api) -> int:
    return api.business.connection.execute(f"select pid {WAITING}").rowcount


def test_remembered_figures_are_forgotten_with_the_access(
    serve: Callable[..., AbstractContextManager[Api]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(last_known, "EXPENSIVE_S", 0.0)
    monkeypatch.setattr(last_known, "REUSED_TIMES", 1_000_000)
    with serve() as api:
        assert api.client("client").get("/v1/bookings/summary").status_code == 200
        api.business.connection.execute("update app.profiles set is_active = false where id = %s", [NORTH.client])
        wait_until(lambda: api.client("client").get("/v1/bookings/summary").status_code == 401)
        assert api.client("provider").get("/v1/bookings/summary").status_code == 200
