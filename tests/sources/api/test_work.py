"""Milestones, tasks, approvals, time entries, messages and reviews over HTTP."""

from typing import Any

import httpx
import pytest

from tests.sources.api.conftest import Api
from tests.sources.operations.work.helpers import booking_in, set_status, status_of


def sent(answer: httpx.Response, status: int = 201) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    body: dict[str, Any] = answer.json()
    return body


def problem(answer: httpx.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return str(answer.json()["code"])


@pytest.fixture
def booking(api: Api) -> str:
    return f"/v1/bookings/{booking_in(api.business, 'in_progress')}"


def test_work_on_a_booking_from_plan_to_review(api: Api) -> None:
    booking_id = booking_in(api.business, "confirmed")
    booking = f"/v1/bookings/{booking_id}"
    client, provider, admin = (api.client(who) for who in ("client", "provider", "admin"))
    planned = provider.post(f"{booking}/milestones", json={"title": "Concept", "weight": "2"})
    milestone = planned.headers["location"]
    assert sent(planned)["position"] == 1
    task = provider.post(f"{milestone}/tasks", json={"title": "Sketch", "due_at": "2030-01-01T00:00:00+01:00"})
    sent(provider.post(f"{milestone}/approvals", json={"levels": [{"role": "admin"}, {"role": "client"}]}))
    timer = provider.post(f"{booking}/timer", json={})
    assert sent(timer)["ended_at"] is None
    assert sent(client.get(booking), 200)["status"] == "in_progress"
    assert sent(provider.post(f"{timer.headers['location']}/stop"), 200)["ended_at"]
    seen = {"If-Match": task.headers["etag"]}
    done = provider.patch(task.headers["location"], json={"status": "done"}, headers=seen)
    assert sent(done, 200)["progress_pct"] == "100.00"
    assert sent(client.get(booking), 200)["progress_pct"] == "100.00"
    assert sent(provider.post(f"{milestone}/transitions", json={"action": "submit"}), 200)["status"] == "submitted"
    for who in (admin, client):
        levels = sent(who.get(f"{milestone}/approvals"), 200)["items"]
        (level, *_) = [level for level in levels if level["status"] == "pending"]
        sent(who.post(f"/v1/approvals/{level['id']}/decision", json={"decision": "approve"}), 200)
    assert sent(client.get(booking), 200)["status"] == "delivered"
    message = sent(client.post(f"{booking}/messages", json={"body": "Thank you"}))
    assert sent(provider.post(f"{booking}/messages/read", json={"message_id": message["id"]}), 200) == {"messages": 1}
    sent(client.post(f"{booking}/transitions", json={"action": "accept"}), 200)
    assert sent(client.post(f"{booking}/review", json={"rating": 5}))["rating"] == 5
    assert problem(client.post(f"{booking}/review", json={"rating": 4}), 409) == "already_reviewed"
    assert sent(provider.get(f"{booking}/review"), 200)["rating"] == 5


def test_concurrent_changes_do_not_overwrite_each_other(api: Api, booking: str) -> None:
    provider, admin = api.client("provider"), api.client("admin")
    planned = provider.post(f"{booking}/milestones", json={"title": "Concept"})
    milestone, seen = planned.headers["location"], planned.headers["etag"]
    changed = provider.patch(milestone, json={"title": "Draft"}, headers={"If-Match": seen})
    assert changed.headers["etag"] == provider.get(milestone).headers["etag"] != seen
    assert problem(admin.patch(milestone, json={"weight": 3}, headers={"If-Match": seen}), 412) == "changed_meanwhile"
    assert sent(admin.get(milestone), 200)["weight"] == "1.00"
    task = provider.post(f"{milestone}/tasks", json={"title": "Sketch"})
    late = {"If-Match": task.headers["etag"]}
    sent(provider.patch(task.headers["location"], json={"progress_pct": 40}, headers=late), 200)
    assert problem(admin.patch(task.headers["location"], json={"progress_pct": 10}, headers=late), 412)


def test_a_deleted_time_entry_is_not_found(api: Api, booking: str) -> None:
    provider = api.client("provider")
    body = {"started_at": "2026-03-02T09:00:00Z", "ended_at": "2026-03-02T10:00:00Z"}
    made = provider.post(f"{booking}/time-entries", json=body)
    assert problem(provider.post(f"{booking}/time-entries", json=body), 409) == "time_overlaps"
    entry = made.headers["location"]
    deleted = provider.delete(entry)
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert problem(provider.delete(entry), 404) == "not_found"
    assert sent(provider.get("/v1/time-entries", params={"until": "2026-03-03T00:00:00Z"}), 200)["items"] == []


def test_a_repeated_request_creates_one_time_entry(api: Api, booking: str) -> None:
    provider, key = api.client("provider"), {"Idempotency-Key": booking.replace("/", "-")}
    first = provider.post(f"{booking}/messages", json={"body": "Once"}, headers=key)
    second = provider.post(f"{booking}/messages", json={"body": "Once"}, headers=key)
    assert first.json() == second.json()
    assert len(sent(provider.get(f"{booking}/messages"), 200)["items"]) == 1


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "{booking}/milestones", {"title": "Concept", "weight": "0"}),
        ("POST", "{booking}/milestones", {"title": "Concept", "weight": "NaN"}),
        ("POST", "{booking}/milestones", {"title": "a\u0000b"}),
        ("POST", "{booking}/milestones", {"title": "Concept", "wieght": "1"}),
        ("POST", "{booking}/milestones", {"title": "Concept", "due_at": "2030-01-01T00:00:00"}),
        ("PATCH", "{milestone}", {"title": None}),
        ("PATCH", "{milestone}", {"position": 32_768}),
        ("POST", "{milestone}/transitions", {"action": "reject"}),
        ("POST", "{milestone}/approvals", {"levels": []}),
        ("POST", "{booking}/time-entries", {"started_at": "2026-03-02T09:00:00Z"}),
        ("POST", "{booking}/messages", {"body": " "}),
        ("POST", "{booking}/review", {"rating": 6}),
    ],
)
def test_invalid_input_is_refused(api: Api, booking: str, method: str, path: str, body: dict[str, Any]) -> None:
    milestone = api.client("provider").post(f"{booking}/milestones", json={"title": "Concept"}).headers["location"]
    api.client("provider").post(f"{milestone}/transitions", json={"action": "submit"})
    seen = {"If-Match": '"0"'} if method == "PATCH" else {}
    url = path.format(booking=booking, milestone=milestone)
    answer = api.client("client").request(method, url, json=body, headers=seen)
    assert problem(answer, 422)


