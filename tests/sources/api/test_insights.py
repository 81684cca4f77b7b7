"""Insights and in-app notifications: access rights and reactions."""

from uuid import UUID, uuid4

import pytest

from sources.api.routes.insights import router
from tests.sources.api.conftest import Api
from tests.sources.business import NORTH, SOUTH, Organization


def raise_insight(api: Api, org: Organization = NORTH, *, kind: str = "anomaly", severity: str = "high") -> UUID:
    row = api.business.connection.execute(
        "insert into app.insight_events (org_id, kind, severity, metric, day, title, summary, value, dedupe_key,"
        " first_seen, last_seen) values (%s, %s, %s, 'bookings', '2026-05-04', 'Few bookings', 'Why', 12.5, %s, now(),"
        " now()) returning id",
        [org.id, kind, severity, uuid4().hex],
    ).fetchall()[0]
    insight_id: UUID = row[0]
    return insight_id


def notify(api: Api, insight_id: UUID, who: str) -> str:
    row = api.business.connection.execute(
        "insert into app.notifications (org_id, profile_id, insight_id, event, title, body)"
        " values (%s, %s, %s, 'opened', 'Few bookings', 'Why') returning id",
        [NORTH.id, NORTH.id_of(who), insight_id],
    ).fetchall()[0]
    return str(row[0])


def test_list_filters_and_pages(api: Api) -> None:
    ids = [
        str(raise_insight(api, kind="revenue", severity=severity))
        for severity in ("low", "critical", "low", "critical", "critical")
    ]
    raise_insight(api, SOUTH, kind="revenue", severity="critical")
    raise_insight(api, kind="pipeline", severity="critical")
    query: dict[str, str | int | list[str]] = {
        "kind": "revenue",  # other tests leave insights of kind anomaly
        "severity": ["critical", "high"],
        "status": "open",
        "limit": 2,
    }
    first = api.client("admin").get("/v1/insights", params=query).json()
    assert [item["id"] for item in first["items"]] == [ids[4], ids[3]]
    assert first["items"][0]["value"] == "12.5000"
    rest = api.client("admin").get("/v1/insights", params={**query, "after": first["next"]}).json()
    assert ([item["id"] for item in rest["items"]], rest["next"]) == ([ids[1]], None)
    assert api.client("admin").get("/v1/insights", params={"severity": "grave"}).status_code == 422


@pytest.mark.parametrize(("action", "status"), [("resolve", "resolved"), ("dismiss", "dismissed")])
def test_an_insight_is_acknowledged_and_then_closed_once(api: Api, action: str, status: str) -> None:
    path = f"/v1/insights/{raise_insight(api)}"
    admin = api.client("admin")
    assert admin.post(f"{path}/acknowledge").json()["status"] == "acknowledged"
    over = admin.post(f"{path}/{action}", json={"feedback": "Holiday"}).json()
    assert (over["status"], over["feedback"], over["resolved_at"] is None) == (status, "Holiday", action == "dismiss")
    for again in ("acknowledge", "resolve", "dismiss"):
        refused = admin.post(f"{path}/{again}", json={"feedback": "Other"})
        assert (refused.status_code, refused.json()["code"]) == (409, "already_over")
    assert admin.get(path).json() == over


def test_generate_requests_a_run_of_the_organisation(api: Api) -> None:
    answer = api.client("admin").post("/v1/insights/generate")
    assert answer.status_code == 202
    found = api.business.connection.execute(
        "select org_id, status from app.insight_run_logs where id = %s", [answer.json()["run_id"]]
    ).fetchall()
    assert found == [(NORTH.id, "requested")]


@pytest.mark.parametrize(
    ("who", "org", "status"), [("client", NORTH, 403), ("provider", NORTH, 403), ("admin", SOUTH, 404)]
)
def test_insights_are_for_the_admins_of_the_organisation(api: Api, who: str, org: Organization, status: int) -> None:
    insight_id = raise_insight(api)
    for route in router.routes:
        if "{insight_id}" in route.path or status == 403:  # type: ignore[attr-defined]
            path = route.path.format(insight_id=insight_id)  # type: ignore[attr-defined]
            (method,) = route.methods  # type: ignore[attr-defined]
            assert api.client(who, org=org).request(method, path).status_code == status, path
    assert api.client("admin").get(f"/v1/insights/{insight_id}").json()["status"] == "open"


def test_people_see_only_their_own_notifications(api: Api) -> None:
    mine = [notify(api, raise_insight(api), "provider") for _ in range(3)]
    theirs = notify(api, raise_insight(api), "admin")
    provider = api.client("provider")
    first = provider.get("/v1/notifications", params={"limit": 2}).json()
    rest = provider.get("/v1/notifications", params={"limit": 2, "after": first["next"]}).json()
    assert [item["id"] for item in first["items"] + rest["items"]] == mine[::-1]
    read = provider.post(f"/v1/notifications/{mine[0]}/read").json()
    assert read["read_at"]
    assert provider.post(f"/v1/notifications/{mine[0]}/read").json() == read
    assert provider.get("/v1/notifications/unread").json() == {"unread": 2}
    unread = provider.get("/v1/notifications", params={"unread": True}).json()["items"]
    assert [item["id"] for item in unread] == mine[:0:-1]
    assert provider.post(f"/v1/notifications/{theirs}/read").status_code == 404
    assert api.client("client").get("/v1/notifications").json()["items"] == []
