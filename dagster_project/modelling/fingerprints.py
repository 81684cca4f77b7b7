"""Fingerprints of model runs: equal ones mean that a model would return the same output again."""

from functools import cache, partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import pandas as pd
import psycopg

import ml
from dagster_project.modelling.organizations import Organization


def fingerprint(model: partial[pd.DataFrame]) -> str:
    """Return a hash of the arguments (the order of a frame's rows does not matter) and of the code of `ml`."""
    digest = sha256(_code())
    digest.update(f"{model.func.__module__}.{model.func.__name__}".encode())
    for name, argument in [*enumerate(model.args), *sorted(model.keywords.items())]:
        digest.update(f"{name}={_content(argument)}".encode())
    return digest.hexdigest()


def _content(argument: Any) -> str:
    if isinstance(argument, pd.DataFrame):
        rows = pd.util.hash_pandas_object(argument, index=False).sum() if len(argument) else 0
        return f"{list(argument.columns)} {len(argument)} {rows}"
    if isinstance(argument, dict):
        return repr(sorted(argument.items()))
    return repr(argument)


@cache
def _code() -> bytes:
    folder = Path(ml.__file__).parent
    return b"".join(file.read_bytes() for file in sorted(folder.glob("*.py")))


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
