"""Who visits a page: the person of the session, what they may see, and the checks of what their forms change."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any, Final, TypeVar
from urllib.parse import urlencode
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import Depends, Request
from starlette.datastructures import FormData

from dashboard.navigation import OWNERS
from sources import sign_in
from sources.api import rate_limits, sessions
from sources.api.request_context import Context
from sources.formatting import use_locale
from sources.operations.errors import Refusal
from sources.operations.transaction import Person, Tx

T = TypeVar("T")
TOKEN_FIELD: Final = "form_token"

_SELECT_FACTS: Final = """
select
    organizations.name as organization, organizations.slug, organizations.currency, organizations.timezone,
    organizations.country, organizations.locale, people.full_name as name, people.role
from app.organizations as organizations
inner join app.profiles as people on people.org_id = organizations.id and people.id = $1
where organizations.id = $2
"""

# Before the first build there is no mart. Clients and providers see no row of it.
_HAS_MARTS: Final = "select to_regclass('marts.dim_organization') is not null as has_marts"
_SELECT_AS_OF: Final = "select as_of from marts.dim_organization where org_id = $1"


class SignInNeeded(Exception):
    """The page needs a session. `path` is the page, to come back to."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


@dataclass(frozen=True, slots=True)
class Visitor:
    """The person who visits a page, and the facts that every page shows.

    `as_of` is the last complete day of the figures; None before the first build, and for clients and providers.
    """

    context: Context
    org_id: UUID
    profile_id: UUID
    role: str
    name: str
    organization: str
    slug: str
    currency: str
    timezone: str
    country: str | None
    locale: str
    as_of: date | None
    opens_dagster: bool
    is_operator: bool
    form_token: str

    @property
    def is_owner(self) -> bool:
        """Return True for admins and analysts, who see everything of the organisation."""
        return self.role in OWNERS

    async def run(self, operation: Callable[[Tx], Awaitable[T]]) -> T:
        """Run an operation of sources.operations as this person, in one transaction. Raises Refusal."""
        return await self.context.run(operation)

    async def read(self, operation: Callable[[Tx], Awaitable[T]]) -> T:
        """Run queries of marts and views as this person; each is planned for its values. Raises Refusal."""

        async def planned(tx: Tx) -> T:
            # A generic plan, which is right for rows by key, reads whole marts where few days are asked for.
            await tx.execute("select set_config('plan_cache_mode', 'force_custom_plan', true)")
            return await operation(tx)

        return await self.context.run(planned)

    async def rows(self, query: str, *values: object) -> list[dict[str, Any]]:
        """Return the rows of one query of marts and views."""
        return [dict(row) for row in await self.read(lambda tx: tx.rows(query, *values))]


def own_path(request: Request) -> str:
    """Return the path and the query of the request."""
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")


async def _visitor(request: Request) -> Visitor:
    state = request.app.state
    sessions.check_host(request.headers, state.settings)
    session = await sessions.of_request(request)
    if session is None:
        raise SignInNeeded(own_path(request) if request.method == "GET" else "/")
    if session.org_id is None or session.profile_id is None or session.role is None:
        raise SignInNeeded("/organizations")  # the operator, who has to choose first
    if (wait := state.limits.count("caller", str(session.profile_id))) is not None:
        raise Refusal("unavailable", "too_many_requests", f"{rate_limits.DETAIL} Wait {wait} seconds.")
    context = Context(request, Person(session.org_id, session.profile_id, role=session.role))

    async def facts_of_visitor(tx: Tx) -> dict[str, Any]:
        facts = dict(await tx.one(_SELECT_FACTS, session.profile_id, session.org_id))
        is_built = (await tx.one(_HAS_MARTS))["has_marts"]
        row = await tx.row(_SELECT_AS_OF, session.org_id) if is_built and facts["role"] in OWNERS else None
        return {**facts, "as_of": row["as_of"] if row else None}

    facts = await context.run(facts_of_visitor)
    use_locale(facts["locale"])
    return Visitor(
        context=context,
        org_id=session.org_id,
        profile_id=session.profile_id,
        opens_dagster=session.opens_dagster and bool(state.settings.dagster_socket),
        is_operator=session.is_operators,
        form_token=sessions.form_token(request),
        **facts,
    )


async def check_form(request: Request) -> FormData:
    """Return the form of the request. Raises Refusal unless a page of this session sent it."""
    sessions.check_host(request.headers, request.app.state.settings)
    sessions.check_origin(request.headers, request.app.state.settings)
    form = await request.form()
    if form.get(TOKEN_FIELD) != sessions.form_token(request):
        raise Refusal(
            "forbidden", "form_foreign", "This form is of an earlier sign-in. Reload the page, and send it again."
        )
    return form


def sign_in_path(page: str) -> str:
    """Return the path of the sign-in that leads to `page` afterwards."""
    return f"{sign_in.PATH}?{urlencode({'next': page})}" if page != "/" else sign_in.PATH


def _of_owners(visitor: Annotated[Visitor, Depends(_visitor)]) -> Visitor:
    if not visitor.is_owner:
        raise Refusal("forbidden", "role_missing", "This page is for the admins and analysts of the organisation.")
    return visitor


def _not_analysts(visitor: Annotated[Visitor, Depends(_visitor)]) -> Visitor:
    if visitor.role == "analyst":
        raise Refusal("forbidden", "not_allowed", "An analyst reads bookings, and changes none.")
    return visitor


def _of_admins(visitor: Annotated[Visitor, Depends(_visitor)]) -> Visitor:
    if visitor.role != "admin":
        raise Refusal("forbidden", "role_missing", "This page is for the admins of the organisation.")
    return visitor


AnyVisitor = Annotated[Visitor, Depends(_visitor)]  # every signed-in person
Participant = Annotated[Visitor, Depends(_not_analysts)]  # who makes and works on bookings
Owner = Annotated[Visitor, Depends(_of_owners)]  # admins and analysts
Admin = Annotated[Visitor, Depends(_of_admins)]
SentForm = Annotated[FormData, Depends(check_form)]  # every POST of a page needs it


def now_of(visitor: Visitor) -> datetime:
    """Return the time of the request in the organisation's time zone."""
    return datetime.now(ZoneInfo(visitor.timezone))
