"""Terms on which the API sells services: add-ons, price rules, deposits, cancellation fees; and number series."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from sources.simulate.business import ADD_ONS, CANCELLATION_RULES, DEPOSIT_SHARE, PRICE_RULES
from sources.simulate.calendar import DAY, Ints, Texts
from sources.simulate.people import BEFORE, People, World


def settings_terms() -> dict[str, object]:
    """Return the terms that are kept in the organisation's settings."""
    return {"deposit_pct": round(DEPOSIT_SHARE * 100), "cancellation_rules": CANCELLATION_RULES}


def add_terms(world: World, people: People) -> None:
    """Add service_add_ons, price_rules and number_series, with random numbers that no other row depends on."""
    own_world = replace(world, rng=np.random.default_rng([world.as_of, world.first_day]))
    _add_add_ons(own_world, people)
    _add_price_rules(own_world)
    _add_number_series(own_world)


def _add_add_ons(world: World, people: People) -> None:
    service = np.repeat(np.arange(len(people.services)), len(ADD_ONS))
    kind = np.tile(np.arange(len(ADD_ONS)), len(people.services))
    prices = np.array([each.price for each in world.business.services])[service] * 100
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


def _add_number_series(world: World) -> None:
    """Add the series of invoice numbers, which continues after the last invoice of the sample."""
    opened = _opened(world, 1)
    world.add_rows(
        "number_series", world.new_ids(opened), opened, opened, series="invoice",
        last_number=np.array([len(world.rows["invoices"]["id"])]),
    )  # fmt: skip


def _opened(world: World, count: int) -> Ints:
    return np.full(count, (world.first_day - BEFORE) * DAY + 10 * 3_600)


def _objects(values: Sequence[object]) -> Texts:
    return np.array(values, dtype=object)
