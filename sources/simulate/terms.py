"""The terms on which the API sells: add-ons, price rules, deposits, what giving up costs, and where numbers go on."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from sources.simulate.business import ADD_ONS, CANCELLATION_RULES, DEPOSIT_SHARE, PRICE_RULES
from sources.simulate.calendar import DAY, Ints, Texts
from sources.simulate.people import BEFORE, People, World


def in_settings() -> dict[str, object]:
    """The terms that stand in the organisation's settings."""
    return {"deposit_pct": round(DEPOSIT_SHARE * 100), "cancellation_rules": CANCELLATION_RULES}


def add_terms(world: World, people: People) -> None:
    """Add service_add_ons, price_rules and number_series. Their randomness is their own: no other row depends on it."""
    apart = replace(world, rng=np.random.default_rng([world.as_of, world.first_day]))
    _add_add_ons(apart, people)
    _add_price_rules(apart)
    _add_numbers(apart)


def _add_add_ons(world: World, people: People) -> None:
    service = np.repeat(np.arange(len(people.services)), len(ADD_ONS))
    kind = np.tile(np.arange(len(ADD_ONS)), len(people.services))
    prices = np.array([it.price for it in world.business.services])[service] * 100
    shares = np.array([share for _, share in ADD_ONS])[kind]
    opened = _opened(world, len(service))
    world.add_rows(
        "service_add_ons", world.new_ids(opened), opened, opened, service_id=people.services[service],
        name=_objects([name for name, _ in ADD_ONS])[kind], price=np.rint(prices * shares).astype(np.int64),
        currency=world.business.currency,
    )  # fmt: skip


def _add_price_rules(world: World) -> None:
    opened = _opened(world, len(PRICE_RULES))
    world.add_rows(
        "price_rules", world.new_ids(opened), opened, opened,
        name=_objects([rule.name for rule in PRICE_RULES]),
        weekdays=_objects([rule.weekdays for rule in PRICE_RULES]),
        min_lead_days=_objects([rule.min_lead_days for rule in PRICE_RULES]),
        adjust_pct=np.array([rule.adjust_pct for rule in PRICE_RULES]) * 100,
        position=np.arange(1, len(PRICE_RULES) + 1),
    )  # fmt: skip


def _add_numbers(world: World) -> None:
    """Invoices go on behind the last number of the sample's."""
    opened = _opened(world, 1)
    world.add_rows(
        "number_series", world.new_ids(opened), opened, opened, series="invoice",
        last_number=np.array([len(world.rows["invoices"]["id"])]),
    )  # fmt: skip


def _opened(world: World, count: int) -> Ints:
    return np.full(count, (world.first_day - BEFORE) * DAY + 10 * 3_600)


def _objects(values: Sequence[object]) -> Texts:
    return np.array(values, dtype=object)
