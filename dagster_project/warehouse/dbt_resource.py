"""The resource dbt: runs `dbt build` for the warehouse assets and reports its results to Dagster."""

import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from graphlib import TopologicalSorter
from queue import SimpleQueue
from typing import Any, Final

import dagster as dg
import psycopg
from dagster_dbt import DagsterDbtTranslator
from dagster_dbt.asset_utils import DAGSTER_DBT_UNIQUE_ID_METADATA_KEY, get_manifest_and_translator_from_dbt_assets
from dagster_dbt.core.dbt_cli_event import DbtCoreCliEventMessage
from google.protobuf.json_format import MessageToDict
from psycopg import sql

from dagster_project.resources import HubDatabase
from dagster_project.warehouse import comments, dbt_runner, model_states
from dagster_project.warehouse.model_states import Plan, State
from dagster_project.warehouse.variables import VARIABLES
from sources.settings import get_settings

RESULT_EVENTS: Final = {"LogModelResult", "LogSnapshotResult", "LogTestResult", "LogSeedResult"}
SUCCEEDED: Final = {"success", "pass"}
COUNTED_SCHEMA: Final = "marts"
ROW_COUNT: Final = "dagster/row_count"


class Dbt(dg.ConfigurableResource):  # type: ignore[type-arg]
    """dbt for the warehouse assets: builds the selected models and reports each model and test when it ends."""

    def build(self, context: dg.AssetExecutionContext, database: HubDatabase) -> Iterator[Any]:
        """Build the selected models whose definition or input has changed, with their tests, and count their rows.

        Yields an Output per model and an AssetCheckResult per test, also for those that are unchanged: a test passes
        again, since one that failed is run by each build. Raises dagster.Failure if a model failed; a failed test fails
        its check only.
        """
        assets = context.assets_def
        manifest, translator, _ = get_manifest_and_translator_from_dbt_assets([assets])
        with database.connect() as connection:
            connection.autocommit = True  # an open transaction would hold locks on the counted tables
            checks = {key: _unique_id(assets.get_spec_for_check_key(key)) for key in context.selected_asset_check_keys}
            models = [_unique_id(assets.get_asset_spec(key)) for key in context.selected_asset_keys]
            plan = model_states.plan(connection, manifest, {*models, *checks.values()}, VARIABLES)
            outputs = _Outputs(manifest, translator, plan)
            yield from outputs.unchanged()
            for key, node in checks.items():
                if node in plan.unchanged:
                    yield dg.AssetCheckResult(passed=True, asset_key=key.asset_key, check_name=key.name)
            model_states.begin(connection, plan)
            for targets, options in ((plan.outdated, []), (plan.redefined, ["--full-refresh"])):
                if targets:
                    yield from self._build(context, connection, outputs, targets, options)
            comments.write(connection, manifest, [*models, *manifest["sources"]])

    def build_functions(self, database: HubDatabase, manifest: Mapping[str, Any]) -> list[str]:
        """Create the functions that are missing or whose definition has changed, and return their names.

        Raises dagster.Failure if one failed.
        """
        settings = get_settings()
        with database.connect() as connection:
            connection.autocommit = True
            targets = model_states.plan(connection, manifest, manifest["functions"], VARIABLES).redefined
            if targets:
                parsed = dbt_runner.manifest(settings)
                built = dbt_runner.invoke(settings, dbt_runner.build_of(manifest, targets), manifest=parsed)
                _raise_for_failed_models(built)
                model_states.save(connection, targets)
        return [manifest["functions"][node]["name"] for node in targets]

    def _build(
        self,
        context: dg.AssetExecutionContext,
        connection: psycopg.Connection,
        outputs: "_Outputs",
        targets: Mapping[str, State],
        options: list[str],
    ) -> Iterator[Any]:
        """Run `dbt build` of the nodes `targets`, and save the state of each when it succeeds."""
        settings = get_settings()
        parsed = dbt_runner.manifest(settings)
        arguments = [*dbt_runner.build_of(outputs.manifest, targets), *options]
        dbt_events: SimpleQueue[Any] = SimpleQueue()
        outcome: list[Any] = []

        def work() -> None:
            try:
                outcome.append(dbt_runner.invoke(settings, arguments, dbt_events.put, parsed))
            except BaseException as error:  # raised in the waiting thread
                outcome.append(error)
            finally:
                dbt_events.put(None)

        worker = threading.Thread(target=work, name="dbt")
        worker.start()
        try:
            while (dbt_event := dbt_events.get()) is not None:
                if dbt_event.info.name in RESULT_EVENTS:
                    raw = MessageToDict(dbt_event, preserving_proto_field_name=True)
                    node = raw["data"]["node_info"]
                    count: int | None = None
                    if node["node_status"] in SUCCEEDED:
                        count = _row_count(node, connection)
                        state = replace(targets[node["unique_id"]], row_count=count)
                        model_states.save(connection, {node["unique_id"]: state})
                    yield from outputs.built(context, raw, count)
        finally:
            worker.join()  # dbt must not go on without the lock of the run
        if isinstance(outcome[0], BaseException):
            raise outcome[0]
        _raise_for_failed_models(outcome[0])


