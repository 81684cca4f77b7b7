"""Incidents: findings that have one cause become one finding, the root, with the others as its effects.

The metric tree (`drives` in marts.dim_metric) says which metrics move which. An anomaly is an effect of another one if
the tree leads from that one to it, both are good or both are bad news, their days overlap, and one member can move the
other.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from graphlib import TopologicalSorter
from typing import Any, Final

import psycopg

from insights.findings import BY_TIME, WORK, Finding
from insights.narrative.phrases import effect_sentence
from insights.organizations import Organization
from sources.insight_values import SEVERITIES

Tree = Mapping[str, Sequence[str]]  # metric -> the metrics that it moves

FORETOLD: Final = ("forecast", "pace")  # kinds that show what the days ahead will bring
EFFECT_DELAY: Final = timedelta(
    days=7
)  # an effect begins this much later at most: what is called off is of days to come
EARLY: Final = timedelta(days=3)  # and hardly earlier: evidence over days tells the first one within days only
CAUSE_SHARE: Final = 0.3  # a cause is worth at least this share of the money of its effect
MEMBER_SHARE: Final = 0.5  # a member moves a total if it is worth at least this share of it
SAME_BOOKINGS: Final = 0.5  # a finding with at least this share of its bookings in another has the same cause
SAME_SIZE: Final = 1.5  # falls of members of two dimensions are one if the second is at most this much larger
FARTHER_FALL: Final = 2.0  # an effect falls by at most this many times the share by which its cause fell
CALLED_OFF: Final = ("bookings_cancelled", "cancellation_rate", "revenue_on_hand")  # what an absence moves beside work
NAMED_EFFECTS: Final = 4
EFFECT_COLUMNS: Final = (
    "kind", "metric", "label", "unit", "dimension", "member", "member_name", "direction", "value", "expected", "impact",
)  # fmt: skip


def metric_tree(connection: psycopg.Connection) -> Tree:
    """Return the metrics that each metric moves."""
    return dict(connection.execute("select metric, drives from marts.dim_metric").fetchall())


def combined(organization: Organization, findings: Sequence[Finding], tree: Tree) -> list[Finding]:
    """Return the findings of all rules with one finding for each cause: the root, with its effects.

    An incident opens an event if one of its findings does, and is as severe as the most severe of these.
    """
    distances = {metric: _distances(tree, metric) for metric in tree}
    effects_first = TopologicalSorter(tree).static_order()
    positions = {metric: -position for position, metric in enumerate(effects_first)}
    incidents: list[list[Finding]] = []  # the root first
    anomalies = [finding for finding in findings if finding["kind"] == "anomaly"]
    for finding in sorted(anomalies, key=lambda each: _order(each, positions)):
        causes = [incident for incident in incidents if _causes(incident[0], finding, distances)]
        if causes:
            min(causes, key=lambda incident: _nearness(incident[0], finding, distances)).append(finding)
        else:
            incidents.append([finding])
    incidents = _with_postponed(incidents)
    rest = []
    for finding in findings:
        if finding["kind"] in FORETOLD and (cause := _cause_of_foretold(finding, incidents, distances)):
            cause.append(finding)
        elif finding["kind"] != "anomaly":
            rest.append(finding)
    whole = [_with_effects(organization, incident) for incident in incidents] + rest
    is_overloaded = any(finding["kind"] == "workload" and finding.get("opens", True) for finding in whole)
    return [{**finding, "overloading": is_overloaded or bool(finding.get("overloading"))} for finding in whole]


def _distances(tree: Tree, metric: str) -> dict[str, int]:
    """Return the metrics that `metric` moves at last, with the steps to each; itself at 0."""
    found, reached = {metric: 0}, [metric]
    for cause in reached:
        for effect in tree.get(cause, ()):
            if effect not in found:
                found[effect] = found[cause] + 1
                reached.append(effect)
    return found


def _order(finding: Finding, positions: Mapping[str, int]) -> tuple[Any, ...]:
    """Return the sort key that puts causes before their effects, totals before members, and weekdays and leads last."""
    position, dimension = positions.get(finding["metric"], 1), finding["dimension"]
    if "absence" in finding:
        position = -len(positions) - 1
    level = (dimension != "total") + (dimension in BY_TIME)
    return position, finding["metric"], level, finding["started_on"], -finding["share"]


def _nearness(cause: Finding, effect: Finding, distances: Mapping[str, Mapping[str, int]]) -> tuple[Any, ...]:
    """Return the sort key of the likeliest cause: of the same member, then the nearest, then the largest."""
    is_same_member = (cause["dimension"], cause["member"]) == (effect["dimension"], effect["member"])
    steps = distances[cause["metric"]].get(effect["metric"], 0)  # none from an absence to what it calls off
    return not is_same_member, steps, -abs(cause["impact"] or 0)


def _causes(cause: Finding, effect: Finding, distances: Mapping[str, Mapping[str, int]]) -> bool:
    if "absence" in cause:
        return _follows_from_absence(cause, effect)
    if effect["metric"] not in distances.get(cause["metric"], {cause["metric"]: 0}):
        return False
    if "repeated" in effect and effect["metric"] != cause["metric"]:
        return False  # invoices that repeat others follow from no other figure
    if _is_good(cause) != _is_good(effect) or not _is_compatible(cause, effect):
        return False
    if cause["metric"] == effect["metric"]:
        return bool(cause["started_on"] <= effect["day"] and effect["started_on"] <= cause["day"])
    return (
        "missing" not in (cause["pattern"], effect["pattern"])
        and cause["started_on"] - EARLY <= effect["started_on"] <= cause["day"] + EFFECT_DELAY
        and cause["started_on"] <= effect["day"]
        and _is_worth(cause, effect, CAUSE_SHARE)
        and _can_fall_so_far(cause, effect)
    )


def _follows_from_absence(cause: Finding, effect: Finding) -> bool:
    """Return True if the effect is of the absent provider, or for the most part of the bookings that it concerns.

    The tree says that cancellations move the work done, and not the reverse: an absence is the exception.
    """
    is_later = cause["started_on"] - EARLY <= effect["started_on"] and cause["started_on"] <= effect["day"]
    if "absence" in effect or not is_later or _is_good(effect):
        return False
    if effect["metric"] not in (*WORK, *CALLED_OFF) or effect["pattern"] == "missing":
        return False
    if effect["dimension"] == "provider":
        return bool(effect["member"] == cause["member"])
    concerned = max(abs(float(cause["impact"] or 0)), cause["absence"]["amount"])
    return effect["impact"] is not None and concerned >= MEMBER_SHARE * abs(float(effect["impact"]))


def _can_fall_so_far(cause: Finding, effect: Finding) -> bool:
    """Return True unless the effect fell by far more of what was expected than its cause did.

    Of a total nothing is left only where nothing is left of its cause.
    """
    if not (cause["direction"] == effect["direction"] == "down" and cause["expected"] > 0 and effect["expected"] > 0):
        return True
    if effect["dimension"] == "total" and not effect["value"] and cause["value"]:
        return False
    of_cause, of_effect = (1 - float(each["value"]) / float(each["expected"]) for each in (cause, effect))
    return of_effect <= FARTHER_FALL * of_cause


def _is_good(finding: Finding) -> bool:
    return bool(finding["direction"] == finding["good_direction"])


def _is_worth(cause: Finding, effect: Finding, share: float) -> bool:
    """Return True if the cause is worth this share of the effect's money; where money is not known as well."""
    if cause["impact"] is None or effect["impact"] is None:
        return True
    return abs(float(cause["impact"])) >= share * abs(float(effect["impact"]))


