"""Known events are added, listed and removed; a wrong value is refused with a sentence."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from uuid import uuid4

import psycopg
import pytest

from sources.calendar_events import add_event, list_events, remove_event
from sources.errors import HubError
from sources.settings import Settings
from tests.sources.business import NORTH, SOUTH, seed

FIRST, LAST = date(2026, 8, 3), date(2026, 8, 16)


@pytest.fixture
def seeded_connection(settings: Settings) -> Iterator[psycopg.Connection]:
    with psycopg.connect(settings.database_url, autocommit=True) as connection:
        seed(connection)
        yield connection


def test_an_event_is_added_listed_and_removed(seeded_connection: psycopg.Connection) -> None:
    def add(kind: str, title: str, **values: object) -> object:
        given = {"starts_on": FIRST, "ends_on": LAST, **values}
        return add_event(seeded_connection, NORTH.id, kind=kind, title=title, **given)  # type: ignore[arg-type]

    closure = add("closure", " Summer break ")
    add("campaign", "Spring", starts_on=date(2026, 4, 1), service=str(NORTH.service), expected_effect=Decimal("1.5"))
    provider = seeded_connection.execute(
        "select full_name from app.profiles where id = %s", [NORTH.provider]
    ).fetchone()
    assert provider is not None
    add("event", "Fair", provider=provider[0].upper())
    spring, fair, summer = list_events(seeded_connection, NORTH.id)
    assert (summer["id"], summer["kind"], summer["title"]) == (closure, "closure", "Summer break")
    assert (summer["starts_on"], summer["ends_on"], summer["service"], summer["provider"]) == (FIRST, LAST, None, None)
    assert spring["service"] is not None
    assert spring["expected_effect"] == Decimal("1.5")
    assert fair["provider"] == provider[0]
    assert list_events(seeded_connection, SOUTH.id) == []
    with pytest.raises(HubError, match="no event"):
        remove_event(seeded_connection, SOUTH.id, summer["id"])
    assert remove_event(seeded_connection, NORTH.id, summer["id"]) == "Summer break"
    assert [row["title"] for row in list_events(seeded_connection, NORTH.id)] == ["Spring", "Fair"]
    tombstones = "select row_id from app.tombstones where table_name = 'calendar_events'"
    assert seeded_connection.execute(tombstones).fetchall() == [(summer["id"],)], "ingestion learns of the removal"


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"kind": "party"}, "'party' is not a kind of event; use one of closure, campaign, price_change, event."),
        ({"title": "  "}, "An event needs a title."),
        ({"ends_on": date(2026, 8, 2)}, "The event ends on 2026-08-02, before it starts on 2026-08-03."),
        ({"service": "x", "provider": "y"}, "An event concerns a service or a provider, not both"),
        ({"expected_effect": Decimal(-1)}, "The expected effect is -1; it is a factor on a usual day"),
        ({"expected_effect": Decimal("5.1")}, "The expected effect is 5.1; it is a factor on a usual day"),
        ({"ends_on": date(2036, 8, 10)}, "An event lasts at most 3660 days."),
        ({"starts_on": date(1969, 12, 31), "ends_on": date(1970, 1, 1)}, "An event lies between 1970-01-01 and"),
        ({"service": "Nothing"}, "There is no service 'Nothing'. There is "),
        ({"provider": str(uuid4())}, "There is no provider "),
    ],
)
def test_a_wrong_value_is_refused(
    seeded_connection: psycopg.Connection, values: dict[str, object], sentence: str
) -> None:
    given = {"kind": "closure", "title": "Break", "starts_on": FIRST, "ends_on": LAST, **values}
    with pytest.raises(HubError) as refused:
        add_event(seeded_connection, NORTH.id, **given)  # type: ignore[arg-type]
    assert str(refused.value).startswith(sentence)
    assert list_events(seeded_connection, NORTH.id) == []


def test_a_database_that_may_only_be_read_is_named(seeded_connection: psycopg.Connection) -> None:
    seeded_connection.execute("set default_transaction_read_only = on")
    with pytest.raises(HubError, match="may only be read"):
        add_event(seeded_connection, NORTH.id, kind="closure", title="Break", starts_on=FIRST, ends_on=LAST)
