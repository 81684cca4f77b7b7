"""A step of Dagster builds models with dbt, says why one failed, and keeps the states of those that succeeded."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import psycopg
import pytest
from dagster_dbt import dbt_assets

from dagster_project.resources import HubDatabase
from dagster_project.warehouse import dbt_runner, model_states
from dagster_project.warehouse.dbt_resource import ROW_COUNT, Dbt
from dagster_project.warehouse.variables import VARIABLES
from sources.settings import Settings, get_settings
from tests.dbt.conftest import execute, manifest_of, planned, rows

pytestmark = pytest.mark.slow
STAGED = "model.hub.stg_app__reviews"
REVIEWS = "model.hub.fct_reviews"


@pytest.fixture
def environment(writable: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """A clone of the built business that has the states of its models, also for code that reads its own settings."""
    monkeypatch.setenv("HUB_HOME", str(writable.home))
    monkeypatch.setenv("HUB_DATABASE_URL", writable.database_url)
    get_settings.cache_clear()
    with psycopg.connect(writable.database_url) as connection:
        model_states.save(connection, planned(writable).redefined)
    yield writable
    get_settings.cache_clear()


def test_a_failed_model_is_named_and_built_again(environment: Settings) -> None:
    @dbt_assets(
        manifest=manifest_of(environment),
        project=dbt_runner.project(environment),
        select="stg_app__reviews fct_reviews",
        name="models",
    )
    def models(context: dg.AssetExecutionContext, dbt: Dbt, database: HubDatabase) -> Iterator[Any]:
        yield from dbt.build(context, database)

    def materialize(*names: str) -> dg.ExecuteInProcessResult:
        selection = [key for key in models.keys if key.path[-1] in names]
        resources = {"dbt": Dbt(), "database": HubDatabase()}
        return dg.materialize([models], selection=selection, resources=resources, raise_on_error=False)

    execute(environment, "drop view staging.stg_app__reviews cascade; drop table marts.fct_reviews cascade")
    [failure] = [event for event in materialize("fct_reviews").all_events if event.is_step_failure]
    message = str(failure.step_failure_data.user_failure_data)
    assert "dbt could not build fct_reviews" in message
    assert "stg_app__reviews" in message

    result = materialize("stg_app__reviews", "fct_reviews")
    assert result.success
    counts = [
        event.materialization.metadata[ROW_COUNT].value
        for event in result.get_asset_materialization_events()
        if ROW_COUNT in event.materialization.metadata
    ]
    assert counts == [row["count"] for row in rows(environment, "select count(*) from marts.fct_reviews")]
    assert {STAGED, REVIEWS} <= planned(environment).unchanged.keys()
    # Dagster counts materializations: an unchanged model is as fresh as the run that looked at it.
    looked_at = materialize("stg_app__reviews", "fct_reviews").get_asset_materialization_events()
    assert {event.asset_key for event in looked_at} == models.keys


def test_a_function_is_created_where_it_is_missing(environment: Settings) -> None:
    manifest = manifest_of(environment)
    with psycopg.connect(environment.database_url) as connection:
        model_states.save(
            connection, model_states.plan(connection, manifest, manifest["functions"], VARIABLES).redefined
        )
    execute(environment, "drop function analytics.detect_anomalies")
    with HubDatabase().yield_for_execution(dg.build_init_resource_context()) as database:
        assert Dbt().build_functions(database, manifest) == ["detect_anomalies"]
        assert Dbt().build_functions(database, manifest) == []
    [created] = rows(environment, "select count(*) from pg_proc where proname = 'detect_anomalies'")
    assert created == {"count": 1}
