"""The addresses that the steps of a message lead to."""

import pytest

from notifications.insight_wording import steps

BOOKING = "5f0c7a1e-0000-4000-8000-000000000001"


@pytest.mark.parametrize(
    ("link", "address"),
    [
        (f"/v1/bookings/{BOOKING}", f"https://hub.example/bookings/{BOOKING}"),
        (f"/v1/invoices/{BOOKING}", "https://hub.example/receivables"),
        ("/bookings?client=1", "https://hub.example/bookings?client=1"),
        ("/v1/reviews", ""),
        ("//elsewhere.example/bookings", ""),
        ("javascript:alert(1)", ""),
        ("https://status.example", "https://status.example"),
        (None, ""),
    ],
)
def test_a_step_leads_to_the_page_of_what_its_path_in_the_api_names(link: str | None, address: str) -> None:
    insight = {"recommendation": "", "actions": [{"text": "Call Ana Bell", "link": link, "impact": None}]}
    (step,) = steps(insight, "EUR", "https://hub.example/")
    assert step.url == address
