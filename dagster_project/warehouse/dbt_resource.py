"""The resource dbt: runs `dbt build` for the warehouse assets and reports its results to Dagster."""

import threading
from collections.abc import Iterator, Mapping
from queue import SimpleQueue
from typing import Any, Final

import dagster as dg
import psycopg
from dagster_dbt.asset_utils import (
    DbtCliInvocationPartialParams,
    get_manifest_and_translator_from_dbt_assets,
    get_updated_cli_invocation_params_for_context,
)
from dagster_dbt.core.dbt_cli_event import DbtCoreCliEventMessage
from google.protobuf.json_format import MessageToDict
from psycopg import sql
from pydantic import PrivateAttr

from dagster_project.resources import HubDatabase
from dagster_project.warehouse import dbt_runner
from sources.settings import get_settings

RESULT_EVENTS: Final = {"LogModelResult", "LogSnapshotResult", "LogTestResult", "LogSeedResult"}
COUNTED_SCHEMA: Final = "marts"  # tables: counting a view would run it


class Dbt(dg.ConfigurableResource):  # type: ignore[type-arg]
    """dbt for the warehouse assets: builds the selected models and reports each model and test when it ends."""

    _manifest: Any = PrivateAttr(default=None)

    def build(
        self, context: dg.AssetExecutionContext, database: HubDatabase, *, full_refresh: bool = False
    ) -> Iterator[Any]:
        """Run `dbt build` for the selected models with their tests, and count the rows of the tables built.

        Yields an Output per model and an AssetCheckResult per test. Raises dagster.Failure if a model failed;
        a failed test fails its check only.
        """
        settings = get_settings()
        self._manifest = self._manifest or dbt_runner.parse(settings)
        selection = _selection(context)
        arguments = ["build", *selection.selection_args, "--exclude-resource-type", "unit_test"]
        if full_refresh:
            arguments += ["--full-refresh"]
        if selection.indirect_selection:
            arguments += ["--indirect-selection", selection.indirect_selection]

        dbt_events: SimpleQueue[Any] = SimpleQueue()
        outcome: list[Any] = []

        def work() -> None:
            try:
                outcome.append(dbt_runner.invoke(settings, arguments, dbt_events.put, self._manifest))
            except BaseException as error:  # raised in the waiting thread
                outcome.append(error)
            finally:
                dbt_events.put(None)

        worker = threading.Thread(target=work, name="dbt")
        with database.connect() as connection:
            connection.autocommit = True  # an open transaction would hold locks on the counted tables
            worker.start()
            while (dbt_event := dbt_events.get()) is not None:
                if dbt_event.info.name in RESULT_EVENTS:
                    yield from _as_dagster_events(context, dbt_event, selection, connection)
        worker.join()
        if isinstance(outcome[0], BaseException):
            raise outcome[0]
        _raise_for_failed_models(outcome[0])


def _selection(context: dg.AssetExecutionContext) -> DbtCliInvocationPartialParams:
    manifest, translator, _ = get_manifest_and_translator_from_dbt_assets([context.assets_def])
    return get_updated_cli_invocation_params_for_context(context, manifest, translator)


def _as_dagster_events(
    context: dg.AssetExecutionContext,
    dbt_event: Any,
    selection: DbtCliInvocationPartialParams,
    connection: psycopg.Connection,
) -> Iterator[Any]:
    raw = MessageToDict(dbt_event, preserving_proto_field_name=True)
    message = DbtCoreCliEventMessage(raw_event=raw, event_history_metadata={})
    for dagster_event in message.to_default_asset_events(
        selection.manifest, selection.dagster_dbt_translator, context, project=selection.dbt_project
    ):
        if isinstance(dagster_event, dg.Output):
            yield dagster_event.with_metadata({**dagster_event.metadata, **_row_count(raw, connection)})
        else:
            yield dagster_event


def _row_count(raw_event: Mapping[str, Any], connection: psycopg.Connection) -> dict[str, int]:
    relation = raw_event["data"]["node_info"]["node_relation"]
    if relation["schema"] != COUNTED_SCHEMA:
        return {}
    table = sql.Identifier(relation["schema"], relation["alias"])
    row = connection.execute(sql.SQL("select count(*) from {}").format(table)).fetchone()
    return {"dagster/row_count": row[0]} if row else {}


def _raise_for_failed_models(result: Any) -> None:
    """Raise dagster.Failure with the name and the error message of each model that could not be built."""
    failed = [
        f"{node.node.name}: {node.message}"
        for node in getattr(result.result, "results", [])
        if node.status == "error" and node.node.resource_type != "test"
    ]
    if failed:
        raise dg.Failure(description="dbt could not build " + "; ".join(failed))
