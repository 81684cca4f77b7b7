"""Kills at random moments: HUB_CHAOS is their number in each test (none without it), HUB_CHAOS_SEED their seed."""

import os
import random
from typing import Final

KILLS: Final = int(os.environ.get("HUB_CHAOS", "0"))
SEED: Final = int(os.environ.get("HUB_CHAOS_SEED", "1"))


def random_moments() -> random.Random:
    """Return the source of the moments, and tell how to repeat them."""
    tell(f"HUB_CHAOS={KILLS} HUB_CHAOS_SEED={SEED}")
    return random.Random(SEED)


def tell(text: str) -> None:
    print(text)  # noqa: T201  `make chaos` shows it
