"""Substitutes for dbt's functions and the project's macros, for the jinja templater of sqlfluff.

They return SQL of the same shape as dbt/macros. sqlfluff would compile the real macros again for every file, which
takes most of its time.
"""

from typing import Any

from dagster_project.warehouse.variables import VARIABLES


def var(name: str) -> Any:
    """Return a variable of dbt; of the metrics only one, enough for the linter."""
    return VARIABLES[name][:1] if name.startswith("metric_") else VARIABLES[name]


def _calls(name: str) -> Any:
    return lambda *arguments, **_: f"{name}({', '.join(map(str, arguments))})"


add_days = _calls("add_days")
as_money = _calls("as_money")
count_where = _calls("count_where")
days_from_to = _calls("days_from_to")
derived_status = _calls("derived_status")
final_day = _calls("final_day")
first_day_of = _calls("first_day_of")
first_day_of_grain = _calls("first_day_of_grain")
is_firm = _calls("is_firm")
is_partial_period = _calls("is_partial_period")
last_day_of = _calls("last_day_of")
lead_bucket = _calls("lead_bucket")
last_day_of_grain = _calls("last_day_of_grain")
local_day = _calls("local_day")
local_hour = _calls("local_hour")
mean_days = _calls("mean_days")
metric_total = _calls("metric_total")
months_from_to = _calls("months_from_to")
names_weekday = _calls("names_weekday")
period_figure = _calls("period_figure")
seconds_from_to = _calls("seconds_from_to")
severity_rank = _calls("severity_rank")
share = _calls("share")
start_of_day = _calls("start_of_day")
status_group = _calls("status_group")
was_done = _calls("was_done")
weekday_of = _calls("weekday_of")
weekdays_as_text = _calls("weekdays_as_text")


def outcome_counts() -> str:
    """Return one of the counts of bookings."""
    return "sum(outcomes.bookings) as bookings"


completion_counts = outcome_counts


def service_sums() -> str:
    """Return one of the sums of a service."""
    return "sum(outcomes.total_amount) as booked_revenue"


def completion_spans() -> dict[str, tuple[str, str]]:
    """Return one of the times of a booking: its name, and its first and last moment."""
    return {"lead": ("created_at", "scheduled_start")}


def completion_rates(counts: str) -> str:
    """Return one of the columns made of the counts."""
    return f"{counts}.bookings"


def completion_outcomes(counts: str, *_: str) -> str:
    """Return one of the further columns made of the counts."""
    return f"{counts}.due"


def statuses(*_: Any) -> str:
    """Return a list of statuses."""
    return "('completed')"


statuses_from = statuses


def outcomes() -> list[tuple[str, str]]:
    """Return one way in which a booking ends: the column of its count, and the status."""
    return [("no_shows", "no_show")]


def every_number(*_: Any) -> str:
    """Return a relation with the column `number`."""
    return "numbers"


def daily_sums(_: Any) -> str:
    """Return a query with the columns of the rows of some metrics."""
    return "select org_id, day, metric, dimension, member, value from facts"


def metric_rows(_: Any) -> str:
    """Return a query with the columns of the single rows of one metric."""
    return (
        "select org_id, metric, day, value, booking_id, service, provider, client_group, channel, service_weekday, "
        "lead_bucket, status_group from facts"
    )


def metric_row(*_: Any) -> str:
    """Return a query with some columns of dim_metric."""
    return "select metric, label from metrics"


def days_of_metrics() -> str:
    """Return a query with the first and last day of the metrics."""
    return "select first_day, last_day from days"


def newest_forecasts(_: Any) -> str:
    """Return a query with the newest as_of of each organisation."""
    return "select org_id, organization_as_of, as_of from forecasts"


def only_changed(*_: Any, **__: Any) -> str:
    """Return an empty string: a first build has no such where clause."""
    return ""


only_changed_histories = only_changed
only_changed_lines = only_changed
or_changed_end = only_changed


def by_role(*_: Any) -> str:
    """Return the columns of a period and of what it is compared with."""
    return "sum(value) as value"


def periods_of_rows(_: Any) -> str:
    """Return a query of the figures of one metric by period."""
    return "select org_id, grain, period_start, period_end, previous_start, dimension, member from facts"


def levels_of_days(*_: Any) -> str:
    """Return the end of a query of what stands at the end of each day."""
    return "levels as (select * from changes) select org_id, service_id, day from levels"