def _is_compatible(cause: Finding, effect: Finding) -> bool:
    """Return True if the member of the cause can move that of the effect."""
    if cause["dimension"] == "total" or cause["member"] == effect["member"]:
        return True
    if effect["dimension"] == "total":
        return _is_worth(cause, effect, MEMBER_SHARE)
    if cause["dimension"] == effect["dimension"]:
        return False
    if cause["bookings"] and effect["bookings"]:
        return len(cause["bookings"] & effect["bookings"]) >= SAME_BOOKINGS * len(effect["bookings"])
    return effect["direction"] == "down" and _is_worth(cause, effect, 1 / SAME_SIZE)


def _with_postponed(incidents: Sequence[list[Finding]]) -> list[list[Finding]]:
    """Return the incidents, a rise of the revenue on hand with the stopped work that it consists of.

    Work that was not done on its day is still on hand. The tree has no such edge: one is bad news and the other good.
    """
    stopped = [incident for incident in incidents if _is_stopped(incident[0])]
    result = list(incidents)
    for incident in incidents:
        root = incident[0]
        causes = [
            cause
            for cause in stopped
            if root["started_on"] <= cause[0]["day"] + EFFECT_DELAY and cause[0]["started_on"] <= root["day"]
        ]
        if (root["metric"], root["dimension"], root["direction"]) == ("revenue_on_hand", "total", "up") and causes:
            max(causes, key=lambda cause: abs(cause[0]["impact"] or 0)).extend(incident)
            result.remove(incident)
    return result


