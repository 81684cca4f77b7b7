"""What dbt and our macros would put into the models, for sqlfluff's jinja templater.

Stand-ins of the same shape as dbt/macros: sqlfluff compiles real macros anew for every file, which takes most of its
time.
"""

from pathlib import Path
from typing import Any

import yaml

PROJECT = Path(__file__).parents[1] / "dbt_project.yml"
VARS = yaml.load(PROJECT.read_text(), Loader=yaml.CSafeLoader)["vars"]


def var(name: str) -> Any:
    """The variable as dbt_project.yml has it; of the metrics one, which is as good as nine to a linter."""
    return VARS[name][:1] if name == "kpis" else VARS[name]


def _calls(name: str) -> Any:
    return lambda *arguments, **_: f"{name}({', '.join(map(str, arguments))})"


a_day_before = _calls("a_day_before")
add_days = _calls("add_days")
as_money = _calls("as_money")
count_where = _calls("count_where")
days_from_to = _calls("days_from_to")
derived_status = _calls("derived_status")
first_day_of = _calls("first_day_of")
is_firm = _calls("is_firm")
last_day_of = _calls("last_day_of")
local_day = _calls("local_day")
local_hour = _calls("local_hour")
mean_days = _calls("mean_days")
metric_total = _calls("metric_total")
names_weekday = _calls("names_weekday")
seconds_from_to = _calls("seconds_from_to")
share = _calls("share")
start_of_day = _calls("start_of_day")
status_group = _calls("status_group")
was_done = _calls("was_done")
weekday_of = _calls("weekday_of")
weekdays_as_text = _calls("weekdays_as_text")


def statuses(*_: Any) -> str:
    """A list of statuses."""
    return "('completed')"


statuses_from = statuses


def outcomes() -> list[tuple[str, str]]:
    """One of the ways in which a booking ends: the name of its count, and the status."""
    return [("no_shows", "no_show")]


def every_number(*_: Any) -> str:
    """A relation with the column `number`."""
    return "numbers"


def kpi_rows(_: Any) -> str:
    """The columns of one metric's rows."""
    return "select org_id, day, metric, dimension, member, value from facts"


def kpi_days() -> str:
    """The columns of the days that the metrics know."""
    return "select first_day, last_day from days"


def only_changed(*_: Any, **__: Any) -> str:
    """A where clause that a first build does not have."""
    return ""


only_changed_histories = only_changed
or_changed_end = only_changed
