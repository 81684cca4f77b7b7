"""A build builds what has changed and what is made from it, and no more."""

import copy
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from dagster_project.warehouse import model_states
from dagster_project.warehouse.variables import VARIABLES
from sources.settings import Settings
from tests.dbt.conftest import AS_OF, execute, land_tables, manifest_of, planned, set_clock

pytestmark = pytest.mark.slow
UNUSUAL = "model.hub.int_unusual_bookings"


@pytest.fixture
def up_to_date(writable: Settings) -> Settings:
    """A clone of the built business, with the states of its models."""
    with psycopg.connect(writable.database_url) as connection:
        model_states.save(connection, planned(writable).redefined)
    return writable


def names(nodes: Iterable[str]) -> set[str]:
    """The names of the models among `nodes`."""
    return {node.split(".")[2] for node in nodes if not node.startswith(("test.", "operation."))}


def below(settings: Settings, root: str) -> set[str]:
    """The names of a model and of those that are made from it."""
    nodes = manifest_of(settings)["nodes"]
    found = {root}
    while new := {node for node in nodes if found & set(nodes[node]["depends_on"]["nodes"])} - found:
        found |= new
    return names(found)


def test_what_changed_is_built_with_what_is_made_from_it(up_to_date: Settings) -> None:
    plan = planned(up_to_date)
    assert not plan.redefined
    assert not plan.outdated
    assert names(plan.unchanged) == names(manifest_of(up_to_date)["nodes"])

    # The same rows are landed again, and the clock is set again.
    land_tables(up_to_date)
    assert not planned(up_to_date).outdated

    execute(up_to_date, "update app.reviews set rating = 1 where id = (select id from app.reviews order by id limit 1)")
    land_tables(up_to_date, "reviews")
    plan = planned(up_to_date)
    assert not plan.redefined
    assert "fct_reviews" in names(plan.outdated) <= below(up_to_date, "model.hub.stg_app__reviews")
    assert "test.hub.is_key_fct_reviews_review_id" in {node.rpartition(".")[0] for node in plan.outdated}
    with psycopg.connect(up_to_date.database_url) as connection:
        model_states.save(connection, plan.outdated)
    assert not planned(up_to_date).outdated

    # The facts do not depend on the day of the run, but for what came of bookings up to it; the figures as of a day do.
    set_clock(up_to_date, AS_OF + timedelta(days=1))
    outdated = names(planned(up_to_date).outdated)
    assert {"kpi_daily", "int_bookings_at", "int_booking_states"} <= outdated
    assert {name for name in outdated if name.startswith("fct_")} == {
        "fct_booking_outcomes", "fct_client_months", "fct_client_rhythm", "fct_provider_days",
    }  # fmt: skip

    execute(up_to_date, "drop view analytics.v_booking_trends")
    assert names(planned(up_to_date).redefined) == {"v_booking_trends"}

    # Rows vanish without a load. A test that did not pass runs with the outdated models, a dropped view is built before
    # all that is made from it.
    execute(up_to_date, "delete from raw.reviews where id = (select id from raw.reviews order by id limit 1)")
    execute(up_to_date, "delete from raw.model_states where node like 'test.hub.is_key_fct_bookings_booking_id.%'")
    plan = planned(up_to_date)
    assert "fct_reviews" in names(plan.outdated)
    assert "test.hub.is_key_fct_bookings_booking_id" in {node.rpartition(".")[0] for node in plan.outdated}
    execute(up_to_date, "drop view staging.stg_app__reviews cascade")
    plan = planned(up_to_date)
    assert below(up_to_date, "model.hub.stg_app__reviews") <= names(plan.redefined)


def test_a_build_that_was_killed_leaves_no_state(up_to_date: Settings) -> None:
    """The figures of another day may be there already: the same day again is not the same table."""
    set_clock(up_to_date, AS_OF + timedelta(days=1))
    with psycopg.connect(up_to_date.database_url) as connection:
        model_states.begin(connection, planned(up_to_date))
    set_clock(up_to_date, AS_OF)
    plan = planned(up_to_date)
    assert "kpi_daily" in names(plan.outdated)
    assert not plan.redefined

    # A definition that was put back: its table may be of the other one.
    manifest = copy.deepcopy(manifest_of(up_to_date))
    manifest["nodes"][UNUSUAL]["raw_code"] += " -- edited"
    with psycopg.connect(up_to_date.database_url) as connection:
        model_states.begin(connection, planned(up_to_date, manifest))
    assert names(planned(up_to_date).redefined) == below(up_to_date, UNUSUAL)