def _is_stopped(root: Finding) -> bool:
    return root["metric"] in WORK and root["direction"] == "down" and root["dimension"] == "total" and not root["value"]


def _cause_of_foretold(
    finding: Finding, incidents: Sequence[list[Finding]], distances: Mapping[str, Mapping[str, int]]
) -> list[Finding] | None:
    """Return the incident that the forecast or the pace follows, the one with the most money; None without one."""
    causes = [
        incident
        for incident in incidents
        if finding["metric"] in distances.get(incident[0]["metric"], {})
        and _is_good(incident[0]) == _is_good(finding)
        and any(_is_worth(part, finding, CAUSE_SHARE) and part["impact"] is not None for part in incident)
    ]
    return max(causes, key=lambda incident: abs(incident[0]["impact"] or 0), default=None)


def _with_effects(organization: Organization, incident: Sequence[Finding]) -> Finding:
    """Return the root of an incident with its effects, the severity and the money of the whole."""
    root, *parts = incident
    opening = [part for part in incident if part.get("opens", True)]
    severities = [part["severity"] for part in opening or [root]]
    effects = list(_effects(organization, root, parts))
    return {
        **root,
        "opens": bool(opening),
        "severity": min(severities, key=SEVERITIES.index),
        "impact": _money(root, parts),
        "effects": effects,
    }


def _money(root: Finding, parts: Sequence[Finding]) -> float | None:
    """Return the money of an incident: of a count that of the metric by the same days that counts it in money.

    A sum of amounts says more than the number of bookings at their mean. A ratio keeps its own money: the amounts that
    it moves vary by more than by the ratio.
    """
    same_days = [
        part
        for part in parts
        if part["kind"] == "anomaly" and part["unit"] == "money" and part["kind_of_metric"] == "sum"
        and (part["dimension"], part["member"]) == (root["dimension"], root["member"])
        and part["started_on"] == root["started_on"]
    ]  # fmt: skip
    if root["unit"] == "money" or root["denominator"] or "absence" in root or not same_days:
        return None if root["impact"] is None else float(root["impact"])
    return float(same_days[0]["impact"])


def _effects(organization: Organization, root: Finding, parts: Sequence[Finding]) -> Iterator[dict[str, Any]]:
    """Yield the effects on other metrics, one per metric: the total before members, then the largest money."""
    ranked = sorted(parts, key=lambda part: (part["dimension"] != "total", -abs(part["impact"] or 0)))
    seen = {root["metric"]} if root["kind"] == "anomaly" else set()
    for part in ranked:
        name = part["metric"] if part["kind"] == "anomaly" else part["kind"]
        if name in seen or len(seen) > NAMED_EFFECTS:
            continue
        seen.add(name)
        yield {
            **{key: part.get(key) for key in EFFECT_COLUMNS},
            "sentence": effect_sentence({**part, "currency": organization.currency}),
        }
