"""The start page: each role's own, and the operator's choice of whom to open the pages as."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, StringConstraints, ValidationError

from dashboard.access import AnyVisitor, SentForm, now_of, sign_in_path
from dashboard.queries import homes
from dashboard.rendering import PageRoute, leads_to, page, plain_page
from dashboard.routes import overview
from sources.api import sessions
from sources.operations.errors import Refusal
from sources.operations.field_types import Line
from sources.settings import DAGSTER_PATH

router = APIRouter(route_class=PageRoute, include_in_schema=False, tags=["pages"])

Address = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200, pattern=r"^[^@\s]+@[^@\s]+$")]


class FirstAdmin(BaseModel):
    """The first admin of an organisation."""

    name: Line
    email: Address | None = None


@router.get("/")
async def open_home(visitor: AnyVisitor, period: Annotated[overview.Period, Query()] = "month") -> Response:
    if visitor.is_owner:
        return await overview.show(visitor, period)
    now = now_of(visitor)
    if visitor.role == "provider":
        return page(visitor, "home_provider.html.j2", found=await homes.read_provider_home(visitor, now), now=now)
    return page(visitor, "home_client.html.j2", found=await homes.read_client_home(visitor, now))


@router.get("/organizations")
async def choose_organization(request: Request) -> Response:
    """The operator of the Hub opens the pages as an admin of an organisation."""
    sessions.check_host(request.headers, request.app.state.settings)
    session = await sessions.of_request(request)
    if session is None or not session.is_operators:
        return RedirectResponse(sign_in_path("/"), 303)
    return plain_page(
        request,
        "organizations.html.j2",
        admins=await sessions.admins(request),
        without_admin=await sessions.organizations_without_admin(request),
        dagster=f"{DAGSTER_PATH}/" if request.app.state.settings.dagster_socket else None,
        form_token=sessions.form_token(request),
    )


@router.post("/organizations")
async def open_organization(request: Request, form: SentForm) -> Response:
    try:
        has_changed = await sessions.act_as(request, UUID(str(form.get("admin"))))
    except ValueError:
        has_changed = False
    if not has_changed:
        raise Refusal("not_found", "not_found", "There is no such admin, or this is not the operator's session.")
    return leads_to("/")


@router.post("/organizations/{org_id}/admin")
async def add_first_admin(request: Request, form: SentForm, org_id: UUID) -> Response:
    """Add the first admin of an organisation, and open its pages as this admin."""
    try:
        admin = FirstAdmin.model_validate({name: form[name] for name in ("name", "email") if form.get(name)})
    except ValidationError:
        raise Refusal(
            "invalid", "name_required", "Give the name of the admin, and an e-mail address or none."
        ) from None
    if not await sessions.add_first_admin(request, org_id, admin.name, admin.email):
        raise Refusal("not_found", "not_found", "There is no such organisation without an admin.")
    return leads_to("/", "You are the first admin of this organisation.")
