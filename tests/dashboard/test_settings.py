"""The settings: each form as its page has it, filled in as a browser would, and what it changed."""

import re
from html.parser import HTMLParser

import httpx
import pytest

from dashboard.routes.settings import SECTIONS
from dashboard.settings_forms import FORMS
from tests.dashboard.conftest import TOKEN, Pages, admin_of, rows_of

ADMIN, OTHER_ADMIN = "admin@north.example", "admin@south.example"
Fields = dict[str, list[str]]
Form = tuple[str, Fields]  # the address, and the values that a browser sends when nothing is changed


class Forms(HTMLParser):
    """Collects the forms of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[Form] = []
        self._fields: Fields | None = None
        self._select: tuple[str, bool] | None = None  # the name, and whether an option is chosen already
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        name, value = given.get("name") or "", given.get("value") or ""
        if tag == "form":
            self._fields = {}
            self.found.append((given.get("action") or "", self._fields))
        elif self._fields is None:
            return
        elif tag == "input" and (given.get("type") != "checkbox" or "checked" in given):
            self._fields.setdefault(name, []).append(value)
        elif tag == "select":
            self._select = (name, False)
        elif tag == "option" and self._select and ("selected" in given or not self._select[1]):
            self._fields[self._select[0]] = [value]  # the first option, or the selected one
            self._select = (self._select[0], True)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._fields = None


@pytest.fixture(scope="module")
def admin(pages: Pages) -> httpx.Client:
    return pages.visit(ADMIN)


def forms_of(browser: httpx.Client, section: str, name: str) -> list[Fields]:
    """Return the fields of the forms of this name on the page of the section."""
    answer = browser.get(f"/settings/{section}")
    assert answer.status_code == 200, answer.text
    return [fields for action, fields in Forms(answer.text).found if action == f"/settings/{section}/{name}"]


def fill(browser: httpx.Client, section: str, form: str, number: int = -1, /, **values: object) -> httpx.Response:
    """Send one of the forms named `form`, by default the last one, with other values in some of its fields."""
    fields = forms_of(browser, section, form)[number]
    assert set(values) <= set(fields), f"the form {form} has only {sorted(fields)}"
    changed = {key: value if isinstance(value, list) else [str(value)] for key, value in values.items()}
    return browser.post(f"/settings/{section}/{form}", data=fields | changed)


def accepted(answer: httpx.Response, section: str) -> None:
    assert (answer.status_code, answer.headers.get("location")) == (303, f"/settings/{section}"), answer.text


def number_of(browser: httpx.Client, section: str, name: str, mark: str) -> int:
    """Return the place of the form of this name with a field that has the value `mark`."""
    found = [
        number for number, fields in enumerate(forms_of(browser, section, name)) if [mark] in list(fields.values())
    ]
    assert len(found) == 1, f"{len(found)} forms {name} have {mark}"
    return found[0]


def test_the_organisation_and_its_rules_of_cancellation(pages: Pages, admin: httpx.Client) -> None:
    accepted(
        fill(
            admin, "organization", "change", region="AN", working_days=["", "1", "2"], sensitivity="keen",
            locale="de_DE", deposit_pct="12.5", providers_record_payments=["false", "true"],
            **{"hours_before-1": "24", "fee_pct-1": "50", "hours_before-2": "4", "fee_pct-2": "100"},
        ),
        "organization",
    )  # fmt: skip
    row = rows_of(pages, "select * from app.organizations where slug = 'north'")[0]
    assert (row["region"], row["working_days"], row["sensitivity"]) == ("AN", [1, 2], "keen")
    assert float(row["settings"]["deposit_pct"]) == 12.5
    assert row["settings"]["providers_record_payments"] is True
    rules = {float(rule["hours_before"]): float(rule["fee_pct"]) for rule in row["settings"]["cancellation_rules"]}
    assert rules == {24: 50, 4: 100}
    assert re.search(r"\d,\d\d\s€", admin.get("/settings/services").text)
    accepted(fill(admin, "organization", "change", working_days=[""], region="", locale="en_US"), "organization")
    row = rows_of(pages, "select * from app.organizations where slug = 'north'")[0]
    assert (row["region"], row["working_days"], len(row["settings"]["cancellation_rules"])) == (None, None, 2)


def test_a_service_with_a_package_and_an_add_on(pages: Pages, admin: httpx.Client) -> None:
    add = {"name": "Sauna", "category": "Wellness", "base_price": "30.50", "duration_hours": "1.5"}
    accepted(fill(admin, "services", "add", **add), "services")
    service = rows_of(pages, "select id::text, base_price, duration_hours from app.services where name = 'Sauna'")[0]
    assert (float(service["base_price"]), float(service["duration_hours"])) == (30.5, 1.5)
    for kind, name, price in (("package", "Ten times", "250"), ("add-on", "Towel", "2.5")):
        number = number_of(admin, "services", f"add-{kind}", service["id"])
        accepted(fill(admin, "services", f"add-{kind}", number, name=name, price=price), "services")
        accepted(
            fill(
                admin, "services", f"change-{kind}", number_of(admin, "services", f"change-{kind}", name),
                price="9", is_active=["false"],
            ),
            "services",
        )  # fmt: skip
        table = "service_packages" if kind == "package" else "service_add_ons"
        row = rows_of(pages, f"select price, is_active from app.{table} where name = %s", name)[0]
        assert (float(row["price"]), row["is_active"]) == (9, False)
    number = number_of(admin, "services", "change", "Sauna")
    accepted(fill(admin, "services", "change", number, category="", base_price="31"), "services")
    row = rows_of(pages, "select * from app.services where name = 'Sauna'")[0]
    assert (row["category"], float(row["base_price"]), row["is_active"]) == (None, 31, True)
    assert "€31.00" in admin.get("/settings/services").text


def test_a_price_rule(pages: Pages, admin: httpx.Client) -> None:
    add = {"name": "Weekend", "adjust_pct": "15", "weekdays": ["", "6", "7"], "min_lead_days": "2"}
    accepted(fill(admin, "prices", "add", **add), "prices")
    number = number_of(admin, "prices", "change", "Weekend")
    accepted(fill(admin, "prices", "change", number, adjust_pct="-5", min_lead_days=""), "prices")
    row = rows_of(pages, "select * from app.price_rules where name = 'Weekend'")[0]
    assert (float(row["adjust_pct"]), row["weekdays"], row["min_lead_days"]) == (-5, [6, 7], None)


def test_the_hours_and_an_absence_of_a_provider(pages: Pages, admin: httpx.Client) -> None:
    accepted(fill(admin, "hours", "change", capacity_hours_per_day="6.5", working_days=["", "1", "3"]), "hours")
    accepted(
        fill(admin, "hours", "add-absence", starts_on="2100-01-04", ends_on="2100-01-08", reason="Course"), "hours"
    )
    rows = rows_of(
        pages,
        "select reason, ends_on::text from app.provider_absences where starts_on = '2100-01-04'",
    )
    assert rows == [{"reason": "Course", "ends_on": "2100-01-08"}]
    assert "Course" in admin.get("/settings/hours").text
    accepted(fill(admin, "hours", "remove-absence"), "hours")
    assert "Course" not in admin.get("/settings/hours").text


def test_a_channel_is_added_tested_changed_and_removed(pages: Pages, admin: httpx.Client) -> None:
    add = {"name": "Owners", "kind": "email", "target": "ann@north.example", "min_severity": "high"}
    accepted(fill(admin, "channels", "add", **add), "channels")
    accepted(fill(admin, "channels", "test"), "channels")
    assert "Last test to ann@north.example: pending" in admin.get("/settings/channels").text
    accepted(fill(admin, "channels", "change", insight_kinds=["", "workload"], sends_digest=["false"]), "channels")
    row = rows_of(pages, "select * from app.notification_channels where name = 'Owners'")[0]
    assert (row["target"], row["insight_kinds"], row["sends_digest"]) == ("ann@north.example", ["workload"], False)
    refused = fill(admin, "channels", "change", target="nobody")
    assert (refused.status_code, 'role="alert"' in refused.text) == (422, True)
    accepted(fill(admin, "channels", "remove"), "channels")
    assert rows_of(pages, "select from app.notification_channels where name = 'Owners' and is_active") == []


def test_the_secret_of_a_webhook_is_shown_once(admin: httpx.Client) -> None:
    add = {"name": "Till", "kind": "webhook", "target": "https://till.example/hook/s3cret"}
    accepted(fill(admin, "channels", "add", **add), "channels")
    assert "s3cret" not in admin.get("/settings/channels").text
    answer = fill(admin, "channels", "rotate")
    assert (answer.status_code, "whsec_" in answer.text) == (200, True)
    assert "whsec_" not in admin.get("/settings/channels").text


def test_a_target(sample_pages: Pages) -> None:
    _, email = admin_of(sample_pages, "harbor-and-pine")
    owner = sample_pages.visit(email)
    query = "select target, grain from app.metric_targets where starts_on = '2099-01-01'"
    add = {"metric": "booked_revenue", "grain": "quarter", "starts_on": "2099-01-01", "target": "54321"}
    accepted(fill(owner, "targets", "put", **add), "targets")
    assert [(float(row["target"]), row["grain"]) for row in rows_of(sample_pages, query)] == [(54321, "quarter")]
    page = owner.get("/settings/targets").text
    assert "$54,321" in page
    row = re.findall(r'name="row" value="([^"]+)"', page.partition("$54,321")[2])[0]
    accepted(fill(owner, "targets", "remove", number_of(owner, "targets", "remove", row)), "targets")
    assert rows_of(sample_pages, query) == []


def test_a_target_needs_the_metrics_of_a_run(admin: httpx.Client) -> None:
    page = admin.get("/settings/targets").text
    assert ("hub run" in page, "/settings/targets/put" in page) == (True, False)


def test_an_event_of_the_calendar(pages: Pages, admin: httpx.Client) -> None:
    add = {"title": "Fair", "kind": "event", "starts_on": "2100-02-01", "expected_effect": "1.5"}
    accepted(fill(admin, "calendar", "add", **add), "calendar")
    accepted(fill(admin, "calendar", "change", ends_on="2100-02-03", expected_effect=""), "calendar")
    row = rows_of(pages, "select ends_on::text, expected_effect from app.calendar_events where title = 'Fair'")[0]
    assert row == {"ends_on": "2100-02-03", "expected_effect": None}
    refused = fill(admin, "calendar", "change", ends_on="2100-01-01")
    assert (refused.status_code, 'role="alert"' in refused.text) == (422, True)
    accepted(fill(admin, "calendar", "remove"), "calendar")
    assert rows_of(pages, "select from app.calendar_events where title = 'Fair'") == []


def test_a_key_opens_the_api_until_it_is_revoked(pages: Pages, admin: httpx.Client) -> None:
    answer = fill(admin, "keys", "add", name="Till", scopes=["", "bookings:read"], expires_at="2100-01-01T12:00")
    assert answer.status_code == 200
    key = answer.text.partition("<code>")[2].partition("</code>")[0]
    program = httpx.Client(base_url=pages.url, headers={"x-api-key": key})
    assert program.get("/v1/bookings").status_code == 200
    assert key not in admin.get("/settings/keys").text
    accepted(fill(admin, "keys", "revoke"), "keys")
    assert program.get("/v1/bookings").status_code == 401


def test_a_form_that_is_sent_twice_changes_once(pages: Pages, admin: httpx.Client) -> None:
    fields = forms_of(admin, "services", "add")[0] | {"name": ["Once"], "base_price": ["10"]}
    for _ in range(2):
        accepted(admin.post("/settings/services/add", data=fields), "services")
    assert len(rows_of(pages, "select from app.services where name = 'Once'")) == 1


def test_a_form_that_was_read_before_another_change_is_refused(admin: httpx.Client) -> None:
    earlier = forms_of(admin, "organization", "change")[0]
    accepted(fill(admin, "organization", "change", name="North by north"), "organization")
    answer = admin.post("/settings/organization/change", data=earlier)
    assert (answer.status_code, 'role="alert"' in answer.text) == (422, True)
    assert forms_of(admin, "organization", "change")[0]["name"] == ["North by north"]


def test_what_is_wrong_is_said_and_nothing_is_changed(pages: Pages, admin: httpx.Client) -> None:
    answer = fill(admin, "services", "add", name="Wrong", base_price="-1")
    assert (answer.status_code, "Base price: " in answer.text) == (422, True)
    assert rows_of(pages, "select from app.services where name = 'Wrong'") == []


def test_only_admins_of_the_organisation_change_its_settings(pages: Pages, admin: httpx.Client) -> None:
    fill(admin, "services", "add", name="For others", base_price="1")
    service = rows_of(pages, "select id::text from app.services where name = 'For others'")[0]["id"]
    other = pages.visit(OTHER_ADMIN)
    # The list of one's sessions has a form for each session elsewhere.
    provider, _ = pages.visit("provider@north.example"), pages.visit("provider@north.example")
    token = forms_of(other, "services", "add")[0]["form_token"]
    data = {"form_token": token, "row": [service], "name": ["Taken"]}
    assert other.post("/settings/services/change", data=data).status_code == 404
    assert other.post("/settings/services/none", data=data).status_code == 404
    assert {provider.get(f"/settings/{section}").status_code for section in SECTIONS} == {403}
    form_token = TOKEN.search(provider.get("/account").text)
    assert form_token
    assert {
        provider.post(f"/settings/{section}/{name}", data={"form_token": form_token[1]}).status_code
        for section, name in FORMS
    } == {403}
    answer = admin.post("/settings/services/change", data={"row": service, "name": "Without a token"})
    assert answer.status_code == 403
