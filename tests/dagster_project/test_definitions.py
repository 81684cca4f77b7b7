"""The Dagster definitions compared with a snapshot: it shows a renamed asset or a lost schedule.

To accept a change: HUB_WRITE_SNAPSHOT=1 pytest tests/dagster_project/test_definitions.py
"""

import json
import os
from pathlib import Path
from typing import Any

import dagster as dg

from sources.tables import OPERATIONAL

SNAPSHOT = Path(__file__).parent / "definitions.json"


def is_derived(key: dg.AssetKey) -> bool:
    """Return True for the assets that follow from the entry of an operational table; tests below hold their edges."""
    tables = {table.name for table in OPERATIONAL}
    return (key.path[0] in ("app", "raw") and key.path[1] in tables) or key.path[0] == "staging"


def snapshot_of(defs: dg.Definitions) -> dict[str, Any]:
    graph = defs.resolve_asset_graph()
    repository = defs.get_repository_def()
    return {
        "assets": {
            key.to_user_string(): sorted(parent.to_user_string() for parent in graph.get(key).parent_keys)
            for key in sorted(graph.get_all_asset_keys())
            if not is_derived(key)
        },
        "checks": sorted(
            f"{key.asset_key.to_user_string()}:{key.name}"
            for key in graph.asset_check_keys
            if not is_derived(key.asset_key)
        ),
        "jobs": sorted(name for name in repository.job_names if not name.startswith("__")),
        "schedules": {each.name: str(each.cron_schedule) for each in repository.schedule_defs},
        "sensors": sorted(each.name for each in repository.sensor_defs),
    }


def test_the_definitions_are_those_of_the_snapshot(defs: dg.Definitions) -> None:
    current = snapshot_of(defs)
    if os.environ.get("HUB_WRITE_SNAPSHOT"):
        SNAPSHOT.write_text(json.dumps(current, indent=1) + "\n")
    assert current == json.loads(SNAPSHOT.read_text())


def test_every_operational_table_is_ingested_and_checked(defs: dg.Definitions) -> None:
    graph = defs.resolve_asset_graph()
    for table in OPERATIONAL:
        landed = dg.AssetKey(["raw", table.name])
        assert graph.get(landed).parent_keys == {dg.AssetKey(["app", table.name])}
        assert dg.AssetCheckKey(landed, "expectations") in graph.asset_check_keys


def test_every_staging_model_reads_one_table_of_raw(defs: dg.Definitions) -> None:
    graph = defs.resolve_asset_graph()
    staged = [key for key in graph.get_all_asset_keys() if key.path[0] == "staging"]
    assert staged
    for key in staged:
        table = key.path[1].removeprefix("stg_app__")
        assert graph.get(key).parent_keys == {dg.AssetKey(["raw", table])}


def test_every_asset_has_owner_description_kinds_and_group(defs: dg.Definitions) -> None:
    graph = defs.resolve_asset_graph()
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        assert node.owners, f"{key} has no owner"
        assert node.description, f"{key} has no description"
        assert node.kinds, f"{key} has no kinds"
        assert node.group_name not in (None, "default"), f"{key} is in no group"


def test_schedules_and_sensors_are_on_by_default(defs: dg.Definitions) -> None:
    repository = defs.get_repository_def()
    assert all(each.default_status == dg.DefaultScheduleStatus.RUNNING for each in repository.schedule_defs)
    assert all(each.default_status == dg.DefaultSensorStatus.RUNNING for each in repository.sensor_defs)


def test_data_flows_one_way_from_app_to_deliveries(defs: dg.Definitions) -> None:
    graph = defs.resolve_asset_graph()
    reached = {dg.AssetKey(["app", "bookings"])}
    queue = list(reached)
    while queue:
        for child in graph.get(queue.pop()).child_keys - reached:
            reached.add(child)
            queue.append(child)
    assert dg.AssetKey(["app", "notification_deliveries"]) in reached
    assert dg.AssetKey(["analytics", "v_booking_anomalies"]) in reached


def test_what_each_run_of_the_pipeline_looks_at_has_the_freshness_policy(defs: dg.Definitions) -> None:
    from dagster_project.freshness import POLICY

    graph = defs.resolve_asset_graph()
    looked_at = defs.resolve_job_def("pipeline").asset_layer.selected_asset_keys
    fresh = {key for key in graph.get_all_asset_keys() if graph.get(key).freshness_policy == POLICY}
    assert fresh == {key for key in looked_at if key.path[0] in ("raw", "marts", "analytics")}
    assert not [key for key in graph.get_all_asset_keys() - fresh if graph.get(key).freshness_policy]


def test_every_column_of_marts_and_analytics_has_its_type(defs: dg.Definitions) -> None:
    graph = defs.resolve_asset_graph()
    models = [key for key in graph.get_all_asset_keys() if key.path[0] in ("marts", "analytics")]
    for key in models:
        if key != dg.AssetKey(["analytics", "functions"]):
            columns = graph.get(key).metadata["dagster/column_schema"].columns
            assert columns
            assert not [column.name for column in columns if column.type == "?"], key
