"""What assets use: the Hub's database (one run at a time), and dbt."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
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

from dagster_project.run_lock import exclusive_run
from dagster_project.warehouse import dbt_runner
from sources import database
from sources.settings import Settings, get_settings

RESULT_EVENTS: Final = {"LogModelResult", "LogSnapshotResult", "LogTestResult", "LogSeedResult"}
COUNTED_SCHEMA: Final = "marts"  # tables: counting a view would run it


class HubDatabase(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Connections for the assets that write the warehouse; one run at a time holds this resource."""

    _settings: Settings = PrivateAttr()

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["HubDatabase"]:
        self._settings = get_settings()
        with exclusive_run(self._settings):
            yield self

    @property
    def url(self) -> str:
        return database.database_url(self._settings)

    def connect(self) -> AbstractContextManager[psycopg.Connection]:
        """The Hub's database: commits on success, rolls back on an error."""
        return database.connect(self.url)

    def connect_source(self) -> AbstractContextManager[psycopg.Connection]:
        """The operational database, by default the same; read-only to us."""
        return database.connect(database.source_url(self._settings))


class Dbt(dg.ConfigurableResource):  # type: ignore[type-arg]
    """dbt for the warehouse assets: builds what Dagster selected, reports models and tests as they end."""

    _manifest: Any = PrivateAttr(default=None)

    def build(
        self, context: dg.AssetExecutionContext, connection: psycopg.Connection, *, full_refresh: bool = False
    ) -> Iterator[Any]:
        """`dbt build` of the selected models with their tests; `connection` (autocommit) counts their rows.

        Yields an Output a model and an AssetCheckResult a test. Raises dagster.Failure if a model failed;
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

        events: SimpleQueue[Any] = SimpleQueue()
        outcome: list[Any] = []

        def work() -> None:
            try:
                outcome.append(dbt_runner.invoke(settings, arguments, events.put, self._manifest))
            except BaseException as error:  # carried over to the thread that waits
                outcome.append(error)
            finally:
                events.put(None)

        worker = threading.Thread(target=work, name="dbt")
        worker.start()
        while (event := events.get()) is not None:
            if event.info.name in RESULT_EVENTS:
                yield from _as_dagster_events(context, event, selection, connection)
        worker.join()
        if isinstance(outcome[0], BaseException):
            raise outcome[0]
        _raise_for_failed_models(outcome[0])


def _selection(context: dg.AssetExecutionContext) -> DbtCliInvocationPartialParams:
    manifest, translator, _ = get_manifest_and_translator_from_dbt_assets([context.assets_def])
    return get_updated_cli_invocation_params_for_context(context, manifest, translator)


def _as_dagster_events(
    context: dg.AssetExecutionContext,
    event: Any,
    selection: DbtCliInvocationPartialParams,
    connection: psycopg.Connection,
) -> Iterator[Any]:
    raw = MessageToDict(event, preserving_proto_field_name=True)
    message = DbtCoreCliEventMessage(raw_event=raw, event_history_metadata={})
    for reported in message.to_default_asset_events(
        selection.manifest, selection.dagster_dbt_translator, context, project=selection.dbt_project
    ):
        if isinstance(reported, dg.Output):
            yield reported.with_metadata({**reported.metadata, **_row_count(raw, connection)})
        else:
            yield reported


def _row_count(raw_event: Mapping[str, Any], connection: psycopg.Connection) -> dict[str, int]:
    relation = raw_event["data"]["node_info"]["node_relation"]
    if relation["schema"] != COUNTED_SCHEMA:
        return {}
    table = sql.Identifier(relation["schema"], relation["alias"])
    row = connection.execute(sql.SQL("select count(*) from {}").format(table)).fetchone()
    return {"dagster/row_count": row[0]} if row else {}


def _raise_for_failed_models(result: Any) -> None:
    """Raise dagster.Failure that names the models that could not be built, with the database's words."""
    failed = [
        f"{node.node.name}: {node.message}"
        for node in getattr(result.result, "results", [])
        if node.status == "error" and node.node.resource_type != "test"
    ]
    if failed:
        raise dg.Failure(description="dbt could not build " + "; ".join(failed))
