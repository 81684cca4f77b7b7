"""Bookings: the list, a new one, one booking with all its forms, and what an action would do."""

from datetime import date, datetime, time, timedelta
from typing import Annotated, Any, Final
from urllib.parse import urlencode
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Response
from pydantic import ValidationError

from dashboard import booking_forms, consequences
from dashboard.access import AnyVisitor, Participant, SentForm, Visitor, now_of
from dashboard.booking_forms import FORMS, Of
from dashboard.consequences import Consequences
from dashboard.forms import Rejected, attempt_once, id_of, read
from dashboard.queries import bookings as queries
from dashboard.rendering import PageRoute, leads_to, page
from sources import lifecycle
from sources.operations.bookings import booking as bookings
from sources.operations.bookings import catalogue, listing
from sources.operations.bookings.booking import Booking, NewBooking
from sources.operations.bookings.catalogue import PeopleQuery
from sources.operations.bookings.listing import BookingQuery
from sources.operations.errors import not_found
from sources.operations.settings.services import ServicesQuery, list_services
from sources.operations.transaction import Tx
from sources.operations.work.approvals import Approval
from sources.operations.work.milestones import Milestone
from sources.row_values import ACTING_ROLES

router = APIRouter(prefix="/bookings", route_class=PageRoute, include_in_schema=False, tags=["pages"])

PAGE: Final = 25
SORTS: Final = {
    "-created_at": "newest first",
    "created_at": "oldest first",
    "scheduled_start": "next start first",
    "-scheduled_start": "last start first",
    "-total_amount": "largest first",
    "total_amount": "smallest first",
}
Text = Annotated[str, Query(max_length=200)]


@router.get("")
async def list_bookings(
    visitor: AnyVisitor,
    q: Text = "",
    status: Text = "",
    service: Text = "",
    provider: Text = "",
    client: Text = "",
    first: Text = "",
    last: Text = "",
    sort: Text = "-created_at",
    after: Annotated[str, Query(max_length=500)] = "",
) -> Response:
    chosen = {
        "q": q, "status": status, "service": service, "provider": provider, "client": client, "first": first,
        "last": last, "sort": sort,
    }  # fmt: skip
    wrong = ""
    try:
        query = _query(visitor, chosen, after)
    except ValidationError as error:
        detail = error.errors()[0]
        wrong = f"{detail['loc'][0] if detail['loc'] else 'The filter'}: {detail['msg']}."
        query = BookingQuery(limit=PAGE)

    async def read_list(tx: Tx) -> tuple[Any, Any, Any]:
        people = PeopleQuery(role="provider", limit=queries.MOST_PEOPLE)
        return (
            await listing.list_bookings(tx, query),
            (await list_services(tx, ServicesQuery())).items,
            (await catalogue.list_people(tx, people)).items if visitor.role != "provider" else [],
        )

    found, services, providers = await visitor.run(read_list)
    kept = {name: value for name, value in chosen.items() if value}
    return page(
        visitor,
        "bookings.html.j2",
        found=found,
        services=services,
        providers=providers,
        chosen=chosen,
        wrong=wrong,
        sorts=SORTS,
        groups=lifecycle.GROUPS,
        next_page=f"/bookings?{urlencode({**kept, 'after': found.next})}" if found.next else None,
        first_page=f"/bookings?{urlencode(kept)}" if after else None,
    )


def _query(visitor: Visitor, chosen: dict[str, str], after: str) -> BookingQuery:
    """Return the filters as the list takes them; `status` is a status or a group. Raises ValidationError."""
    values: dict[str, Any] = {"limit": PAGE, "sort": chosen["sort"], "count": not after}
    values |= {name: chosen[name] for name in ("q",) if chosen[name].strip()}
    values |= {f"{name}_id": chosen[name] for name in ("service", "provider", "client") if chosen[name]}
    if chosen["status"]:
        values["status"] = lifecycle.GROUPS.get(chosen["status"], (chosen["status"],))  # type: ignore[call-overload]
    if chosen["first"]:
        values["scheduled_from"] = _midnight(visitor, chosen["first"], 0)
    if chosen["last"]:
        values["scheduled_to"] = _midnight(visitor, chosen["last"], 1)
    if after:
        values["after"] = after
    return BookingQuery.model_validate(values)


def _midnight(visitor: Visitor, day: str, days_later: int) -> datetime | str:
    """Return the beginning of a day in the organisation's time zone; the text as it is where it is no day."""
    try:
        begins = datetime.combine(date.fromisoformat(day), time(), ZoneInfo(visitor.timezone))
    except ValueError:
        return day
    return begins + timedelta(days=days_later)


@router.get("/new")
async def ask_for_booking(
    visitor: Participant,
    service: Annotated[UUID | None, Query()] = None,
    client: Annotated[UUID | None, Query()] = None,
) -> Response:
    return await _new(visitor, service, client, None)


