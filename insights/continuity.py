"""Continuity of events: the unresolved event that each finding continues, also where the root of an incident moved.

The root of an incident may move while it lasts: from a member to the total, or from a metric to the one that drives it.
Its event goes on under the new identity, so that people are not told of one incident twice.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from insights.findings import Finding

Event = Mapping[str, Any]  # a row of app.insight_events


def identity(values: Finding) -> str:
    """Return the key of a finding or an event without its start."""
    return "|".join(str(values[part]) for part in ("kind", "metric", "dimension", "member", "direction"))


def continued(findings: Sequence[Finding], unresolved: Sequence[Event]) -> Iterator[tuple[Finding, Event | None]]:
    """Yield each finding with the event that it continues; None where it continues none.

    An event of the finding's own identity comes first; else the largest one of the same incident that no other finding
    continues.
    """
    by_identity = {identity(event): event for event in unresolved}
    own = {identity(finding) for finding in findings}
    free = {key: event for key, event in by_identity.items() if key not in own}
    for finding in findings:
        event = by_identity.get(identity(finding))
        if event is None and finding.get("opens", True):
            alike = [key for key, other in free.items() if _is_same_incident(other, finding)]
            if alike:
                event = free.pop(max(alike, key=lambda key: float(free[key]["told_size"] or 0)))
        yield finding, event


def is_part_of(event: Event, finding: Finding) -> bool:
    """Return True if the condition of the event is the finding's own, or one of its effects."""
    return _is_effect(event, finding) or _differs_in_member_only(event, finding)


def _is_same_incident(event: Event, finding: Finding) -> bool:
    """Return True if the finding is what the event has become.

    What a person dismissed covers its own parts, and not a larger incident that it turns out to be a part of.
    """
    if event["status"] == "dismissed" and finding["dimension"] == "total":
        return _is_effect(finding, event)
    return is_part_of(event, finding) or _is_effect(finding, event)


def _differs_in_member_only(event: Event, finding: Finding) -> bool:
    """Return True if one of them is the total of the other's metric, in the same direction."""
    is_alike = all(event[part] == finding[part] for part in ("kind", "metric", "direction"))
    return (
        is_alike
        and event["dimension"] != finding["dimension"]
        and "total"
        in (
            event["dimension"],
            finding["dimension"],
        )
    )


def _is_effect(one: Mapping[str, Any], root: Mapping[str, Any]) -> bool:
    """Return True if the condition of `one` is among the effects of `root`."""
    return any(
        (effect["metric"], effect["dimension"]) == (one["metric"], one["dimension"])
        and all(effect.get(part, one[part]) == one[part] for part in ("kind", "member"))
        and _direction(effect) == one["direction"]
        for effect in root.get("effects") or []
    )


def _direction(effect: Mapping[str, Any]) -> str:
    """Return the side of an effect; by its figures where it does not name one."""
    if "direction" in effect:
        return str(effect["direction"])
    return "up" if (effect.get("value") or 0) > (effect.get("expected") or 0) else "down"
