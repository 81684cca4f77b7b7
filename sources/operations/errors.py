"""Why an operation was not done: one error type with a code for programs and a sentence for people."""

from typing import Final, Literal

import asyncpg

Kind = Literal[
    "unauthenticated", "forbidden", "not_found", "conflict", "stale", "invalid", "unconditional", "unavailable"
]


class Refusal(Exception):
    """`kind` says which sort, `code` which one, the message is a sentence; `field` names the input it is about."""

    def __init__(self, kind: Kind, code: str, sentence: str, *, field: str | None = None) -> None:
        super().__init__(sentence)
        self.kind = kind
        self.code = code
        self.field = field


def not_found(what: str) -> Refusal:
    """For what does not exist, and for what the caller may not know to exist: the same answer."""
    return Refusal("not_found", "not_found", f"There is no such {what}.")


# Constraint -> what its violation means.
_CONSTRAINTS: Final = {
    "ex_bookings_provider_time": ("conflict", "slot_taken", "The provider is already booked at that time."),
    "ex_time_entries_person_time": ("conflict", "time_overlaps", "Another time entry of that person overlaps."),
    "uq_milestones_org_id_booking_id_position": ("conflict", "position_taken", "Another milestone has this position."),
    "uq_payments_processor_processor_ref_org_id": (
        "conflict",
        "reference_known",
        "A payment with this reference is recorded already.",
    ),
    "uq_reviews_org_id_booking_id": ("conflict", "already_reviewed", "The booking has been reviewed already."),
}


def of_database(error: asyncpg.PostgresError | asyncpg.InterfaceError) -> Refusal | None:
    """What a database error means to the caller; None where it is a failure of ours."""
    constraint = getattr(error, "constraint_name", None)
    if constraint in _CONSTRAINTS:
        kind, code, sentence = _CONSTRAINTS[constraint]
        return Refusal(kind, code, sentence)  # type: ignore[arg-type]
    if isinstance(error, asyncpg.QueryCanceledError):
        return Refusal("unavailable", "timeout", "The database took too long. Try again, or ask for less.")
    if isinstance(error, (asyncpg.DataError, ValueError)):  # refused by the server, or by the driver
        return Refusal("invalid", "value_out_of_range", "A value cannot be stored: it is too large or malformed.")
    if isinstance(
        error, (asyncpg.OperatorInterventionError, asyncpg.PostgresConnectionError, asyncpg.TooManyConnectionsError)
    ):
        return Refusal("unavailable", "database_unavailable", "The database does not answer. Try again shortly.")
    return None