@pytest.mark.parametrize("who", ["client2", "provider2"])
def test_other_people_see_and_change_nothing(api: Api, who: str) -> None:
    booking_id = booking_in(api.business, "in_progress")
    booking, provider, stranger = f"/v1/bookings/{booking_id}", api.client("provider"), api.client(who)
    milestone = provider.post(f"{booking}/milestones", json={"title": "Concept"}).headers["location"]
    task = provider.post(f"{milestone}/tasks", json={"title": "Sketch"}).headers["location"]
    levels = {"levels": [{"role": "client"}]}
    level = sent(provider.post(f"{milestone}/approvals", json=levels))["items"][0]["id"]
    timer = provider.post(f"{booking}/timer", json={}).headers["location"]
    message = sent(provider.post(f"{booking}/messages", json={"body": "Hello"}))["id"]
    set_status(api.business, booking_id, "completed")
    reads = [f"{booking}/milestones", milestone, f"{milestone}/tasks", task, f"{booking}/approvals",
             f"{milestone}/approvals", f"{booking}/time-entries", timer, f"{booking}/messages",
             f"{booking}/review"]  # fmt: skip
    writes: list[tuple[str, str, dict[str, Any]]] = [
        ("POST", f"{booking}/milestones", {"title": "Mine"}),
        ("PATCH", milestone, {"title": "Mine"}),
        ("POST", f"{milestone}/transitions", {"action": "start"}),
        ("POST", f"{milestone}/tasks", {"title": "Mine"}),
        ("PATCH", task, {"title": "Mine"}),
        ("POST", f"{booking}/approvals", levels),
        ("POST", f"{milestone}/approvals", levels),
        ("POST", f"/v1/approvals/{level}/decision", {"decision": "approve"}),
        ("POST", f"{booking}/time-entries", {"started_at": "2026-03-02T09:00:00Z", "ended_at": "2026-03-02T10:00:00Z"}),
        ("POST", f"{booking}/timer", {}),
        ("POST", f"{timer}/stop", {}),
        ("PATCH", timer, {"note": "Mine"}),
        ("DELETE", timer, {}),
        ("POST", f"{booking}/messages", {"body": "Mine"}),
        ("POST", f"{booking}/messages/read", {"message_id": message}),
        ("POST", f"{booking}/review", {"rating": 1}),
    ]
    for path in reads:
        assert problem(stranger.get(path), 404) == "not_found", path
    for method, path, body in writes:
        answer = stranger.request(method, path, json=body, headers={"If-Match": '"0"'})
        assert problem(answer, 404) == "not_found", path
    assert status_of(api.business, booking_id) == "completed"
    sent(provider.post(f"{timer}/stop"), 200)
