"""Random sequences of operations by all roles break no rule of consent and money.

2,000 steps in `make test`; `make fuzz` takes 200,000 over 50 organisations (HUB_WALK_STEPS, HUB_WALK_ORGANIZATIONS).
"""

import asyncio
import os

import pytest

from tests.sources.business import Business, Organization, seed_organizations
from tests.sources.operations.random_walk import BROKEN, HELD, PRICED, TERMS, Walk

STEPS = int(os.environ.get("HUB_WALK_STEPS", "2000"))
ORGANIZATIONS = int(os.environ.get("HUB_WALK_ORGANIZATIONS", "2"))
SEED = int(os.environ.get("HUB_WALK_SEED", "1"))
ROUND = 500  # steps between two checks of the whole database


@pytest.mark.timeout(36_000)
def test_no_sequence_of_operations_breaks_a_rule(own_business: Business) -> None:
    business = own_business
    organizations = [Organization(f"walk{number}") for number in range(ORGANIZATIONS)]
    seed_organizations(business.connection, organizations)
    for number, org in enumerate(organizations):
        terms = {"org": org.id, "record": number % 2 == 1, "deposit": number % 2 * 25}
        business.connection.execute(TERMS, terms)
    walks = [Walk(business, org, SEED) for org in organizations]

    async def walk_on(steps: int) -> None:
        await asyncio.gather(*(walk.run(steps) for walk in walks))

    each = STEPS // ORGANIZATIONS
    for taken in range(0, each, ROUND):
        business.wait_for(walk_on(min(ROUND, each - taken)), timeout_s=3600)
        broken = business.connection.execute(BROKEN, {"priced": PRICED, "held": HELD}).fetchall()
        assert broken == [], "\n".join(step for walk in walks for step in walk.steps[-ROUND:])
    reached = {
        status for (status,) in business.connection.execute("select distinct to_status from app.booking_status_history")
    }
    assert reached >= {"confirmed", "in_progress", "cancelled", "completed"}, "the walk is stuck"
    done, steps = sum(walk.done for walk in walks), sum(len(walk.steps) for walk in walks)
    print(f"{steps} steps, {done} not refused, statuses reached: {len(reached)}")  # noqa: T201  `make fuzz` shows it
