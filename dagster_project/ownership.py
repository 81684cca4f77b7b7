"""Who answers for the assets, as the Dagster UI shows it."""

from typing import Final

OWNERS: Final = ["team:analytics"]
