"""Settings, for admins: a page a section, each with its forms."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Final, get_args

from fastapi import APIRouter, Response

from dashboard.access import Admin, SentForm, Visitor, now_of
from dashboard.forms import Rejected, attempt_once, id_of, read
from dashboard.rendering import PageRoute, leads_to, page
from dashboard.settings_forms import FORMS, RULES, Of
from sources.formatting import locale_choices
from sources.insight_values import InsightKind, Severity
from sources.operations import api_keys, audit, calendar
from sources.operations.api_keys import SCOPES
from sources.operations.audit import AuditQuery
from sources.operations.bookings import catalogue
from sources.operations.bookings.catalogue import PeopleQuery
from sources.operations.calendar import CalendarQuery
from sources.operations.errors import not_found
from sources.operations.settings import absences, channels, organization, price_rules, providers, services, targets
from sources.operations.settings.absences import AbsencesQuery
from sources.operations.settings.services import ServicesQuery
from sources.operations.settings.targets import TargetsQuery
from sources.operations.transaction import Tx
from sources.row_values import CALENDAR_EVENT_KINDS, SENSITIVITIES

router = APIRouter(prefix="/settings", route_class=PageRoute, include_in_schema=False, tags=["pages"])

MOST_PEOPLE: Final = 200
SHOWN_ENTRIES: Final = 40  # of the audit log on a page
WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
GRAINS: Final = ("day", "week", "month", "quarter", "year")
# Section -> its name, and what it is for.
SECTIONS: Final = {
    "organization": (
        "Organisation",
        "name, working days, cancellation rules, deposit, sensitivity of the alarms, how figures are written",
    ),
    "services": ("Services", "what is on offer: services, packages, add-ons and their prices"),
    "prices": ("Price rules", "what changes a price: weekdays, seasons, lead time"),
    "hours": ("Providers' hours", "capacity, working days and absences"),
    "people": ("People", "who is in the organisation, in which role, and who has access"),
    "channels": ("Channels", "who is told by mail, Slack or webhook, and of what"),
    "targets": ("Targets", "what you want to reach: shown beside the figures"),
    "calendar": ("Calendar", "what is known ahead: closures, campaigns, price changes, events in town"),
    "keys": ("API keys", "for programs that use the API"),
    "audit": ("Audit log", "who changed what, and who signed in"),
    "import": ("Import", "what your booking system exported: check it, then import it"),
}


@router.get("")
async def list_sections(visitor: Admin) -> Response:
    return page(visitor, "settings.html.j2", sections=SECTIONS)


@router.get("/{section}")
async def read_section(visitor: Admin, section: str) -> Response:
    return await _show(visitor, section, None)


async def _show(visitor: Visitor, section: str, rejected: Rejected | None) -> Response:
    if section not in SECTIONS:
        raise not_found("section of the settings")
    values = await visitor.run(lambda tx: _READERS[section](tx, visitor))
    return page(
        visitor,
        f"settings_{section}.html.j2",
        status=422 if rejected else 200,
        sections=SECTIONS,
        section=section,
        rejected=rejected,
        locales=locale_choices(),
        weekdays=list(enumerate(WEEKDAYS, start=1)),
        **values,
    )


@router.post("/{section}/{name}")
async def send_form(form: SentForm, visitor: Admin, section: str, name: str) -> Response:
    """Run the operation of a form of the settings."""
    if (kind := FORMS.get((section, name))) is None:
        raise not_found("form")
    state = visitor.context.request.app.state
    of = Of(
        id_of(form, "row"),
        str(form["version"]) if form.get("version") else None,
        state.channel_kinds,
        lambda: str(state.settings.secret("webhook_secret")),
    )
    body = read(visitor, form, kind.model, kind.nested(form))
    if isinstance(body, Rejected):
        return await _show(visitor, section, body)
    results: list[object] = []

    async def run(tx: Tx) -> None:
        results.append(await kind.operation(tx, of, body))

    rejected = await attempt_once(visitor, form, run)
    if rejected:
        return await _show(visitor, section, rejected)
    if not kind.shows:
        return leads_to(f"/settings/{section}", kind.notice)
    if not results:  # sent a second time
        return leads_to(f"/settings/{section}", "This was done already. The secret was shown then, once.")
    return page(visitor, "settings_secret.html.j2", section=section, secret=getattr(results[-1], kind.shows))


async def _organization(tx: Tx, _: Visitor) -> dict[str, Any]:
    return {
        "organization": await organization.get_organization(tx),
        "sensitivities": SENSITIVITIES,
        "rule_numbers": range(1, RULES + 1),
    }


async def _services(tx: Tx, _: Visitor) -> dict[str, Any]:
    return {"services": (await services.list_services(tx, ServicesQuery(with_retired=True))).items}


async def _prices(tx: Tx, visitor: Visitor) -> dict[str, Any]:
    return {"rules": (await price_rules.list_rules(tx)).items, **await _services(tx, visitor)}


async def _hours(tx: Tx, visitor: Visitor) -> dict[str, Any]:
    people = await catalogue.list_people(tx, PeopleQuery(role="provider", limit=MOST_PEOPLE))
    since = now_of(visitor).date() - timedelta(30)
    return {
        "providers": [await providers.get_provider(tx, person.id) for person in people.items if person.is_active],
        "absences": (await absences.list_absences(tx, AbsencesQuery(first=since))).items,
    }


async def _channels(tx: Tx, visitor: Visitor) -> dict[str, Any]:
    return {
        "channels": (await channels.list_channels(tx)).items,
        "kinds": list(visitor.context.request.app.state.channel_kinds),
        "severities": get_args(Severity),
        "insight_kinds": get_args(InsightKind),
    }


async def _targets(tx: Tx, visitor: Visitor) -> dict[str, Any]:
    metrics = []
    if visitor.as_of is not None:
        metrics = await tx.rows("select metric, label, unit from marts.dim_metric order by label")
    return {
        "targets": (await targets.list_targets(tx, TargetsQuery())).items,
        "metrics": {row["metric"]: dict(row) for row in metrics},
        "grains": GRAINS,
    }


async def _calendar(tx: Tx, visitor: Visitor) -> dict[str, Any]:
    since = now_of(visitor).date() - timedelta(60)
    people = await catalogue.list_people(tx, PeopleQuery(role="provider", limit=MOST_PEOPLE))
    return {
        "events": (await calendar.list_events(tx, CalendarQuery(first=since))).items,
        "kinds": CALENDAR_EVENT_KINDS,
        "providers": people.items,
        **await _services(tx, visitor),
    }


async def _keys(tx: Tx, _: Visitor) -> dict[str, Any]:
    return {"keys": (await api_keys.list_keys(tx)).items, "scopes": SCOPES}


async def _audit(tx: Tx, visitor: Visitor) -> dict[str, Any]:
    query = AuditQuery(limit=SHOWN_ENTRIES, after=id_of(visitor.context.request.query_params, "after"))
    return {"log": await audit.list_entries(tx, query)}


_READERS: Final[dict[str, Callable[[Tx, Visitor], Awaitable[dict[str, Any]]]]] = {
    "organization": _organization,
    "services": _services,
    "prices": _prices,
    "hours": _hours,
    "channels": _channels,
    "targets": _targets,
    "calendar": _calendar,
    "keys": _keys,
    "audit": _audit,
}
