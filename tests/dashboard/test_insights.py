"""Insights: the list and its filters, one insight, the answers of admins, and what the Hub learnt undone."""

from datetime import date
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest

from tests.dashboard.conftest import Pages, rows_of, send, table_after
from tests.notifications.examples import insert_insight
from tests.sources.business import NORTH, SOUTH, Organization


def raise_insight(pages: Pages, org: Organization = NORTH, **changes: Any) -> UUID:
    """Add an open insight and return its id."""
    with psycopg.connect(pages.settings.database_url, autocommit=True) as connection:
        return insert_insight(connection, org_id=org.id, **{"dedupe_key": str(uuid4()), **changes})


def state_of(pages: Pages, insight_id: UUID) -> dict[str, Any]:
    return rows_of(
        pages, "select status, feedback, feedback_reason, useful from app.insight_events where id = %s", insight_id
    )[0]


def answer(browser: httpx.Client, insight_id: UUID, how: str, **fields: object) -> httpx.Response:
    """Send one of the forms of the page of an insight."""
    return send(browser, f"/insights/{insight_id}", f"/insights/{insight_id}/{how}", **fields)


@pytest.fixture
def admin(pages: Pages) -> httpx.Client:
    return pages.visit("admin@north.example")


def test_the_page_of_an_insight_tells_all_of_it(pages: Pages, admin: httpx.Client) -> None:
    insight_id = raise_insight(pages)
    page = admin.get(f"/insights/{insight_id}").text
    for told in (
        "Booked revenue fell by half",
        "52 % below the expected",
        "Call Ana Bell about her two open quotes.",
        "The price of Deluxe Suite rose by 20% on 3 May 2026.",
        "Tracked hours were 20 h where 41 h were expected.",
        "Sunday, 3 May 2026",  # since
        "€4,550",  # the money, without its sign
        "Nobody yet by mail, Slack or webhook.",
    ):
        assert told in page
    drivers = table_after(page, "Contribution of each member")
    assert [row[0] for row in drivers] == ["Deluxe Suite Service"]


def test_the_list_shows_the_open_ones_and_filters(pages: Pages, admin: httpx.Client) -> None:
    kept, closed = raise_insight(pages, title="Still open"), raise_insight(pages, title="Over", status="resolved")
    milder = raise_insight(pages, title="Milder", severity="low", kind="workload")
    foreign = raise_insight(pages, SOUTH, title="Of the others")

    def shown(**query: str) -> set[UUID]:
        page = admin.get("/insights", params=query).text
        return {one for one in (kept, closed, milder, foreign) if str(one) in page}

    assert shown() == {kept, milder}
    assert shown(status="") == {kept, closed, milder}
    assert shown(status="resolved") == {closed}
    assert shown(severity="low") == {milder}
    assert shown(kind="workload") == {milder}
    assert "No insight is of this kind" in admin.get("/insights", params={"kind": "retention"}).text


def test_earlier_insights_are_on_the_next_page(pages: Pages, admin: httpx.Client) -> None:
    every = {str(raise_insight(pages, kind="milestone")) for _ in range(27)}
    first = admin.get("/insights", params={"kind": "milestone"}).text
    last = first.partition("after=")[2].partition('"')[0]
    second = admin.get("/insights", params={"kind": "milestone", "after": last}).text
    on_first, on_second = ({one for one in every if f'/insights/{one}"' in page} for page in (first, second))
    assert (len(on_first), len(on_second)) == (25, 2)
    assert on_first | on_second == every
    assert "Earlier ones" not in second
    assert "The latest" in second


def test_an_acknowledged_insight_stays_until_it_is_over(pages: Pages, admin: httpx.Client) -> None:
    insight_id = raise_insight(pages)
    accepted = answer(admin, insight_id, "acknowledge", back="/", feedback="Called the bank.")
    assert (accepted.status_code, accepted.headers["location"]) == (303, "/")
    assert state_of(pages, insight_id)["status"] == "acknowledged"
    assert state_of(pages, insight_id)["feedback"] == "Called the bank."
    assert answer(admin, insight_id, "resolve").headers["location"] == f"/insights/{insight_id}"
    assert state_of(pages, insight_id)["status"] == "resolved"
    refused = answer(admin, insight_id, "resolve")
    assert refused.status_code == 422
    assert "is already resolved" in refused.text


