"""The forms of the settings: for each the model of its fields, and the operation that it runs, as the API does."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from pydantic import BaseModel
from starlette.datastructures import FormData

from dashboard.booking_forms import Nothing
from sources.operations import api_keys, calendar
from sources.operations.api_keys import NewKey
from sources.operations.calendar import CalendarEventChange, NewCalendarEvent
from sources.operations.errors import not_found
from sources.operations.settings import absences, channels, organization, price_rules, providers, services, targets
from sources.operations.settings.absences import AbsenceChange, NewAbsence
from sources.operations.settings.channels import ChannelChange, ChannelKinds, NewChannel
from sources.operations.settings.organization import OrganizationChange
from sources.operations.settings.price_rules import NewPriceRule, PriceRuleChange
from sources.operations.settings.providers import ProviderChange
from sources.operations.settings.services import (
    AddOnChange,
    NewAddOn,
    NewPackage,
    NewService,
    PackageChange,
    ServiceChange,
)
from sources.operations.settings.targets import NewTarget
from sources.operations.transaction import Tx

RULES: Final = 4  # of cancellation that a form takes


@dataclass(frozen=True, slots=True)
class Of:
    """What a form is about: a row, the version that was shown, and what operations of channels need."""

    row: UUID | None
    version: str | None
    kinds: ChannelKinds
    webhook_key: Callable[[], str]

    @property
    def item(self) -> UUID:
        """The row. Raises Refusal not_found where the form names none."""
        if self.row is None:
            raise not_found("setting")
        return self.row


@dataclass(frozen=True, slots=True)
class SettingsForm:
    """`shows` names the attribute of the result that is a secret: it is shown once. `notice` is shown otherwise."""

    model: type[BaseModel]
    operation: Callable[[Tx, Of, Any], Awaitable[object]]
    notice: str = "Saved."
    shows: str = ""
    nested: Callable[[FormData], dict[str, Any]] = lambda form: {}


def _rules(form: FormData) -> dict[str, Any]:
    """Return the rules of cancellation that are filled in."""
    rules = [
        {name: form.get(f"{name}-{number}") for name in ("hours_before", "fee_pct")} for number in range(1, RULES + 1)
    ]
    return {"cancellation_rules": [rule for rule in rules if rule["hours_before"] and rule["fee_pct"]]}


# Section and name of a form.
FORMS: Final[dict[tuple[str, str], SettingsForm]] = {
    ("organization", "change"): SettingsForm(
        OrganizationChange,
        lambda tx, of, body: organization.edit_organization(tx, body, of.version),
        nested=_rules,
    ),
    ("services", "add"): SettingsForm(
        NewService, lambda tx, of, body: services.create_service(tx, body), "The service is on offer."
    ),
    ("services", "change"): SettingsForm(
        ServiceChange, lambda tx, of, body: services.edit_service(tx, of.item, body, of.version)
    ),
    ("services", "add-package"): SettingsForm(
        NewPackage, lambda tx, of, body: services.create_package(tx, of.item, body), "The package is on offer."
    ),
    ("services", "change-package"): SettingsForm(
        PackageChange, lambda tx, of, body: services.edit_package(tx, of.item, body, of.version)
    ),
    ("services", "add-add-on"): SettingsForm(
        NewAddOn, lambda tx, of, body: services.create_add_on(tx, of.item, body), "The add-on is on offer."
    ),
    ("services", "change-add-on"): SettingsForm(
        AddOnChange, lambda tx, of, body: services.edit_add_on(tx, of.item, body, of.version)
    ),
    ("prices", "add"): SettingsForm(
        NewPriceRule, lambda tx, of, body: price_rules.create_rule(tx, body), "The rule changes later prices."
    ),
    ("prices", "change"): SettingsForm(
        PriceRuleChange, lambda tx, of, body: price_rules.edit_rule(tx, of.item, body, of.version)
    ),
    ("hours", "change"): SettingsForm(
        ProviderChange, lambda tx, of, body: providers.edit_provider(tx, of.item, body, of.version)
    ),
    ("hours", "add-absence"): SettingsForm(
        NewAbsence, lambda tx, of, body: absences.create_absence(tx, body), "The absence is entered."
    ),
    ("hours", "change-absence"): SettingsForm(
        AbsenceChange, lambda tx, of, body: absences.edit_absence(tx, of.item, body, of.version)
    ),
    ("hours", "remove-absence"): SettingsForm(
        Nothing, lambda tx, of, body: absences.delete_absence(tx, of.item), "The absence is removed."
    ),
    ("channels", "add"): SettingsForm(
        NewChannel,
        lambda tx, of, body: channels.create_channel(tx, body, of.kinds),
        "The channel gets what is told from now on. Send it a test.",
    ),
    ("channels", "change"): SettingsForm(
        ChannelChange, lambda tx, of, body: channels.edit_channel(tx, of.item, body, of.version, of.kinds)
    ),
    ("channels", "test"): SettingsForm(
        Nothing,
        lambda tx, of, body: channels.test_channel(tx, of.item, of.kinds),
        "The test message is on its way: the result appears here within a minute.",
    ),
    ("channels", "remove"): SettingsForm(
        Nothing, lambda tx, of, body: channels.remove_channel(tx, of.item), "The channel is removed."
    ),
    ("channels", "rotate"): SettingsForm(
        Nothing, lambda tx, of, body: channels.rotate_secret(tx, of.item, of.webhook_key()), shows="secret"
    ),
    ("targets", "put"): SettingsForm(NewTarget, lambda tx, of, body: targets.put_target(tx, body, None)),
    ("targets", "remove"): SettingsForm(
        Nothing, lambda tx, of, body: targets.delete_target(tx, of.item), "The target is removed."
    ),
    ("calendar", "add"): SettingsForm(
        NewCalendarEvent,
        lambda tx, of, body: calendar.create_event(tx, body),
        "Forecasts and alarms know it from the next run on.",
    ),
    ("calendar", "change"): SettingsForm(
        CalendarEventChange, lambda tx, of, body: calendar.edit_event(tx, of.item, body, of.version)
    ),
    ("calendar", "remove"): SettingsForm(
        Nothing, lambda tx, of, body: calendar.delete_event(tx, of.item), "The event is removed."
    ),
    ("keys", "add"): SettingsForm(NewKey, lambda tx, of, body: api_keys.create_key(tx, body), shows="secret"),
    ("keys", "revoke"): SettingsForm(
        Nothing, lambda tx, of, body: api_keys.revoke_key(tx, of.item), "The key is revoked: it opens nothing any more."
    ),
}
