"""The Dagster definitions: all assets, checks, jobs, schedules and sensors, in the order of the data."""

import dagster as dg

from dagster_project.automation.jobs import jobs
from dagster_project.automation.schedules import schedules
from dagster_project.automation.sensors import sensors
from dagster_project.delivery import assets as delivery
from dagster_project.ingestion import assets as ingestion
from dagster_project.ingestion import public_holidays, run_clock
from dagster_project.insights import assets as insights
from dagster_project.modelling import assets as modelling
from dagster_project.modelling.no_shows import no_shows
from dagster_project.quality import checks as quality
from dagster_project.resources import HubDatabase
from dagster_project.warehouse import assets as warehouse
from dagster_project.warehouse.dbt_resource import Dbt

defs = dg.Definitions(
    assets=[
        *ingestion.operational_tables,
        *ingestion.landed_tables,
        run_clock.run_clock,
        public_holidays.public_holidays,
        warehouse.warehouse,
        modelling.anomalies,
        modelling.forecasts,
        warehouse.forecast_models,
        modelling.provider_workload,
        no_shows,
        warehouse.published,
        warehouse.functions,
        insights.events,
        delivery.digest_deliveries,
        delivery.notification_deliveries,
    ],
    asset_checks=[quality.raw_expectations, quality.raw_freshness],
    jobs=jobs,
    schedules=schedules,
    sensors=sensors,
    resources={"database": HubDatabase(), "dbt": Dbt()},
    executor=dg.in_process_executor,  # the steps are light, and dbt has its own threads
)
