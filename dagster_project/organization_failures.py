"""Failures of one organisation's part of a step (raw.run_failures), while the run continues for the others."""

import logging
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Final
from uuid import UUID

import psycopg

MESSAGE_MAX: Final = 400  # characters of an error that a message shows


@contextmanager
def isolated(connection: psycopg.Connection, org_id: UUID, as_of: date, step: str) -> Iterator[None]:
    """Run one organisation's part of a step; a failure is rolled back and recorded, and the caller continues."""
    try:
        with connection.transaction():
            yield
    except Exception as error:  # whatever it is, it must not affect the other organisations
        logging.getLogger(__name__).exception("%s failed for organisation %s", step, org_id)
        connection.execute(
            "insert into raw.run_failures (org_id, step, as_of, message) values (%s, %s, %s, %s) "
            "on conflict (org_id, step) do update set as_of = excluded.as_of, message = excluded.message",
            [org_id, step, as_of, first_line(str(error) or type(error).__name__)],
        )


def forget_failures(connection: psycopg.Connection, step: str) -> None:
    """Delete the recorded failures of a step that starts again."""
    connection.execute("delete from raw.run_failures where step = %s", [step])


def failures_by_organization(connection: psycopg.Connection) -> dict[UUID, dict[str, str]]:
    """Return the failures of the last run: organisation -> step -> error message."""
    failures: defaultdict[UUID, dict[str, str]] = defaultdict(dict)
    for org_id, step, message in connection.execute(
        "select org_id, step, message from raw.run_failures order by org_id, step"
    ):
        failures[org_id][f"step {step}"] = message
    return failures


def first_line(text: str) -> str:
    """Return the first line of an error message, cut to MESSAGE_MAX; a sentence if it is empty."""
    return (text.strip().splitlines() or ["It failed without an error message."])[0][:MESSAGE_MAX]
