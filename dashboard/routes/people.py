"""Settings of people: who is in the organisation, invitations, roles, access, and work that goes to another person."""

from collections.abc import Awaitable, Callable
from typing import Any, Final
from uuid import UUID

from fastapi import APIRouter, Response
from starlette.datastructures import FormData

from dashboard.access import Admin, SentForm, Visitor
from dashboard.forms import Rejected, attempt_once, id_of, read
from dashboard.rendering import PageRoute, leads_to, page
from dashboard.routes.settings import MOST_PEOPLE, SECTIONS
from sources import sign_in
from sources.api.invitations import invite
from sources.operations.bookings import catalogue
from sources.operations.bookings.catalogue import PeopleQuery
from sources.operations.errors import not_found
from sources.operations.settings import people
from sources.operations.settings.people import Erasure, Handover, NewPerson, PersonChange, PersonDetails
from sources.operations.transaction import Tx
from sources.row_values import PERSON_ROLES, PersonRole

router = APIRouter(prefix="/settings/people", route_class=PageRoute, include_in_schema=False, tags=["pages"])

SHOWN: Final = 50  # people on a page
# What each role may do, as the pages say it.
ROLES: Final[dict[PersonRole, str]] = {
    "admin": "sees and changes everything, people and settings included",
    "analyst": "sees every figure and booking, and changes none",
    "provider": "sees and works on the bookings of their own; no figures of the organisation",
    "client": "sees and makes bookings of their own",
}
Values = dict[str, Any]


@router.get("")
async def list_people(visitor: Admin, role: str = "", q: str = "") -> Response:
    return await _list(visitor, role, q, None)


async def _list(visitor: Visitor, role: str, q: str, rejected: Rejected | None) -> Response:
    chosen = role if role in PERSON_ROLES else ""
    after = id_of(visitor.context.request.query_params, "after")

    async def found(tx: Tx) -> Any:
        return await catalogue.list_people(
            tx,
            PeopleQuery.model_validate({"role": chosen or None, "q": q.strip()[:100] or None, "limit": SHOWN,
                                        "after": after}),
        )  # fmt: skip

    listed = await visitor.run(found)
    return page(
        visitor, "settings_people.html.j2", status=422 if rejected else 200, sections=SECTIONS, section="people",
        rejected=rejected, people=listed.items, next_id=listed.next, chosen=chosen, q=q, roles=ROLES,
    )  # fmt: skip


@router.post("/invite")
async def invite_person(form: SentForm, visitor: Admin) -> Response:
    """Add a person; the link to sign in with is mailed, or shown once."""
    body = read(visitor, form, NewPerson)
    added: list[PersonDetails] = []

    async def add(tx: Tx) -> None:
        assert isinstance(body, NewPerson)
        added.append(await people.add_person(tx, body))

    rejected = body if isinstance(body, Rejected) else await attempt_once(visitor, form, add)
    if rejected:
        return await _list(visitor, "", "", rejected)
    if not added:  # sent a second time
        return leads_to("/settings/people", "The person was added already.")
    person, path = added[0], f"/settings/people/{added[0].id}"
    invited = await invite(visitor.context, person)
    if invited.link is None:
        how = (
            f"The link is mailed to {person.email}." if invited.is_mailed else "Without an address they cannot sign in."
        )
        return leads_to(path, f"{person.name} is added. {how}")
    return page(visitor, "settings_invited.html.j2", person=person, link=invited.link, days=sign_in.INVITATION_DAYS)


@router.get("/{person_id}")
async def read_person(visitor: Admin, person_id: UUID) -> Response:
    return await _show(visitor, person_id, None)


async def _show(visitor: Visitor, person_id: UUID, rejected: Rejected | None) -> Response:
    providers = PeopleQuery(role="provider", limit=MOST_PEOPLE)

    async def found(tx: Tx) -> Values:
        person = await people.get_person(tx, person_id)
        others = (await catalogue.list_people(tx, providers)).items if person.role == "provider" else []
        return {
            "person": person,
            "others": [(one.id, one.name) for one in others if one.is_active and one.id != person_id],
        }

    return page(
        visitor, "settings_person.html.j2", status=422 if rejected else 200, sections=SECTIONS, section="people",
        rejected=rejected, roles=ROLES, **await visitor.run(found),
    )  # fmt: skip


@router.post("/{person_id}/{name}")
async def send_form(form: SentForm, visitor: Admin, person_id: UUID, name: str) -> Response:
    """Run the operation of a form of a person's page."""
    if name not in FORMS:
        raise not_found("form")
    model, operation, notice = FORMS[name]
    body = read(visitor, form, model)
    rejected = (
        body
        if isinstance(body, Rejected)
        else await attempt_once(visitor, form, lambda tx: operation(tx, person_id, body, _version(form)))
    )
    return await _show(visitor, person_id, rejected) if rejected else leads_to(f"/settings/people/{person_id}", notice)


def _version(form: FormData) -> str | None:
    return str(form["version"]) if form.get("version") else None


Form = tuple[type[Any], Callable[[Tx, UUID, Any, str | None], Awaitable[object]], str]
FORMS: Final[dict[str, Form]] = {
    "change": (PersonChange, people.edit_person, "Saved."),
    "role": (PersonChange, people.edit_person, "The role holds from the next request on."),
    "access": (PersonChange, people.edit_person, "The access is changed."),
    "handover": (
        Handover,
        lambda tx, person_id, body, version: people.hand_over(tx, person_id, body),
        "The open work is handed over.",
    ),
    "erase": (
        Erasure,
        lambda tx, person_id, body, version: people.erase_person(tx, person_id, body),
        "The person is erased. Marts and views follow with the next run.",
    ),
}
