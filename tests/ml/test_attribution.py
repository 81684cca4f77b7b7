"""Attribution: the members that explain a change are found, and chance and common changes are not taken for them."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import pytest

from ml.attribution import Attribution, attribute, volume_price_mix

START = pd.Timestamp("2026-03-02")
SERVICES = ("cut", "colour", "massage", "sauna")
CHANNELS = ("web", "phone", "walk-in")
DIMENSIONS = ("service", "channel", "group")


def rows(
    first: pd.Timestamp,
    days: int,
    *,
    daily: float = 40,
    seed: int = 1,
    keep: Mapping[tuple[str, str], float] | None = None,
) -> pd.DataFrame:
    """Bookings of these days, one row each; keep: the share that is left of (service, channel), '' for any."""
    random = np.random.default_rng(seed)
    number = random.poisson(daily, days)
    frame = pd.DataFrame({"day": np.repeat(pd.date_range(first, periods=days).to_numpy(), number)})
    frame["service"] = random.choice(SERVICES, len(frame), p=(0.4, 0.3, 0.2, 0.1))
    frame["channel"] = random.choice(CHANNELS, len(frame), p=(0.5, 0.3, 0.2))
    frame["group"] = "everyone"
    frame["value"] = 1.0
    for (service, channel), share in (keep or {}).items():
        is_hit = frame["service"].eq(service or frame["service"]) & frame["channel"].eq(channel or frame["channel"])
        frame = frame[~is_hit | (random.random(len(frame)) < share)]
    return frame.reset_index(drop=True)


BEFORE = rows(START - pd.Timedelta(days=56), 56)


def explained(current: pd.DataFrame, expected: float | None = None) -> Attribution:
    return attribute(current, BEFORE, dimensions=DIMENSIONS, expected=expected)


def test_a_broken_service_is_found() -> None:
    found = explained(rows(START, 5, keep={("massage", ""): 0.0}, seed=2))
    assert found.dimensions == ("service",)
    assert list(found.members["service"]) == ["massage"]
    assert found.members["value"].iloc[0] == 0
    assert found.members["expected"].iloc[0] == pytest.approx(5 * 40 * 0.2, rel=0.2)


def test_a_lost_channel_of_one_service_needs_both_dimensions() -> None:
    found = explained(rows(START, 5, keep={("cut", "web"): 0.0}, seed=2))
    assert found.dimensions == ("service", "channel")
    assert found.members[["service", "channel"]].to_numpy().tolist() == [["cut", "web"]]


@pytest.mark.parametrize("daily", [20, 90])
def test_a_common_change_is_spread(daily: float) -> None:
    found = explained(rows(START, 5, daily=daily, seed=3), expected=200)
    assert found.dimensions == ()
    assert found.tried == ("service", "channel")  # a dimension with one member tells nothing


def test_chance_is_no_driver() -> None:
    named = [explained(rows(START, 3, seed=seed)).dimensions for seed in range(100)]
    assert sum(dimensions != () for dimensions in named) <= 10


def test_contributions_are_measured_against_what_was_expected() -> None:
    found = explained(rows(START, 5, keep={("massage", ""): 0.0}, seed=2), expected=400)
    assert found.members.empty or found.members["expected"].sum() > 60


def test_a_group_is_told_rather_than_its_weekday() -> None:
    weekdays = np.resize(["Tuesday", *["Monday"] * 4, *["Friday"] * 4], len(BEFORE))
    before = BEFORE.assign(weekday=weekdays, group=np.resize(["tours", *["others"] * 9], len(BEFORE)))
    current = before.head(40).assign(day=START)
    tour = pd.DataFrame({"day": START, "group": ["tours"] * 40 + ["others"] * 3, "weekday": "Tuesday", "value": 1.0})
    changed = pd.concat([current, tour])
    both = ("group", "weekday")
    assert attribute(changed, before, dimensions=both).dimensions == ("weekday",)
    assert attribute(changed, before, dimensions=both, secondary=("weekday",)).dimensions == ("group",)


def test_nothing_is_found_without_rows() -> None:
    assert attribute(BEFORE.head(0), BEFORE.head(0), dimensions=DIMENSIONS).members.empty


def test_volume_price_and_mix_add_up() -> None:
    before = BEFORE.assign(member=BEFORE["service"], value=np.where(BEFORE["service"] == "massage", 100.0, 50.0))
    now = rows(START, 7, seed=4)
    now = now.assign(member=now["service"], value=np.where(now["service"] == "massage", 160.0, 50.0))
    parts = volume_price_mix(now, before)
    change = now["value"].sum() - before["value"].sum() / 8
    assert sum(parts.values()) == pytest.approx(change)
    assert parts["price"] == pytest.approx(60 * (now["service"] == "massage").sum())


def test_more_of_the_same_is_volume() -> None:
    before = BEFORE.assign(member=BEFORE["service"])
    weeks = [before.assign(day=before["day"] + pd.Timedelta(days=56))] * 2
    parts = volume_price_mix(pd.concat(weeks), before)
    assert parts["volume"] == pytest.approx(sum(parts.values()))
    assert parts["price"] == 0
