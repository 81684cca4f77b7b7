"""Findings on the state of the whole organisation at the end of as_of: what they have in common."""

from typing import Any

from insights.organizations import Organization


def state_finding(organization: Organization, **columns: Any) -> dict[str, Any]:
    """Return a finding of the total on as_of, with the given columns; those that do not apply are None or empty."""
    return {
        "dimension": "total",
        "member": "all",
        "member_name": "all",
        "day": organization.as_of,
        "started_on": organization.as_of,
        "lower": None,
        "upper": None,
        "impact": None,
        "drivers": [],
        "facts": [],
        "actions": [],
        **columns,
    }


def booking_link(booking_id: str) -> str:
    """Return the path of a booking in the API."""
    return f"/v1/bookings/{booking_id}"
