"""How old a landed table or a figure may become: for dbt, the Dagster UI and the page of data health."""

from datetime import timedelta
from typing import Final

# The schedule `pipeline` runs every 15 minutes: eight of its runs are missing.
LATE_AFTER: Final = timedelta(hours=2)
# Where `hub run` runs once a day instead, it is missing as well.
STALE_AFTER: Final = timedelta(hours=26)
