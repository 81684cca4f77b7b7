"""Walls between organisations and people: what the links of one lead to is closed to all others.

The addresses are those that the pages of an admin link to, from the start page on: a few of each kind.
"""

import html
import re
from collections import Counter
from collections.abc import Iterable
from typing import Final

import httpx
import psycopg
import pytest
from psycopg import sql

from tests.dashboard.conftest import Pages, admin_of, rows_of

OWN, FOREIGN = "harbor-and-pine", "estudio-meridiano"
UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
LINK: Final = re.compile(r'(?:href|action)="(/[^"#]*)')
ELSEWHERE: Final = re.compile(r"^/(assets|docs|v1|dagster|sign-out|live|organizations)\b")
OF_A_KIND: Final = 3  # addresses opened


def crawl(browser: httpx.Client) -> dict[str, str]:
    """Return the pages that links and forms lead to, from the start page on: address -> text."""
    waiting, known, kinds = ["/"], {"/"}, Counter[str]()
    pages: dict[str, str] = {}
    while waiting:
        path = waiting.pop(0)
        kind = UUID.sub("ID", path.partition("?")[0])
        if kinds[kind] == OF_A_KIND:
            continue
        answer = browser.get(path)
        if answer.status_code == 405:
            continue  # the address of a form
        kinds[kind] += 1
        pages[path] = answer.text
        for link in map(html.unescape, LINK.findall(answer.text)):
            if link not in known and not ELSEWHERE.match(link):
                known.add(link)
                waiting.append(link)
    return pages


def rows_among(pages: Pages, ids: Iterable[str], slug: str) -> set[str]:
    """Return those of `ids` that are rows of the organisation in any table of app."""
    wanted, found = list(ids), set[str]()
    with psycopg.connect(pages.settings.database_url) as connection:
        tables = connection.execute(
            "select table_name from information_schema.columns where table_schema = 'app' and data_type = 'uuid' "
            "and column_name in ('id', 'org_id') group by table_name having count(*) = 2"
        ).fetchall()
        assert ("bookings",) in tables
        for (table,) in tables:
            query = sql.SQL(
                "select t.id::text from app.{} as t inner join app.organizations as o on o.id = t.org_id "
                "where o.slug = %s and t.id = any(%s::uuid[])"
            ).format(sql.Identifier(table))
            found |= {row[0] for row in connection.execute(query, [slug, wanted])}
    return found


def person_of(pages: Pages, slug: str, role: str) -> tuple[str, str]:
    """Return the id and the address of the person of this role who has the most bookings."""
    column = "provider_id" if role == "provider" else "client_id"
    rows = rows_of(
        pages,
        f"select p.id::text, p.email from app.profiles as p inner join app.organizations as o on o.id = p.org_id "
        f"left join app.bookings as b on b.{column} = p.id "
        "where o.slug = %s and p.role = %s and p.email is not null and p.is_active "
        "group by p.id, p.email order by count(b.id) desc, p.id limit 1",
        slug, role,
    )  # fmt: skip
    return rows[0]["id"], rows[0]["email"]


@pytest.fixture(scope="module")
def of_admin(sample_pages: Pages) -> dict[str, str]:
    """The pages of an admin of the organisation OWN."""
    found = crawl(sample_pages.visit(admin_of(sample_pages, OWN)[1], OWN))
    kinds = {UUID.sub("ID", path.partition("?")[0]) for path in found}
    assert {"/bookings/ID", "/insights/ID", "/clients/ID", "/providers/ID", "/explore", "/receivables"} <= kinds
    return found


def test_no_page_has_a_row_of_another_organisation(sample_pages: Pages, of_admin: dict[str, str]) -> None:
    ids = {found for page in of_admin.values() for found in UUID.findall(page)}
    assert rows_among(sample_pages, ids, OWN)
    assert rows_among(sample_pages, ids, FOREIGN) == set()


@pytest.mark.parametrize("role", ["admin", "provider", "client"])
def test_the_addresses_of_an_organisation_are_closed_to_another(
    sample_pages: Pages, of_admin: dict[str, str], role: str
) -> None:
    browser = sample_pages.visit(person_of(sample_pages, FOREIGN, role)[1], FOREIGN)
    of_rows = rows_among(sample_pages, {one for path in of_admin for one in UUID.findall(path)}, OWN)
    shown: set[str] = set()
    for path in of_admin:
        answer = browser.get(path)
        assert answer.status_code < 500, path
        if of_rows.intersection(UUID.findall(path.partition("?")[0])):
            assert answer.status_code in (403, 404), path
        shown.update(set(UUID.findall(answer.text)) - set(UUID.findall(path)))  # a filter is shown as it was sent
    assert rows_among(sample_pages, shown, OWN) == set()


@pytest.mark.parametrize("role", ["provider", "client"])
def test_people_see_their_own_bookings_alone(sample_pages: Pages, of_admin: dict[str, str], role: str) -> None:
    person, email = person_of(sample_pages, OWN, role)
    browser = sample_pages.visit(email, OWN)
    pages = crawl(browser)
    for path in of_admin:
        pages[path] = browser.get(path).text
    ids = {found for path, page in pages.items() for found in set(UUID.findall(page)) - set(UUID.findall(path))}
    owners = rows_of(
        sample_pages,
        f"select {role}_id::text as owner from app.bookings where id = any(%s::uuid[]) "
        f"union all select b.{role}_id::text "
        "from app.invoices as i inner join app.bookings as b on b.id = i.booking_id "
        "where i.id = any(%s::uuid[])",
        list(ids), list(ids),
    )  # fmt: skip
    assert {row["owner"] for row in owners} == {person}
