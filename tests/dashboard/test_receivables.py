"""Receivables over the sample business: each amount equals that of v_receivables."""

from decimal import Decimal
from typing import Any

import pytest

from sources import formatting
from tests.dashboard.conftest import ADMINS, Pages, admin_of, rows_of, table_after, words_of

AGES = ("not due", "1-30 days", "31-60 days", "61-90 days", "over 90 days")


@pytest.mark.parametrize("slug", ADMINS)
def test_every_amount_equals_the_view(sample_pages: Pages, slug: str) -> None:
    org_id, email = admin_of(sample_pages, slug)
    browser, currency = sample_pages.visit(email, slug), ADMINS[slug]
    every = rows_of(sample_pages, "select * from analytics.v_receivables where org_id = %s", org_id)
    assert every

    def amount(rows: list[dict[str, Any]]) -> str:
        return formatting.money(sum((row["open_amount"] for row in rows), Decimal(0)), currency)

    page = browser.get("/receivables").text
    by_age = [[row for row in every if row["age"] == age] for age in AGES]
    ages = [[age, str(len(rows)), amount(rows)] for age, rows in zip(AGES, by_age, strict=True)]
    assert table_after(page, "Open amount by days past due") == ages
    assert table_after(browser.get("/").text, "Open amount by days past due") == ages
    overdue = [row for row in every if row["days_overdue"] > 0]
    assert f"Open {amount(every)}" in words_of(page)
    assert f"Overdue {amount(overdue)}" in words_of(page)
    assert [row[2:] for row in table_after(page, "Clients, by what is overdue")] == [
        [amount(rows), amount([row for row in rows if row["days_overdue"] > 0]), _oldest(rows)]
        for rows in _by_client(every)[:10]
    ]


@pytest.mark.parametrize("age", AGES[1:])
def test_the_invoices_to_chase_are_those_of_the_chosen_age(sample_pages: Pages, age: str) -> None:
    slug = "harbor-and-pine"
    org_id, email = admin_of(sample_pages, slug)
    page = sample_pages.visit(email, slug).get("/receivables", params={"age": age}).text
    largest = rows_of(
        sample_pages,
        "select invoice_number, days_overdue, open_amount from analytics.v_receivables "
        "where org_id = %s and age = %s and days_overdue > 0 "
        "order by open_amount desc, due_day, invoice_number limit 25",
        org_id, age,
    )  # fmt: skip
    if not largest:
        assert f"No invoice is past due for {age}" in words_of(page)
        return
    assert [(row[0], row[3], row[4]) for row in table_after(page, "Overdue invoices, the largest first")] == [
        (row["invoice_number"], str(row["days_overdue"]), formatting.exact_money(row["open_amount"], ADMINS[slug]))
        for row in largest
    ]


def _by_client(rows: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Return the rows of each client; the clients by what is overdue, then by what is open, then by name."""
    clients = {row["client_id"] for row in rows}
    grouped = [[row for row in rows if row["client_id"] == client] for client in clients]

    def order(of_client: list[dict[str, Any]]) -> tuple[Decimal, Decimal, str]:
        overdue = sum((row["open_amount"] for row in of_client if row["days_overdue"] > 0), Decimal(0))
        return -overdue, -sum((row["open_amount"] for row in of_client), Decimal(0)), of_client[0]["client_name"]

    return sorted(grouped, key=order)


def _oldest(rows: list[dict[str, Any]]) -> str:
    days = max(row["days_overdue"] for row in rows)
    return f"{days} day{'s' if days > 1 else ''}" if days > 0 else "not due"