async def _new(visitor: Visitor, service: UUID | None, client: UUID | None, rejected: Rejected | None) -> Response:
    offers = await queries.read_offers(visitor)
    chosen = next((each for each in offers.services if each.id == service), None)
    return page(
        visitor,
        "booking_new.html.j2",
        status=422 if rejected else 200,
        offers=offers,
        chosen=chosen,
        client=client,
        rejected=rejected,
        most_of_add_on=20,
    )


@router.post("/new")
async def create_booking(form: SentForm, visitor: Participant) -> Response:
    add_ons = [
        {"add_on_id": name.removeprefix("add_on-"), "quantity": value}
        for name, value in form.items()
        if name.startswith("add_on-") and value not in ("", "0")
    ]
    body = read(visitor, form, NewBooking, {"add_ons": add_ons})
    created: list[Booking] = []

    async def create(tx: Tx) -> None:
        assert isinstance(body, NewBooking)
        created.append(await bookings.create_booking(tx, body))

    rejected = body if isinstance(body, Rejected) else await attempt_once(visitor, form, create)
    if rejected:
        return await _new(visitor, id_of(form, "service_id"), None, rejected)
    if not created:  # sent a second time
        return leads_to("/bookings", "The booking was made already.")
    return leads_to(f"/bookings/{created[0].id}", f"{created[0].booking_number} is made.")


@router.get("/{booking_id}")
async def read_booking(visitor: AnyVisitor, booking_id: UUID) -> Response:
    return await _show(visitor, booking_id, None, "")


async def _show(visitor: Visitor, booking_id: UUID, rejected: Rejected | None, form_name: str) -> Response:
    found = await queries.read_booking(visitor, booking_id)
    return page(
        visitor,
        "booking.html.j2",
        status=422 if rejected else 200,
        found=found,
        rejected=rejected,
        rejected_form=form_name,
        now=now_of(visitor),
        roles=ACTING_ROLES,
        line_numbers=range(1, booking_forms.LINES + 1),
        level_numbers=range(1, booking_forms.LEVELS + 1),
        workable=found.booking.status in lifecycle.WORKABLE,
        undelivered=found.booking.status in lifecycle.UNDELIVERED,
        is_over=found.booking.status in (*lifecycle.COMPLETED, *lifecycle.CANCELLED),
        movable=found.booking.status
        in (lifecycle.MOVABLE_BY_CLIENT if visitor.role == "client" else lifecycle.UNDELIVERED),
        approvable=found.booking.status in lifecycle.APPROVABLE,
        answerable=found.booking.status in lifecycle.ANSWERABLE,
        milestone_steps=milestone_steps,
        people=lambda listed: sorted(((one.id, one.name) for one in listed if one.is_active), key=lambda it: it[1]),
    )


def milestone_steps(
    milestone: Milestone, levels: list[Approval], role: str, answerable: bool, workable: bool
) -> list[str]:
    """Return the steps that a person of this role may try on a milestone; its operation decides."""
    steps = []
    if role in ("provider", "admin") and workable:
        steps += {"pending": ["start", "cancel"], "in_progress": ["submit", "cancel"]}.get(milestone.status, [])
    has_levels = any(level.status == "pending" for level in levels)
    if role in ("client", "admin") and milestone.status == "submitted" and answerable and not has_levels:
        steps += ["approve", "reject"]
    return steps


@router.get("/{booking_id}/actions/{action}")
async def ask_for_action(visitor: Participant, booking_id: UUID, action: str) -> Response:
    return await _ask(visitor, booking_id, action, None)


async def _ask(visitor: Visitor, booking_id: UUID, action: str, rejected: Rejected | None) -> Response:
    """Return the page that says what `action` would do, with the fields that it needs."""
    if action not in lifecycle.ACTIONS:
        raise not_found("action")

    async def find(tx: Tx) -> tuple[Booking, Consequences]:
        booking = await bookings.get_booking(tx, booking_id)
        return booking, await consequences.of_action(tx, booking, action)

    booking, found = await visitor.run(find)
    return page(
        visitor,
        "booking_action.html.j2",
        status=422 if rejected else 200,
        booking=booking,
        action=action,
        found=found,
        rejected=rejected,
    )


@router.post("/{booking_id}/{form_name}")
async def send_form(form: SentForm, visitor: Participant, booking_id: UUID, form_name: str) -> Response:
    """Run the operation of a form of the booking's page."""
    if (kind := FORMS.get(form_name)) is None:
        raise not_found("form")
    of = Of(booking_id, id_of(form, "row"), str(form["version"]) if form.get("version") else None)
    body = read(visitor, form, kind.model, kind.nested(form))

    async def run(tx: Tx) -> None:
        if seen := form.get("seen"):
            await consequences.demand_seen(tx, booking_id, str(form.get("action", "")), str(seen))
        await kind.operation(tx, of, body)

    rejected = body if isinstance(body, Rejected) else await attempt_once(visitor, form, run)
    if rejected is None:
        return leads_to(f"/bookings/{booking_id}", kind.notice)
    if form_name == "transition":
        return await _ask(visitor, booking_id, str(form.get("action", "")), rejected)
    return await _show(visitor, booking_id, rejected, form_name)
