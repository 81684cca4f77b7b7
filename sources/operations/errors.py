"""Refusals of operations: one error type with a code for programs and a sentence for people."""

from typing import Final, Literal

import asyncpg

Kind = Literal[
    "unauthenticated", "forbidden", "not_found", "conflict", "stale", "invalid", "unconditional", "unavailable"
]


class Refusal(Exception):
    """A refused operation: its `kind`, a more exact `code`, a sentence as message, and the input `field` concerned."""

    def __init__(self, kind: Kind, code: str, sentence: str, *, field: str | None = None) -> None:
        super().__init__(sentence)
        self.kind = kind
        self.code = code
        self.field = field


def not_found(noun: str) -> Refusal:
    """Return the refusal for a row that does not exist, or that the caller may not see: both get the same response."""
    return Refusal("not_found", "not_found", f"There is no such {noun}.")


_NAME_TAKEN: Final = ("conflict", "name_taken", "This name is taken; what is retired keeps its name.")
# Constraint -> the refusal that its violation means.
_CONSTRAINTS: Final = {
    "ex_bookings_provider_time": ("conflict", "slot_taken", "The provider is already booked at that time."),
    "ex_time_entries_person_time": ("conflict", "time_overlaps", "Another time entry of that person overlaps."),
    "uq_milestones_org_id_booking_id_position": ("conflict", "position_taken", "Another milestone has this position."),
    "uq_payments_processor_processor_ref_org_id": (
        "conflict",
        "reference_known",
        "A payment with this reference exists already.",
    ),
    "uq_services_org_id_name": _NAME_TAKEN,
    "uq_service_packages_org_id_service_id_name": _NAME_TAKEN,
    "uq_service_add_ons_org_id_service_id_name": _NAME_TAKEN,
    "uq_price_rules_org_id_name": _NAME_TAKEN,
    "uq_notification_channels_org_id_name": ("conflict", "name_taken", "Another channel has this name."),
    "analysts_read": ("forbidden", "not_allowed", "An analyst reads, and changes nothing of the organisation."),
    "uq_profiles_org_id_email": ("conflict", "address_taken", "Another person has this e-mail address."),
    "uq_reviews_org_id_booking_id": ("conflict", "already_reviewed", "The booking has been reviewed already."),
}


def of_database(error: asyncpg.PostgresError | asyncpg.InterfaceError) -> Refusal | None:
    """Convert a database error into a refusal; None where the error is a failure of the Hub itself."""
    constraint = getattr(error, "constraint_name", None)
    if constraint in _CONSTRAINTS:
        kind, code, sentence = _CONSTRAINTS[constraint]
        return Refusal(kind, code, sentence)  # type: ignore[arg-type]
    if isinstance(error, asyncpg.QueryCanceledError):
        return Refusal("unavailable", "timeout", "The database took too long. Try again, or request less data.")
    if isinstance(error, (asyncpg.DataError, ValueError)):  # rejected by the server or by the driver
        return Refusal("invalid", "value_out_of_range", "A value cannot be stored: it is too large or malformed.")
    if isinstance(
        error, (asyncpg.OperatorInterventionError, asyncpg.PostgresConnectionError, asyncpg.TooManyConnectionsError)
    ):
        return Refusal("unavailable", "database_unavailable", "The database does not answer. Try again shortly.")
    return None
