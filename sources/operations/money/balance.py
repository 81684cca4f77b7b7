"""Balances of invoices in SQL: payments less refunds, defined once for every statement of the operations."""

from typing import Final


def paid_less_refunded(condition: str) -> str:
    """Return a scalar subquery: the payments less the refunds that succeeded, of the payments that meet `condition`.

    Summed where it is read and never stored, so that it cannot differ from the payments. `condition` names columns of
    app.payments, with `payments.` in front where the outer query has the same.
    """
    return f"""(
        select coalesce(sum(payments.signed_amount), 0)::numeric(14, 2) from app.payments as payments
        where payments.status = 'succeeded' and {condition}
    )"""  # noqa: S608  constants of this package


# Of a query or statement on app.invoices as invoices.
PAID_OF_INVOICE: Final = paid_less_refunded("payments.org_id = invoices.org_id and payments.invoice_id = invoices.id")


def derived_status(at: str) -> str:
    """Return the status of an invoice at the moment of the parameter `at` (such as $2), from its payments and due date.

    Of a statement on app.invoices as invoices.
    """
    return f"app.invoice_status(invoices.status, invoices.total_amount, {PAID_OF_INVOICE}, invoices.due_at, {at})"
