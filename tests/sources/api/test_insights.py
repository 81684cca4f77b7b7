"""Insights and in-app notifications: access rights and reactions."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from sources.api.routes.insights import router
from tests.sources.api.conftest import Api
from tests.sources.business import NORTH, SOUTH, Organization


def raise_insight(
    api: Api,
    org: Organization = NORTH,
    *,
    kind: str = "anomaly",
    severity: str = "high",
    dimension: str = "total",
    member: str = "all",
) -> UUID:
    row = api.business.connection.execute(
        "insert into app.insight_events (org_id, kind, severity, metric, dimension, member, direction, started_on, day,"
        " title, summary, value, size, share, is_size_money, dedupe_key, first_seen, last_seen)"
        " values (%s, %s, %s, 'bookings', %s, %s, 'down', '2026-05-03', '2026-05-04', 'Few bookings', 'Why', 12.5, 400,"
        " 0.5, true, %s, now(), '2026-05-05T00:00Z') returning id",
        [org.id, kind, severity, dimension, member, uuid4().hex],
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


def lessons(api: Api, insight_id: UUID) -> list[dict[str, Any]]:
    """Return what was learnt from an insight, the latest first."""
    items = api.client("admin").get("/v1/insights/learnt", params={"limit": 200}).json()["items"]
    return [item for item in items if item["insight_id"] == str(insight_id)]


def test_a_reason_is_learnt_and_can_be_undone(api: Api) -> None:
    insight_id = raise_insight(api)
    path = f"/v1/insights/{insight_id}"
    admin = api.client("admin")
    dismissed = admin.post(f"{path}/dismiss", json={"reason": "wrong", "feedback": "A test booking"}).json()
    assert (dismissed["status"], dismissed["feedback_reason"]) == ("dismissed", "wrong")
    (lesson,) = lessons(api, insight_id)
    assert (lesson["reason"], lesson["size"], lesson["direction"]) == ("wrong", "400.0000", "down")
    assert (lesson["comment"], lesson["undone_at"]) == ("A test booking", None)
    assert lesson["given_by"] == f"profile {NORTH.admin}"

    undone = admin.post(f"/v1/insights/learnt/{lesson['id']}/undo").json()
    assert undone["undone_at"]
    assert lessons(api, insight_id) == [undone]
    again = admin.get(path).json()
    assert (again["status"], again["feedback_reason"]) == ("open", None)
    refused = admin.post(f"/v1/insights/learnt/{lesson['id']}/undo")
    assert (refused.status_code, refused.json()["code"]) == (409, "already_undone")


def test_a_dismissal_without_a_reason_teaches_nothing(api: Api) -> None:
    insight_id = raise_insight(api)
    assert api.client("admin").post(f"/v1/insights/{insight_id}/dismiss").json()["feedback_reason"] is None
    assert lessons(api, insight_id) == []


def calendar(api: Api) -> list[tuple[Any, ...]]:
    return api.business.connection.execute(
        "select kind, title, starts_on::text, ends_on::text, service_id, provider_id from app.calendar_events"
    ).fetchall()


def test_a_known_event_is_added_to_the_calendar_until_that_is_undone(api: Api) -> None:
    insight_id = raise_insight(api, dimension="service", member=str(NORTH.service))
    admin = api.client("admin")
    body = {"reason": "known_event", "event": {"title": "Spring fair", "kind": "campaign", "ends_on": "2026-05-09"}}
    assert admin.post(f"/v1/insights/{insight_id}/dismiss", json=body).status_code == 200
    assert calendar(api) == [("campaign", "Spring fair", "2026-05-03", "2026-05-09", NORTH.service, None)]
    (lesson,) = lessons(api, insight_id)
    assert lesson["calendar_event_id"]
    admin.post(f"/v1/insights/learnt/{lesson['id']}/undo")
    assert calendar(api) == []


@pytest.mark.parametrize(
    "body",
    [
        {"reason": "known_event"},
        {"reason": "wrong", "event": {"title": "Fair"}},
        {"reason": "boring"},
        {"reason": "known_event", "event": {"title": "Fair", "starts_on": "2026-05-04", "ends_on": "2026-05-03"}},
    ],
)
def test_a_dismissal_that_is_not_valid_changes_nothing(api: Api, body: dict[str, Any]) -> None:
    insight_id = raise_insight(api)
    path = f"/v1/insights/{insight_id}"
    assert api.client("admin").post(f"{path}/dismiss", json=body).status_code == 422
    assert api.client("admin").get(path).json()["status"] == "open"


@pytest.mark.parametrize(("useful", "reason"), [(True, "useful"), (False, "not_useful")])
def test_an_insight_is_rated_in_any_status(api: Api, useful: bool, reason: str) -> None:
    insight_id = raise_insight(api)
    path = f"/v1/insights/{insight_id}"
    admin = api.client("admin")
    admin.post(f"{path}/resolve")
    rated = admin.post(f"{path}/rate", json={"useful": useful}).json()
    assert (rated["useful"], rated["status"]) == (useful, "resolved")
    (lesson,) = lessons(api, insight_id)
    assert lesson["reason"] == reason
    admin.post(f"/v1/insights/learnt/{lesson['id']}/undo")
    assert admin.get(path).json()["useful"] is None


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
    api.client("admin").post(f"/v1/insights/{insight_id}/rate", json={"useful": True})
    lesson_id = lessons(api, insight_id)[0]["id"]
    for route in router.routes:
        if "_id}" in route.path or status == 403:  # type: ignore[attr-defined]
            path = route.path.format(insight_id=insight_id, lesson_id=lesson_id)  # type: ignore[attr-defined]
            (method,) = route.methods  # type: ignore[attr-defined]
            body = {"useful": True} if path.endswith("/rate") else None
            assert api.client(who, org=org).request(method, path, json=body).status_code == status, path
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
