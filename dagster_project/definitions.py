"""Everything that the Dagster UI shows, in the order in which the data travels."""

import dagster as dg

from dagster_project import (
    automation,
    delivery,
    ingestion,
    insights,
    modelling,
    public_holidays,
    quality,
    run_clock,
    warehouse,
)
from dagster_project.resources import Dbt, HubDatabase

defs = dg.Definitions(
    assets=[
        *ingestion.operational_tables,
        *ingestion.landed_tables,
        run_clock.run_clock,
        public_holidays.public_holidays,
        warehouse.warehouse,
        modelling.anomalies,
        modelling.revenue_forecasts,
        modelling.forecast_accuracy,
        modelling.provider_workload,
        warehouse.published,
        insights.events,
        delivery.daily_digest,
        delivery.notification_deliveries,
    ],
    asset_checks=[quality.raw_expectations],
    jobs=automation.jobs,
    schedules=automation.schedules,
    sensors=automation.sensors,
    resources={"database": HubDatabase(), "dbt": Dbt()},
    executor=dg.in_process_executor,  # the steps are light, and dbt has threads of its own
)