def test_a_definition_that_changed_is_built_with_those_below_it(up_to_date: Settings) -> None:
    manifest = copy.deepcopy(manifest_of(up_to_date))
    for node in manifest["nodes"].values():
        node["description"] += " Edited."
        for column in node["columns"].values():
            column["description"] += " Edited."
    assert not planned(up_to_date, manifest).redefined

    manifest["nodes"][UNUSUAL]["raw_code"] += " -- edited"
    plan = planned(up_to_date, manifest)
    assert names(plan.redefined) == below(up_to_date, UNUSUAL)
    assert not plan.outdated

    variables = {**VARIABLES, "unusual_booking_spreads": 6}
    assert names(planned(up_to_date, variables=variables).redefined) == below(up_to_date, UNUSUAL)

    words = {**VARIABLES, "metric_properties": VARIABLES["metric_properties"][1:]}
    assert names(planned(up_to_date, variables=words).redefined) == below(up_to_date, "model.hub.dim_metric")
    sums = {**VARIABLES, "metric_sums": VARIABLES["metric_sums"][1:]}
    assert names(planned(up_to_date, variables=sums).redefined) == (
        below(up_to_date, "model.hub.kpi_daily") | below(up_to_date, "model.hub.int_metric_rows")
    )

    macro = copy.deepcopy(manifest_of(up_to_date))
    macro["macros"]["macro.hub.mean_days"]["macro_sql"] += " "
    redefined = names(planned(up_to_date, macro).redefined)
    assert "v_booking_status_metrics" in redefined
    assert "kpi_daily" not in redefined

    everywhere = copy.deepcopy(manifest_of(up_to_date))
    everywhere["macros"]["macro.hub.materialization_view_postgres"]["macro_sql"] += " "
    assert not planned(up_to_date, everywhere).unchanged
    everywhere = copy.deepcopy(manifest_of(up_to_date))
    everywhere["nodes"]["operation.hub.hub-on-run-end-0"]["raw_code"] += " "
    assert not planned(up_to_date, everywhere).unchanged

    constraint = copy.deepcopy(manifest_of(up_to_date))
    constraint["nodes"][UNUSUAL]["columns"]["org_id"]["constraints"] = [{"type": "not_null"}]
    assert names(planned(up_to_date, constraint).redefined) == below(up_to_date, UNUSUAL)


def test_a_model_whose_parent_was_not_built_is_built_after_it(up_to_date: Settings) -> None:
    """A user who builds one model of the Dagster UI alone leaves it with the old rows of its parents."""
    execute(up_to_date, "update app.bookings set total_amount = total_amount + 1")
    land_tables(up_to_date, "bookings")
    [kpis] = (node for node in manifest_of(up_to_date)["nodes"] if node == "model.hub.kpi_daily")
    with psycopg.connect(up_to_date.database_url) as connection:
        alone = model_states.plan(connection, manifest_of(up_to_date), [kpis], VARIABLES)
        model_states.save(connection, {**alone.outdated, **alone.unchanged})
    assert kpis in planned(up_to_date).outdated


def test_a_function_has_a_definition_alone(up_to_date: Settings) -> None:
    def outdated(manifest: dict[str, Any]) -> set[str]:
        with psycopg.connect(up_to_date.database_url) as connection:
            plan = model_states.plan(connection, manifest, manifest["functions"], VARIABLES)
        assert not plan.outdated
        return names(plan.redefined)

    manifest = manifest_of(up_to_date)
    functions = names(manifest["functions"])
    assert outdated(manifest) == functions
    with psycopg.connect(up_to_date.database_url) as connection:
        plan = model_states.plan(connection, manifest, manifest["functions"], VARIABLES)
        model_states.save(connection, plan.redefined)
    set_clock(up_to_date, AS_OF + timedelta(days=1))
    assert outdated(manifest) == set()

    edited = copy.deepcopy(manifest)
    edited["functions"]["function.hub.forecast_revenue"]["meta"]["demands"][0]["otherwise"] += " Edited."
    edited["functions"]["function.hub.detect_anomalies"]["description"] += " Edited."
    assert outdated(edited) == {"forecast_revenue", "detect_anomalies"}

    macro = copy.deepcopy(manifest)
    macro["macros"]["macro.hub.postgres__scalar_function_sql"]["macro_sql"] += " "
    assert outdated(macro) == functions
    assert not planned(up_to_date, macro).redefined
