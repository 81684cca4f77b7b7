"""Findings of kind `pipeline`: failures of the Hub itself."""

from collections.abc import Mapping

from insights.findings import Finding
from insights.narrative import with_texts
from insights.organizations import Organization


def failure_findings(organization: Organization, failures: Mapping[str, str]) -> list[Finding]:
    """Return one finding per failure: name of the job, check, sensor or channel -> error message."""
    no_figures = dict.fromkeys(("value", "expected", "lower", "upper", "impact"))
    return with_texts(
        organization,
        [
            {
                **no_figures,
                "kind": "pipeline",
                "metric": name,
                "label": name,
                "member_name": name,
                "detail": message,
                "dimension": "total",
                "member": "all",
                "unit": "count",
                "severity": "high",
                "direction": "down",
                "good_direction": "up",
                "day": organization.as_of,
                "started_on": organization.as_of_at.isoformat(),  # a second failure of one day is a second event
                "drivers": [],
            }
            for name, message in failures.items()
        ],
    )
