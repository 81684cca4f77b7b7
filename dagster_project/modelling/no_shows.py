"""Modelling asset: the probability of each coming booking that its client does not come."""

from typing import Final, LiteralString

import dagster as dg
import pandas as pd
import psycopg

from dagster_project.modelling.assets import GROUP
from dagster_project.modelling.fingerprints import fingerprint, is_unchanged, save_fingerprint
from dagster_project.modelling.organizations import Organization, organizations
from dagster_project.organization_failures import forget_failures, isolated
from dagster_project.ownership import OWNERS
from dagster_project.resources import HubDatabase
from ml.no_shows import COLUMNS, no_show_probabilities

MODEL: Final = "no_shows"
HORIZON_DAYS: Final = 7  # reminders are sent a few days before

BOOKINGS: Final[LiteralString] = """
    select booking_id::text, client_id::text, service_id::text, provider_id::text, booked_day, service_day,
        hour::float8, amount::float8, is_prepaid, outcome, outcome_day
    from intermediate.int_no_show_bookings
    where org_id = %(org_id)s and %(is_modelled)s
"""


@dg.asset(
    key=["ml", MODEL],
    deps=[["intermediate", "int_no_show_bookings"], ["marts", "dim_organization"]],
    group_name=GROUP,
    kinds={"python", "postgres"},
    owners=OWNERS,
    description="Calibrated probabilities that the clients of the coming week's bookings do not come.",
)
def no_shows(database: HubDatabase) -> dg.MaterializeResult[None]:
    with database.connect() as connection:
        forget_failures(connection, MODEL)
        for organization in organizations(connection):
            with isolated(connection, organization.id, organization.as_of, MODEL):
                update_no_shows(connection, organization)
        rows = connection.execute("select count(*) from ml.no_shows").fetchone()
    return dg.MaterializeResult(metadata={"dagster/row_count": rows[0] if rows else 0})


def update_no_shows(connection: psycopg.Connection, organization: Organization) -> None:
    """Replace the organisation's probabilities of this as_of, if its bookings or the model changed.

    Those of earlier days stay, to be compared with the outcomes.
    """
    mark = fingerprint(connection, organization, (BOOKINGS,))
    if is_unchanged(connection, organization, MODEL, mark):
        return
    parameters = {"org_id": organization.id, "is_modelled": organization.is_modelled}
    bookings = pd.DataFrame(connection.execute(BOOKINGS, parameters).fetchall(), columns=list(COLUMNS))
    probabilities = no_show_probabilities(bookings, as_of=organization.as_of, horizon=HORIZON_DAYS)
    connection.execute(
        "delete from ml.no_shows where org_id = %s and as_of = %s", [organization.id, organization.as_of]
    )
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into ml.no_shows (org_id, as_of, booking_id, probability) values (%s, %s, %s, %s)",
            [
                (organization.id, organization.as_of, row.booking_id, row.probability)
                for row in probabilities.itertuples(index=False)
            ],
        )
    save_fingerprint(connection, organization, MODEL, mark)
