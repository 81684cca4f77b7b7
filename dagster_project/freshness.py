"""The freshness policy of the assets that every run of the job `pipeline` looks at."""

from typing import Final

import dagster as dg

from sources.freshness import LATE_AFTER, STALE_AFTER

# Dagster counts materializations, and an unchanged table or model is reported as one by each run that looked at it.
# Assets of schemas ml and app have no policy: their jobs run where a day of an organisation is due only, so that they
# would be reported as stale where the data of all organisations have ended.
POLICY: Final = dg.FreshnessPolicy.time_window(fail_window=STALE_AFTER, warn_window=LATE_AFTER)
