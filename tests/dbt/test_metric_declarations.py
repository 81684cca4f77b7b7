"""The declarations of metrics become variables of dbt, and wrong ones are refused with a sentence."""

from pathlib import Path

import pytest
import yaml

from dagster_project.warehouse import metrics
from dagster_project.warehouse.variables import PROJECT, VARIABLES
from sources.errors import HubError


def edited(folder: Path, old: str, new: str) -> Path:
    """A project with the declared metrics, in which `new` replaces the first `old` of those of bookings."""
    (folder / "models" / "marts").mkdir(parents=True)
    for path in PROJECT.glob(metrics.FILES):
        (folder / path.relative_to(PROJECT)).write_text(path.read_text())
    bookings = folder / metrics.FILES.replace("*", "bookings")
    assert old in bookings.read_text()
    bookings.write_text(bookings.read_text().replace(old, new, 1))
    return folder


def test_every_semantic_model_is_in_a_file_that_the_hub_reads() -> None:
    read = set(PROJECT.glob(metrics.FILES))
    declaring = {
        path
        for path in PROJECT.glob("models/**/*.yml")
        if {"semantic_models", "metrics"} & yaml.safe_load(path.read_text()).keys()
    }
    assert declaring == read


def test_sums_stocks_and_ratios_have_their_days_and_parts() -> None:
    properties = {each["name"]: each for each in VARIABLES["metric_properties"]}
    assert len(properties) == len(VARIABLES["metric_properties"])
    assert properties["booked_revenue"]["kind"] == "sum"
    assert (properties["revenue_on_hand"]["kind"], properties["revenue_on_hand"]["day_column"]) == ("stock", "day")
    rate = properties["no_show_rate"]
    assert [rate[key] for key in ("kind", "numerator", "denominator", "day_column")] == [
        "ratio", "services_missed", "services_due", "service_day",
    ]  # fmt: skip
    sums = {each["name"]: each for each in VARIABLES["metric_sums"]}
    assert (sums["revenue_on_hand"]["rows"], sums["revenue_on_hand"]["has_booking"]) == ("int_bookings_on_hand", True)
    assert not sums["earned_revenue"]["has_booking"]
    assert ("fct_invoices", "issued_day") in VARIABLES["metric_days"]


def test_an_average_is_a_ratio_of_its_sum_and_its_count() -> None:
    properties = {each["name"]: each for each in VARIABLES["metric_properties"]}
    average = properties["average_rating"]
    assert (average["kind"], average["unit"], average["day_column"]) == ("ratio", "score", "reviewed_day")
    parts = [properties[average[part]] for part in ("numerator", "denominator")]
    assert [(part["name"], part["unit"], part["kind"], part["watch"]) for part in parts] == [
        ("average_rating_sum", "score", "sum", False),
        ("average_rating_count", "count", "sum", False),
    ]
    sums = {each["name"]: (each["agg"], each["expr"]) for each in VARIABLES["metric_sums"]}
    assert sums["average_rating_sum"] == ("sum", "rating")
    assert sums["average_rating_count"] == ("count", "rating")


def test_medians_and_distinct_counts_are_not_made_from_days() -> None:
    kinds = {each["name"]: each["kind"] for each in VARIABLES["metric_properties"]}
    assert (kinds["median_lead_time"], kinds["booking_clients"]) == ("median", "distinct")
    assert not {"median_lead_time", "booking_clients"} & {each["name"] for each in VARIABLES["metric_sums"]}


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("good_direction: up", "good_direction: north", r"_metrics_of_bookings.yml: .*good_direction"),
        ("forecast: true", "forecasts: true", r"_metrics_of_bookings.yml: .*forecasts"),
        (
            "channel, service",
            "region, service",
            "bookings_created has dimensions that its semantic model lacks: region.",
        ),
        (
            "{name: service, type: foreign, expr: service_id}",
            "{name: service, type: foreign, expr: sold_id}",
            r"bookings_created has dimensions that are none of service \(column service_id\), .*: service\.",
        ),
        (
            "channel, service_weekday, lead_bucket]",
            "channel, organization]",
            "bookings_created has dimensions that are none of .*: organization.",
        ),
        ("dimension: created_day", "dimension: made_day", "bookings_created has dimensions .*: made_day."),
        ("drives: [booked_", "drives: [book_", "bookings_created has drives that are no metrics: book_revenue."),
        ("numerator: services_cancelled", "numerator: x", "cancellation_rate has parts that are no sums or counts: x."),
        (
            "numerator: services_cancelled",
            "numerator: no_shows",
            "cancellation_rate has parts by different business days",
        ),
        ("numerator: services_cancelled", "numerator: average_time_in_status", "has parts that are no sums or counts"),
        ("unit: share", "forecast: true\n        unit: share", "completion_rate has a forecast with two decimals"),
        (
            "dimensions: [total, service, provider]\n            watch: false\n            final_after: 30",
            "dimensions: [total, service, provider]\n            watch: false\n            final_after: 40",
            "completion_rate has parts that are final later than itself: services_completed.",
        ),
        (
            "watch: false\n            final_after: 30",
            "final_after: 30",
            "services_completed has last days that are not final, but: watch.",
        ),
        ("agg: sum", "agg: median", "booked_revenue has no value of a day, .* but: watch."),
        ("name: no_shows", "name: services_missed", "services_missed has a name that another metric has"),
    ],
)
def test_a_wrong_declaration_is_refused(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    with pytest.raises(HubError, match=f"(?s){complaint}"):
        metrics.declared(edited(tmp_path, old, new))
