"""The owners of the assets, as shown in the Dagster UI."""

from typing import Final

OWNERS: Final = ["team:analytics"]
