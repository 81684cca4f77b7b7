"""The organisation, its policies, absences and targets: what admins change, and what that does not change."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.sources.api.conftest import Api
from tests.sources.api.test_bookings import confirmed
from tests.sources.api.test_catalogue import changed, code
from tests.sources.business import NORTH, SOUTH

ORGANIZATION = "/v1/organization"


@pytest.fixture(autouse=True)
def kept_organization(api: Api) -> Iterator[None]:
    """Leave the organisation as it was."""
    owner = api.business.connection
    columns = "name, timezone, country, region, settings::text, working_days, sensitivity"
    before = owner.execute(f"select {columns} from app.organizations where id = %s", [NORTH.id]).fetchone()
    yield
    assert before is not None
    owner.execute(
        f"update app.organizations set ({columns.replace('::text', '')}) = (%s, %s, %s, %s, %s::jsonb, %s, %s) "
        "where id = %s",
        [*before, NORTH.id],
    )


def refused(client: httpx.Client, **fields: object) -> tuple[int, str]:
    version = {"If-Match": client.get(ORGANIZATION).headers["ETag"]}
    return code(client.patch(ORGANIZATION, json=fields, headers=version))


def test_an_admin_changes_the_organisation(api: Api) -> None:
    admin = api.client("admin")
    api.business.connection.execute(
        'update app.organizations set settings = \'{"sample": {"seed": 1}}\' where id = %s', [NORTH.id]
    )
    after = changed(
        admin, ORGANIZATION, name="North Studio Ltd", country="PT", region=None, working_days=[5, 1],
        sensitivity="keen", deposit_pct="25", providers_record_payments=True,
        cancellation_rules=[{"hours_before": "48", "fee_pct": "50"}],
    )  # fmt: skip
    assert (after["name"], after["country"], after["working_days"]) == ("North Studio Ltd", "PT", [1, 5])
    assert (after["sensitivity"], after["deposit_pct"], after["providers_record_payments"]) == ("keen", "25", True)
    assert after["cancellation_rules"] == [{"hours_before": "48", "fee_pct": "50"}]
    seen = api.client("client").get(ORGANIZATION).json()
    assert seen == after
    assert api.book()["deposit_amount"] == "30.00"
    row = api.business.connection.execute(
        "select settings -> 'sample' ->> 'seed' from app.organizations where id = %s", [NORTH.id]
    ).fetchone()
    assert row == ("1",), "other keys are kept"
    assert changed(admin, ORGANIZATION, region="11")["region"] == "11"


def test_a_wrong_setting_is_refused(api: Api) -> None:
    admin = api.client("admin")
    assert refused(admin, timezone="Mars/Base") == (422, "unknown_timezone")
    assert refused(admin, country="XX") == (422, "unknown_country")
    assert refused(admin, region="California") == (422, "unknown_region")
    assert refused(admin, sensitivity="deaf") == (422, "invalid_request")
    assert refused(admin, deposit_pct="101") == (422, "invalid_request")
    assert refused(admin, currency="USD") == (422, "invalid_request")
    twice = [{"hours_before": "24", "fee_pct": "10"}, {"hours_before": "24.0", "fee_pct": "20"}]
    assert refused(admin, cancellation_rules=twice) == (422, "rule_twice")
    falls = [{"hours_before": "72", "fee_pct": "50"}, {"hours_before": "24", "fee_pct": "20"}]
    assert refused(admin, cancellation_rules=falls) == (422, "fee_falls")
    assert refused(api.client("client"), name="Mine") == (403, "not_allowed")
    assert refused(api.client("provider"), deposit_pct="0") == (403, "not_allowed")


def test_the_time_zone_is_fixed_once_there_are_bookings(api: Api) -> None:
    without = api.client("admin", org=SOUTH)
    assert changed(without, ORGANIZATION, timezone="Europe/Lisbon")["timezone"] == "Europe/Lisbon"
    api.book()
    assert refused(api.client("admin"), timezone="Europe/Lisbon") == (409, "timezone_fixed")
    assert changed(api.client("admin"), ORGANIZATION, timezone="Europe/Madrid")["timezone"] == "Europe/Madrid"


@pytest.mark.parametrize(
    ("before", "after", "fee"),
    [("25", "100", "30.00"), ("100", "25", "30.00"), (None, "100", "0.00"), ("25", None, "0.00")],
)
def test_a_booking_owes_the_lower_fee_of_then_and_now(
    api: Api, before: str | None, after: str | None, fee: str
) -> None:
    admin = api.client("admin")

    def set_rules(pct: str | None) -> None:
        changed(admin, ORGANIZATION, cancellation_rules=[{"hours_before": "72", "fee_pct": pct}] if pct else [])

    set_rules("90")
    set_rules(before)
    start = datetime.now(UTC) + timedelta(hours=30)
    booking = confirmed(api, "admin", scheduled_start=start.isoformat(), shares_provider_time=True)
    set_rules(after)
    answer = api.client("client").post(f"/v1/bookings/{booking['id']}/cancel", json={"reason": "change of plans"})
    assert answer.json()["cancellation_fee"] == fee


def test_the_hours_of_a_provider_are_set(api: Api) -> None:
    admin, url = api.client("admin"), f"/v1/providers/{NORTH.provider2}"
    before = admin.get(url).json()
    assert (before["capacity_hours_per_day"], before["working_days"]) == ("8.00", None)
    after = changed(admin, url, capacity_hours_per_day="6.5", working_days=[4, 1])
    assert (after["capacity_hours_per_day"], after["working_days"]) == ("6.50", [1, 4])
    assert api.client("provider2").get(url).json() == after
    assert changed(admin, url, working_days=None)["capacity_hours_per_day"] == "6.50"
    version = {"If-Match": f'"{after["version"]}"'}
    assert code(admin.patch(url, json={"working_days": [1]}, headers=version)) == (412, "changed_meanwhile")
    for hours in ("-1", "24.5", "many"):
        body = {"capacity_hours_per_day": hours}
        assert code(admin.patch(url, json=body, headers=version)) == (422, "invalid_request")
    for who in ("provider", "provider2", "client"):
        assert code(api.client(who).patch(url, json={"working_days": [1]}, headers=version)) == (403, "not_allowed")
    for who in ("provider", "client"):
        assert code(api.client(who).get(url)) == (403, "not_allowed")
    assert code(admin.get(f"/v1/providers/{NORTH.client}")) == (404, "not_found")
    assert code(api.client("admin", org=SOUTH).get(url)) == (404, "not_found")


def add_absence(client: httpx.Client, **fields: object) -> dict[str, Any]:
    body = {"provider_id": str(NORTH.provider), "starts_on": "2031-08-04", "ends_on": "2031-08-15", **fields}
    answer = client.post("/v1/absences", json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def test_an_absence_names_the_bookings_within_it(api: Api) -> None:
    admin = api.client("admin")
    soon = (datetime.now(UTC) + timedelta(days=200)).replace(hour=12, minute=0, second=0, microsecond=0)
    day = soon.date().isoformat()
    within = confirmed(api, "admin", scheduled_start=soon.isoformat())
    evening = {"provider_id": str(NORTH.provider), "scheduled_start": (soon + timedelta(hours=5)).isoformat()}
    cancelled = f"/v1/bookings/{api.book(**evening)['id']}/cancel"
    assert admin.post(cancelled, json={"reason": "no need"}).status_code == 200
    absence = add_absence(admin, starts_on=day, ends_on=None, reason="Course")
    assert (absence["ends_on"], absence["provider"]["id"]) == (day, str(NORTH.provider))
    assert [booking["id"] for booking in absence["bookings_within"]] == [within["id"]]
    assert admin.get(f"/v1/bookings/{within['id']}").json()["scheduled_start"] == within["scheduled_start"]
    url = f"/v1/absences/{absence['id']}"
    later = (soon.date() + timedelta(days=1)).isoformat()
    assert changed(admin, url, starts_on=later, ends_on=later)["bookings_within"] == []
    assert admin.delete(url).status_code == 204
    assert code(admin.get(url)) == (404, "not_found")


def test_absences_are_listed_and_refused(api: Api) -> None:
    admin = api.client("admin")
    absence = add_absence(admin)
    url, version = f"/v1/absences/{absence['id']}", {"If-Match": f'"{absence["version"]}"'}

    def ids(client: httpx.Client, **query: str) -> list[str]:
        return [item["id"] for item in client.get("/v1/absences", params=query).json()["items"]]

    assert ids(admin, first="2031-08-15", last="2031-08-15") == [absence["id"]]
    assert absence["id"] not in ids(admin, first="2031-08-16")
    assert absence["id"] not in ids(admin, provider_id=str(NORTH.provider2))
    assert absence["id"] in ids(api.client("provider"))
    for stranger in (api.client("provider2"), api.client("client"), api.client("admin", org=SOUTH)):
        assert absence["id"] not in ids(stranger)
        assert code(stranger.get(url)) == (404, "not_found")
    assert code(admin.patch(url, json={"ends_on": "2031-08-01"}, headers=version)) == (422, "ends_before_start")
    body = {"provider_id": str(NORTH.client), "starts_on": "2031-08-04"}
    assert code(admin.post("/v1/absences", json=body)) == (422, "unknown_provider")
    own = {"provider_id": str(NORTH.provider), "starts_on": "2031-08-04"}
    assert code(api.client("provider").post("/v1/absences", json=own)) == (403, "not_allowed")
    assert code(api.client("provider").delete(url)) == (403, "not_allowed")


TARGET = {"metric": "booked_revenue", "grain": "month", "starts_on": "2031-01-01", "target": "1200"}


def test_a_target_is_set_replaced_and_deleted(api: Api) -> None:
    admin = api.client("admin")
    first = admin.put("/v1/targets", json=TARGET).json()
    assert (first["target"], first["dimension"], first["member"]) == ("1200.0000", "total", "all")
    stale = {"If-Match": '"0"'}
    assert code(admin.put("/v1/targets", json=TARGET, headers=stale)) == (412, "changed_meanwhile")
    current = {"If-Match": f'"{first["version"]}"'}
    second = admin.put("/v1/targets", json=TARGET | {"target": None}, headers=current).json()
    assert (second["id"], second["target"]) == (first["id"], None)
    admin.put("/v1/targets", json=TARGET | {"metric": "no_shows"})
    listed = admin.get("/v1/targets", params={"metric": "booked_revenue"}).json()["items"]
    assert listed == [second]
    url = f"/v1/targets/{first['id']}"
    assert code(api.client("admin", org=SOUTH).delete(url)) == (404, "not_found")
    assert api.client("admin", org=SOUTH).get("/v1/targets").json()["items"] == []
    assert admin.delete(url).status_code == 204
    assert code(admin.delete(url)) == (404, "not_found")


def test_a_target_that_no_metric_has_is_refused(api: Api) -> None:
    admin, owner = api.client("admin"), api.business.connection
    assert code(admin.put("/v1/targets", json=TARGET | {"member": "x"})) == (422, "member_missing")
    assert code(admin.put("/v1/targets", json=TARGET | {"grain": "decade"})) == (422, "invalid_request")
    for who in ("client", "provider"):
        assert code(api.client(who).get("/v1/targets")) == (403, "not_allowed")
        assert code(api.client(who).put("/v1/targets", json=TARGET)) == (403, "not_allowed")
    owner.execute("create schema if not exists marts")
    owner.execute(
        "create table marts.dim_metric as select 'no_shows' as metric, array['total', 'service'] as dimensions"
    )
    try:
        assert code(admin.put("/v1/targets", json=TARGET)) == (422, "unknown_metric")
        known = TARGET | {"metric": "no_shows", "dimension": "service", "member": str(uuid4())}
        assert admin.put("/v1/targets", json=known).status_code == 200
        assert code(admin.put("/v1/targets", json=known | {"dimension": "channel"})) == (422, "unknown_dimension")
    finally:
        owner.execute("drop table marts.dim_metric")