def _unique_id(spec: dg.AssetSpec | dg.AssetCheckSpec) -> str:
    return str((spec.metadata or {})[DAGSTER_DBT_UNIQUE_ID_METADATA_KEY])


class _Outputs:
    """Outputs of the models of a step, each after those of its parents, as Dagster demands."""

    def __init__(self, manifest: Mapping[str, Any], translator: DagsterDbtTranslator, plan: Plan) -> None:
        self.manifest = manifest
        self._translator = translator
        self._unchanged = plan.unchanged
        models = {node for node in plan.unchanged | plan.outdated | plan.redefined if not node.startswith("test.")}
        self._order = TopologicalSorter(
            {node: models.intersection(manifest["nodes"][node]["depends_on"]["nodes"]) for node in models}
        )
        self._order.prepare()

    def unchanged(self) -> Iterator[dg.Output[None]]:
        """Yield the outputs of the unchanged models that follow those that are complete by now."""
        while ready := [node for node in self._order.get_ready() if node in self._unchanged]:
            for node in ready:
                key = self._translator.get_asset_key(self.manifest["nodes"][node])
                metadata = _counted(self._unchanged[node].row_count)
                yield dg.Output(None, key.to_python_identifier(), metadata=metadata)
                self._order.done(node)

    def built(
        self, context: dg.AssetExecutionContext, raw_event: dict[str, Any], row_count: int | None
    ) -> Iterator[Any]:
        """Yield the output of a model that was built and of those that follow it, or the result of a test."""
        message = DbtCoreCliEventMessage(raw_event=raw_event, event_history_metadata={})
        for dagster_event in message.to_default_asset_events(self.manifest, self._translator, context):
            if isinstance(dagster_event, dg.Output):
                yield dagster_event.with_metadata({**dagster_event.metadata, **_counted(row_count)})
                self._order.done(raw_event["data"]["node_info"]["unique_id"])
                yield from self.unchanged()
            else:
                yield dagster_event


def _counted(row_count: int | None) -> dict[str, int]:
    return {} if row_count is None else {ROW_COUNT: row_count}


def _row_count(node: Mapping[str, Any], connection: psycopg.Connection) -> int | None:
    """Return the number of rows of a table of COUNTED_SCHEMA; None for other relations, and for views."""
    relation = node["node_relation"]
    if relation["schema"] != COUNTED_SCHEMA or node["materialized"] == "view":
        return None
    table = sql.Identifier(relation["schema"], relation["alias"])
    row = connection.execute(sql.SQL("select count(*) from {}").format(table)).fetchone()
    return row[0] if row else None


def _raise_for_failed_models(result: Any) -> None:
    """Raise dagster.Failure with the name and the error message of each model that could not be built."""
    failed = [
        f"{node.node.name}: {node.message}"
        for node in getattr(result.result, "results", [])
        if node.status == "error" and node.node.resource_type != "test"
    ]
    if failed:
        raise dg.Failure(description="dbt could not build " + "; ".join(failed))
