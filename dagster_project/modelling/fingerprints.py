"""Fingerprints of what the models read: equal ones mean that a model would return the same output again.

They are computed in the database, because reading the inputs takes longer than all the rest of a run without changes.
"""

from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Final, LiteralString

import psycopg
from psycopg import sql

import dagster_project.modelling
import ml
from dagster_project.modelling.organizations import Organization
from ml.panel import MEMORY_DAYS

# The rows of an organisation that the models read, or from which the views that they read are made.
READ: Final[tuple[LiteralString, ...]] = (
    "select * from marts.dim_metric",
    # Not the moment of the run, which no model reads: it differs in each.
    """
    select to_jsonb(organizations) - 'as_of_at' as organization
    from marts.dim_organization as organizations where org_id = %(org_id)s
    """,
    "select * from staging.stg_app__calendar_events where org_id = %(org_id)s",
    """
    select kind, metric, dimension, member, day, started_on, feedback_reason
    from app.insight_events where org_id = %(org_id)s and status = 'dismissed'
    """,
    """
    select * from marts.kpi_daily
    where org_id = %(org_id)s and day <= %(as_of)s and day > %(as_of)s::date - %(memory)s
    """,
    """
    select * from intermediate.int_on_hand_spans
    where org_id = %(org_id)s and service_day > %(as_of)s::date - %(memory)s
    """,
)


def fingerprint(
    connection: psycopg.Connection, organization: Organization, read: Sequence[LiteralString] = READ
) -> str:
    """Return a hash of the rows of the queries `read` (in any order), of as_of, and of the code that uses them."""
    digest = sha256(_code())
    digest.update(f"{organization}".encode())
    parameters = {
        "org_id": organization.id,
        "as_of": organization.as_of,
        "is_modelled": organization.is_modelled,
        "memory": MEMORY_DAYS,
    }
    for query in read:
        hashed = sql.SQL("select count(*), sum(hash_record_extended(read, 0)::numeric) from ({}) as read").format(
            sql.SQL(query)
        )
        digest.update(repr(connection.execute(hashed, parameters).fetchone()).encode())
    return digest.hexdigest()


@cache
def _code() -> bytes:
    folders = [Path(str(package.__file__)).parent for package in (ml, dagster_project.modelling)]
    code = [file.read_bytes() for folder in folders for file in sorted(folder.glob("*.py"))]
    return b"".join([*code, version("holidays").encode()])


def is_unchanged(connection: psycopg.Connection, organization: Organization, model: str, fingerprint: str) -> bool:
    """Return True if the newest complete run of `model` had the same fingerprint."""
    found = connection.execute(
        "select true from ml.fingerprints where (org_id, model, fingerprint) = (%s, %s, %s)",
        [organization.id, model, fingerprint],
    )
    return found.fetchone() is not None


def save_fingerprint(connection: psycopg.Connection, organization: Organization, model: str, fingerprint: str) -> None:
    """Save the fingerprint and as_of of the newest run of `model`, also of one without output."""
    connection.execute(
        """
        insert into ml.fingerprints (org_id, model, fingerprint, as_of) values (%s, %s, %s, %s)
        on conflict (org_id, model) do update set fingerprint = excluded.fingerprint, as_of = excluded.as_of
        """,
        [organization.id, model, fingerprint, organization.as_of],
    )
