"""Fingerprints: a model of whose inputs none has changed does not run again."""

from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest

from dagster_project.modelling.fingerprints import fingerprint, is_unchanged, save_fingerprint
from dagster_project.modelling.organizations import Organization
from tests.dagster_project.modelling.conftest import DAY

CHANGES = (
    "update marts.kpi_daily set value = value + 1 where metric = 'booked_revenue' and day = %(day)s",
    "insert into marts.kpi_daily values (%(org)s, %(day)s, 'booked_revenue', 'service', 'new', 5)",
    "update marts.dim_metric set is_watched = false where metric = 'booked_revenue'",
    "update marts.dim_organization set book_until = %(day)s",
    "insert into intermediate.int_on_hand_spans values (%(org)s, %(day)s, 70)",
    "insert into staging.stg_app__calendar_events values (%(org)s, 'closure', %(day)s, %(day)s)",
    "insert into app.insight_events (org_id, kind, severity, metric, day, title, summary, dedupe_key, status, "
    "first_seen, last_seen) values (%(org)s, 'anomaly', 'high', 'booked_revenue', %(day)s, 't', 's', 'k', 'dismissed', "
    "now(), now())",
)


def test_a_fingerprint_is_saved_once_the_model_has_run(
    connection: psycopg.Connection, organization: Organization
) -> None:
    mark = fingerprint(connection, organization)
    assert not is_unchanged(connection, organization, "m", mark)
    save_fingerprint(connection, organization, "m", mark)
    assert is_unchanged(connection, organization, "m", fingerprint(connection, organization))
    later = replace(organization, as_of=DAY + timedelta(days=1))
    assert not is_unchanged(connection, organization, "m", fingerprint(connection, later))
    keen = replace(organization, sensitivity="keen")
    assert not is_unchanged(connection, organization, "m", fingerprint(connection, keen))


@pytest.mark.parametrize("change", CHANGES)
def test_every_input_is_part_of_the_fingerprint(
    connection: psycopg.Connection, organization: Organization, change: str
) -> None:
    before = fingerprint(connection, organization)
    connection.execute(change.encode(), {"org": organization.id, "day": DAY})
    assert fingerprint(connection, organization) != before


def test_the_moment_of_the_run_is_not(connection: psycopg.Connection, organization: Organization) -> None:
    before = fingerprint(connection, organization)
    connection.execute("update marts.dim_organization set as_of_at = now()")
    assert fingerprint(connection, organization) == before


def test_other_rows_and_their_order_are_not(connection: psycopg.Connection, organization: Organization) -> None:
    before = fingerprint(connection, organization)
    connection.execute(
        "insert into marts.kpi_daily select gen_random_uuid(), day, metric, dimension, member, value "
        "from marts.kpi_daily"
    )
    connection.execute(
        "insert into marts.kpi_daily select org_id, %s, metric from marts.kpi_daily", [DAY + timedelta(1)]
    )
    connection.execute("create temp table moved as select * from marts.kpi_daily order by value, day desc")
    connection.execute("delete from marts.kpi_daily")
    connection.execute("insert into marts.kpi_daily select * from moved")
    assert fingerprint(connection, organization) == before
