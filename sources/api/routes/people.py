"""Routes of people, for admins; the list that everybody reads is of the catalogue."""

from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import Field

from sources.api.invitations import invite
from sources.api.problems import CHANGES, COMMON, WRITES
from sources.api.request_context import Reading, Writing, reply
from sources.operations.settings import people
from sources.operations.settings.people import (
    Erasure,
    HandedOver,
    Handover,
    NewPerson,
    PersonChange,
    PersonDetails,
)

router = APIRouter(prefix="/v1/people", tags=["settings"], responses=COMMON)


class InvitedPerson(PersonDetails):
    """A person who was added."""

    is_mailed: bool = Field(description="The link to sign in with was mailed.")
    link: str | None = Field(
        description="The link, where it was not mailed: hand it over. It is shown once, and works once."
    )


@router.post("", status_code=201, response_model=InvitedPerson, responses=WRITES, summary="Invite a person")
async def invite_person(context: Writing, body: NewPerson) -> Response:
    """For admins. The answer to a repeated request has no link."""
    response = await context.write(
        lambda tx: people.add_person(tx, body), status=201, location=lambda added: f"/v1/people/{added.id}"
    )
    if response.status_code != 201:
        return response
    person = PersonDetails.model_validate_json(bytes(response.body))
    if "Idempotency-Replayed" in response.headers:
        invited = InvitedPerson(**person.model_dump(), is_mailed=False, link=None)
    else:
        of_link = await invite(context, person)
        invited = InvitedPerson(**person.model_dump(), is_mailed=of_link.is_mailed, link=of_link.link)
    kept = {name: value for name, value in response.headers.items() if name in ("location", "idempotency-replayed")}
    return reply(invited, 201, **kept)


@router.get("/{person_id}", response_model=PersonDetails, summary="Read a person")
async def get_person(context: Reading, person_id: UUID) -> Response:
    """For admins, with the open work and the access of the person."""
    return reply(await context.run(lambda tx: people.get_person(tx, person_id)))


@router.patch("/{person_id}", response_model=PersonDetails, responses=CHANGES, summary="Change a person")
async def edit_person(context: Writing, person_id: UUID, body: PersonChange) -> Response:
    """For admins: name, address, role, group, and whether the person has access. `is_active` false ends sessions,
    keys and streams at once. The last active admin stays one (409 `last_admin`); whoever has open bookings keeps the
    role (409 `open_bookings`)."""
    return await context.write(lambda tx: people.edit_person(tx, person_id, body, context.if_match))


@router.post(
    "/{person_id}/handover", response_model=HandedOver, responses=WRITES, summary="Hand over the work of a provider"
)
async def hand_over(context: Writing, person_id: UUID, body: Handover) -> Response:
    """For admins: the open bookings, tasks and pending approvals go to another provider; all, or none where two
    bookings would be at the same time (409 `slot_taken`, which names them)."""
    return await context.write(lambda tx: people.hand_over(tx, person_id, body))


@router.post("/{person_id}/erase", response_model=PersonDetails, responses=WRITES, summary="Erase a person")
async def erase_person(context: Writing, person_id: UUID, body: Erasure) -> Response:
    """For admins, with the name as a confirmation: names, addresses and free texts are gone for good, here at once and
    in marts and views after the next run; figures and invoices stay. Not with open bookings (409 `open_bookings`)."""
    return await context.write(lambda tx: people.erase_person(tx, person_id, body))