def test_an_answer_leads_to_no_other_site(pages: Pages, admin: httpx.Client) -> None:
    accepted = answer(admin, raise_insight(pages), "acknowledge", back="//evil.example/")
    assert accepted.headers["location"].startswith("/")
    assert not accepted.headers["location"].startswith("//")


@pytest.mark.parametrize("reason", ["expected", "wrong", "not_interesting"])
def test_a_dismissal_teaches_and_is_undone(pages: Pages, admin: httpx.Client, reason: str) -> None:
    insight_id = raise_insight(pages)
    assert answer(admin, insight_id, "dismiss", reason=reason).status_code == 303
    assert state_of(pages, insight_id) == {
        "status": "dismissed", "feedback": None, "feedback_reason": reason, "useful": None,
    }  # fmt: skip
    lesson = rows_of(pages, "select id, reason from app.insight_feedback where insight_id = %s", insight_id)[0]
    assert lesson["reason"] == reason
    undo = f"/insights/learnt/{lesson['id']}/undo"
    assert send(admin, "/insights/learnt", undo).headers["location"] == "/insights/learnt"
    assert state_of(pages, insight_id)["status"] == "open"
    assert undo not in admin.get("/insights/learnt").text


def test_a_dismissal_without_a_reason_teaches_nothing(pages: Pages, admin: httpx.Client) -> None:
    insight_id = raise_insight(pages)
    assert answer(admin, insight_id, "dismiss", reason="").status_code == 303
    assert state_of(pages, insight_id)["status"] == "dismissed"
    assert rows_of(pages, "select id from app.insight_feedback where insight_id = %s", insight_id) == []


def test_a_planned_event_is_added_to_the_calendar_and_removed_again(pages: Pages, admin: httpx.Client) -> None:
    insight_id = raise_insight(pages)
    fields = {"title": "Spring fair", "kind": "event", "starts_on": "2026-05-02", "ends_on": "2026-05-04"}
    wrong = answer(admin, insight_id, "planned", **fields | {"ends_on": "2026-05-01"})
    assert wrong.status_code == 422
    assert "An event ends on the day on which it starts or later." in wrong.text
    assert 'value="Spring fair"' in wrong.text
    assert state_of(pages, insight_id)["status"] == "open"
    assert answer(admin, insight_id, "planned", **fields).status_code == 303
    assert state_of(pages, insight_id)["feedback_reason"] == "known_event"
    in_calendar = "select starts_on, ends_on from app.calendar_events where org_id = %s and title = 'Spring fair'"
    assert rows_of(pages, in_calendar, NORTH.id) == [{"starts_on": date(2026, 5, 2), "ends_on": date(2026, 5, 4)}]
    lesson = rows_of(pages, "select id from app.insight_feedback where insight_id = %s", insight_id)[0]["id"]
    send(admin, "/insights/learnt", f"/insights/learnt/{lesson}/undo")
    assert rows_of(pages, in_calendar, NORTH.id) == []
    assert state_of(pages, insight_id)["status"] == "open"


@pytest.mark.parametrize("useful", [True, False])
def test_a_rating_is_kept_and_shown(pages: Pages, admin: httpx.Client, useful: bool) -> None:
    insight_id = raise_insight(pages)
    assert answer(admin, insight_id, "rate", useful=str(useful).lower()).status_code == 303
    assert state_of(pages, insight_id)["useful"] is useful
    pressed = f'value="{str(useful).lower()}" class="primary" aria-pressed="true"'
    assert pressed in admin.get(f"/insights/{insight_id}").text


def test_insights_of_others_are_not_there(pages: Pages, admin: httpx.Client) -> None:
    own, foreign = raise_insight(pages), raise_insight(pages, SOUTH)
    assert admin.get(f"/insights/{foreign}").status_code == 404
    for how in ("acknowledge", "resolve", "dismiss", "rate", "planned"):
        fields = {"useful": "true"} if how == "rate" else {"title": "Fair", "kind": "event"}
        assert send(admin, f"/insights/{own}", f"/insights/{foreign}/{how}", **fields).status_code == 404
    assert state_of(pages, foreign) == {"status": "open", "feedback": None, "feedback_reason": None, "useful": None}


@pytest.mark.parametrize("role", ["provider", "client"])
def test_providers_and_clients_see_none(pages: Pages, role: str) -> None:
    browser = pages.visit(f"{role}@north.example")
    for path in ("/insights", "/insights/learnt", f"/insights/{raise_insight(pages)}"):
        assert browser.get(path).status_code == 403, path
