"""The catalogue: admins add, change and retire what is on offer, and price rules; bookings keep their price."""

from typing import Any, Final
from uuid import UUID, uuid4

import httpx
import pytest

from tests.sources.api.conftest import Api
from tests.sources.business import NORTH, SOUTH

RULE = {"name": "Rule", "adjust_pct": "1"}
UNKNOWN: Final = UUID(int=7)  # the id of no row


def made(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    assert answer.headers["Location"].endswith(f"/{body['id']}")
    assert answer.headers["ETag"] == f'"{body["version"]}"'
    return body


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def add_service(client: httpx.Client, **fields: object) -> dict[str, Any]:
    """Return a new service with a name of its own."""
    return made(client.post("/v1/services", json={"name": f"Service {uuid4()}", "base_price": "100.00", **fields}))


def changed(client: httpx.Client, path: str, **fields: object) -> dict[str, Any]:
    """Change a resource with the version that it has, and return it."""
    answer = client.patch(path, json=fields, headers={"If-Match": client.get(path).headers["ETag"]})
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def offered(client: httpx.Client, **query: bool) -> dict[str, dict[str, Any]]:
    return {item["id"]: item for item in client.get("/v1/services", params=query).json()["items"]}


def test_a_service_with_its_parts_is_added_changed_and_retired(api: Api) -> None:
    admin, client = api.client("admin"), api.client("client")
    service = add_service(admin, category="Advice", duration_hours="1.5")
    assert (service["currency"], service["is_active"], service["packages"]) == ("EUR", True, [])
    url = f"/v1/services/{service['id']}"
    package = made(admin.post(f"{url}/packages", json={"name": "Day", "price": "500", "hours_included": "6"}))
    add_on = made(admin.post(f"{url}/add-ons", json={"name": "Travel", "price": "30"}))
    assert (package["currency"], package["price"], add_on["price"]) == ("EUR", "500.00", "30.00")
    seen = offered(client)[service["id"]]
    assert [item["id"] for item in (*seen["packages"], *seen["add_ons"])] == [package["id"], add_on["id"]]

    renamed = changed(admin, url, name="Strategy", category=None)
    assert (renamed["name"], renamed["category"], renamed["base_price"]) == ("Strategy", None, "100.00")
    changed(admin, f"/v1/packages/{package['id']}", is_active=False)
    changed(admin, f"/v1/add-ons/{add_on['id']}", is_active=False)
    assert (offered(client)[service["id"]]["packages"], offered(client)[service["id"]]["add_ons"]) == ([], [])
    assert [item["is_active"] for item in offered(admin, with_retired=True)[service["id"]]["packages"]] == [False]
    changed(admin, url, is_active=False)
    assert service["id"] not in offered(client)
    assert service["id"] in offered(admin, with_retired=True)
    assert code(client.get("/v1/services", params={"with_retired": True})) == (403, "not_allowed")
    assert changed(admin, url, is_active=True)["is_active"] is True
    assert service["id"] in offered(client)


def test_what_is_retired_is_not_booked(api: Api) -> None:
    admin = api.client("admin")
    service = add_service(admin)
    package = made(admin.post(f"/v1/services/{service['id']}/packages", json={"name": "Day", "price": "500"}))
    booking = api.book(service_id=service["id"], package_id=package["id"])
    changed(admin, f"/v1/packages/{package['id']}", is_active=False)
    order = {"service_id": service["id"], "package_id": package["id"]}
    assert code(api.client("client").post("/v1/bookings", json=order)) == (422, "unknown_package")
    changed(admin, f"/v1/services/{service['id']}", is_active=False)
    assert code(api.client("client").post("/v1/bookings", json={"service_id": service["id"]})) == (
        422, "unknown_service",
    )  # fmt: skip
    assert api.client("client").get(f"/v1/bookings/{booking['id']}").json()["total_amount"] == "500.00"


def test_a_changed_price_is_that_of_later_bookings(api: Api) -> None:
    admin = api.client("admin")
    service = add_service(admin, base_price="100.00")
    url = f"/v1/services/{service['id']}"
    package = made(admin.post(f"{url}/packages", json={"name": "Day", "price": "500"}))
    add_on = made(admin.post(f"{url}/add-ons", json={"name": "Travel", "price": "30"}))
    orders: list[dict[str, Any]] = [
        {"service_id": service["id"], "add_ons": [{"add_on_id": add_on["id"]}]},
        {"service_id": service["id"], "package_id": package["id"]},
    ]
    agreed = [api.book(**order) for order in orders]
    assert [booking["total_amount"] for booking in agreed] == ["130.00", "500.00"]
    changed(admin, url, base_price="200.00")
    changed(admin, f"/v1/packages/{package['id']}", price="800.00")
    changed(admin, f"/v1/add-ons/{add_on['id']}", price="50.00")
    rule = {"name": f"Rule {uuid4()}", "adjust_pct": "10", "service_id": service["id"]}
    made(admin.post("/v1/price-rules", json=rule))
    again = [api.client("client").get(f"/v1/bookings/{booking['id']}").json() for booking in agreed]
    assert [booking["total_amount"] for booking in again] == ["130.00", "500.00"]
    assert [api.book(**order)["total_amount"] for order in orders] == ["270.00", "880.00"]


def test_a_price_rule_is_added_changed_and_retired(api: Api) -> None:
    admin = api.client("admin")
    service = add_service(admin)
    rule = made(
        admin.post(
            "/v1/price-rules",
            json={
                "name": f"Season {uuid4()}", "adjust_pct": "-20", "service_id": service["id"],
                "weekdays": [7, 6, 6], "starts_on": "2031-01-01", "ends_on": "2031-03-31", "min_lead_days": 30,
            },
        )
    )  # fmt: skip
    assert (rule["weekdays"], rule["service"]["name"], rule["package"]) == ([6, 7], service["name"], None)
    url = f"/v1/price-rules/{rule['id']}"
    current = {"If-Match": f'"{rule["version"]}"'}
    refused = {"ends_on": "2030-12-31"}, {"max_lead_days": 29}, {"package_id": str(NORTH.package)}
    codes = [code(admin.patch(url, json=change, headers=current)) for change in refused]
    assert codes == [(422, "ends_before_start"), (422, "lead_days_reversed"), (422, "unknown_package")]
    kept = changed(admin, url, adjust_pct="15.5", weekdays=None, is_active=False)
    assert (kept["adjust_pct"], kept["weekdays"], kept["starts_on"]) == ("15.50", None, "2031-01-01")
    assert kept["is_active"] is False
    assert code(admin.patch(url, json={"adjust_pct": "1"}, headers=current)) == (412, "changed_meanwhile")
    assert url.rpartition("/")[2] in [item["id"] for item in admin.get("/v1/price-rules").json()["items"]]


@pytest.mark.parametrize(
    ("path", "body", "refusal"),
    [
        ("/v1/services", {"name": "North Consultation", "base_price": "1"}, (409, "name_taken")),
        ("/v1/services", {"name": "New", "base_price": "-1"}, (422, "invalid_request")),
        ("/v1/services", {"name": "New", "base_price": "1.001"}, (422, "invalid_request")),
        ("/v1/services", {"name": "New", "base_price": "1", "currency": "euro"}, (422, "invalid_request")),
        ("/v1/services", {"name": "New", "base_price": "1", "duration_hours": "0"}, (422, "invalid_request")),
        (f"/v1/services/{NORTH.service}/packages", {"name": "North Half day", "price": "1"}, (409, "name_taken")),
        (f"/v1/services/{SOUTH.service}/packages", {"name": "Mine", "price": "1"}, (404, "not_found")),
        (f"/v1/services/{UNKNOWN}/add-ons", {"name": "Mine", "price": "1"}, (404, "not_found")),
        ("/v1/price-rules", RULE | {"adjust_pct": "-100"}, (422, "invalid_request")),
        ("/v1/price-rules", RULE | {"weekdays": [0]}, (422, "invalid_request")),
        ("/v1/price-rules", RULE | {"weekdays": []}, (422, "invalid_request")),
        ("/v1/price-rules", RULE | {"service_id": str(SOUTH.service)}, (422, "unknown_service")),
        ("/v1/price-rules", RULE | {"package_id": str(SOUTH.package)}, (422, "unknown_package")),
    ],
)  # fmt: skip
def test_a_wrong_value_is_refused(api: Api, path: str, body: dict[str, object], refusal: tuple[int, str]) -> None:
    assert code(api.client("admin").post(path, json=body)) == refusal


@pytest.mark.parametrize("who", ["client", "provider"])
def test_the_catalogue_is_changed_by_admins_alone(api: Api, who: str) -> None:
    service = f"/v1/services/{NORTH.service}"
    version = {"If-Match": api.client(who).get(service).headers["ETag"]}
    refused = [
        api.client(who).post("/v1/services", json={"name": "Mine", "base_price": "1"}),
        api.client(who).patch(service, json={"base_price": "1"}, headers=version),
        api.client(who).post(f"{service}/packages", json={"name": "Mine", "price": "1"}),
        api.client(who).post(f"{service}/add-ons", json={"name": "Mine", "price": "1"}),
        api.client(who).patch(f"/v1/packages/{NORTH.package}", json={"price": "1"}, headers=version),
        api.client(who).get("/v1/price-rules"),
        api.client(who).post("/v1/price-rules", json={"name": "Mine", "adjust_pct": "-99"}),
    ]
    assert [code(answer) for answer in refused] == [(403, "not_allowed")] * 7


def test_a_repeated_request_adds_one_service(api: Api) -> None:
    body, key = {"name": f"Service {uuid4()}", "base_price": "1"}, {"Idempotency-Key": str(uuid4())}
    first, second = (api.client("admin").post("/v1/services", json=body, headers=key) for _ in range(2))
    assert first.json() == second.json()
    assert second.headers["Idempotency-Replayed"] == "true"
