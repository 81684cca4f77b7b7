"""Who gets in: sessions, roles, the operator, and forms that no page of the session sent."""

import httpx
import psycopg

from tests.dashboard.conftest import Pages, send
from tests.sources.business import NORTH, SOUTH


def test_without_a_session_a_page_leads_to_the_sign_in_and_back(pages: Pages) -> None:
    stranger = httpx.Client(base_url=pages.url)
    assert stranger.get("/").headers["location"] == "/sign-in"
    answer = stranger.get("/?period=month")
    assert answer.headers["location"] == "/sign-in?next=%2F%3Fperiod%3Dmonth"
    link = pages.link("admin@north.example").rpartition("link=")[2]
    page = stranger.get("/sign-in", params={"link": link, "next": "/bookings"})
    assert 'value="/bookings"' in page.text
    fields = {"link": link, "next": "/bookings"}
    assert stranger.post("/sign-in", data=fields, headers={"origin": pages.url}).headers["location"] == "/bookings"


def test_the_sign_in_leads_to_no_other_site(pages: Pages) -> None:
    for foreign in ("//evil.example/", "https://evil.example/", "/\\evil.example", "/\nevil"):
        stranger = httpx.Client(base_url=pages.url, headers={"origin": pages.url})
        link = pages.link("admin@north.example").rpartition("link=")[2]
        assert stranger.post("/sign-in", data={"link": link, "next": foreign}).headers["location"] == "/"


def test_the_operator_opens_the_pages_as_an_admin(pages: Pages) -> None:
    operator = pages.browser(pages.operators_link())
    assert operator.get("/").headers["location"] == "/organizations"
    assert "north" in operator.get("/organizations").text.lower()
    assert send(operator, "/organizations", "/organizations", admin=NORTH.client).status_code == 404
    assert send(operator, "/organizations", "/organizations", admin="x").status_code == 404
    assert send(operator, "/organizations", "/organizations", admin=NORTH.admin).headers["location"] == "/"
    assert operator.get("/").status_code == 200


def test_a_person_opens_the_pages_as_nobody_else(pages: Pages) -> None:
    admin = pages.visit("admin@north.example")
    assert admin.get("/organizations").headers["location"] == "/sign-in"
    token = pages.browser(pages.operators_link()).get("/organizations").text.split('name="form_token" value="')[1][:64]
    answer = admin.post("/organizations", data={"form_token": token, "admin": str(NORTH.admin)})
    assert answer.status_code == 403
    assert "earlier sign-in" in answer.text


def test_pages_forbid_foreign_scripts_and_caches(pages: Pages) -> None:
    answer = pages.visit("admin@north.example").get("/")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["cache-control"] == "private, no-store"


def test_an_unknown_address_is_a_page_for_people_and_a_problem_for_programs(pages: Pages) -> None:
    admin = pages.visit("admin@north.example")
    page = admin.get("/nothing", headers={"accept": "text/html"})
    assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "There is no such page" in page.text
    assert admin.get("/v1/nothing").headers["content-type"] == "application/problem+json"


def test_the_operator_becomes_the_first_admin_of_an_imported_organization(pages: Pages) -> None:
    with psycopg.connect(pages.settings.database_url) as connection:
        org = connection.execute(
            "insert into app.organizations (id, org_id, name, slug, timezone, currency) "
            "select id, id, 'Imported Inn', 'imported-inn', 'UTC', 'EUR' from (select uuidv7() as id) as made "
            "returning id"
        ).fetchone()
    assert org
    operator, action = pages.browser(pages.operators_link()), f"/organizations/{org[0]}/admin"
    assert "Imported Inn" in operator.get("/organizations").text
    assert send(operator, "/organizations", action, name="").status_code == 422
    assert send(operator, "/organizations", action, name="Ida", email="ida@inn.example").headers["location"] == "/"
    assert "Imported Inn" in operator.get("/").text
    assert send(operator, "/organizations", action, name="Ida").status_code == 404  # it has an admin
    assert pages.visit("ida@inn.example").get("/").status_code == 200
    stranger = pages.visit("admin@north.example")
    token = operator.get("/organizations").text.split('name="form_token" value="')[1][:64]
    assert stranger.post(action, data={"form_token": token, "name": "Eve"}).status_code == 403


def test_the_operator_is_no_person_who_has_ceased_to_be_an_admin(pages: Pages) -> None:
    operator = pages.browser(pages.operators_link())
    assert send(operator, "/organizations", "/organizations", admin=SOUTH.admin).headers["location"] == "/"
    with psycopg.connect(pages.settings.database_url, autocommit=True) as connection:
        connection.execute("update app.profiles set role = 'client' where id = %s", [SOUTH.admin])
        assert operator.get("/").headers["location"] == "/organizations"
        connection.execute("update app.profiles set role = 'admin' where id = %s", [SOUTH.admin])
    assert operator.get("/").status_code == 200


def test_text_that_cannot_be_stored_and_ids_that_are_none_are_refused(pages: Pages) -> None:
    admin = pages.visit("admin@north.example")
    answer = send(admin, "/settings/keys", "/settings/keys/revoke", row="x" * 36, key="1")
    assert answer.status_code == 404
    origin = {"origin": pages.url}
    for address in ("a\0@north.example", "x"):
        assert httpx.post(f"{pages.url}/sign-in/mail", data={"email": address}, headers=origin).status_code == 303
