"""Every transition of a booking from every status by every role: allowed ones are taken, others change nothing."""

from typing import Final
from uuid import UUID, uuid4

import pytest

from sources.lifecycle import STATUSES
from tests.sources.api.conftest import Api
from tests.sources.business import NORTH, SOUTH, Organization

# Written out here, so that a mistake in sources/lifecycle.py is noticed: action, roles : statuses > new status.
STEPS: Final = """
submit            client provider admin : draft > requested
review            provider admin        : requested quoted > under_review
quote             provider admin        : requested under_review > quoted
approve           provider admin        : requested under_review > approved
accept_quote      client admin          : quoted > approved
decline           provider admin        : requested under_review > declined
decline_quote     client admin          : quoted > declined
request_payment   provider admin        : approved > awaiting_payment
confirm           provider admin        : approved awaiting_payment > confirmed
schedule          provider admin        : confirmed > scheduled
start             provider admin        : confirmed scheduled > in_progress
hold              provider admin        : in_progress revision_requested > on_hold
await_client      provider admin        : in_progress revision_requested > awaiting_client
resume            provider admin        : on_hold awaiting_client revision_requested > in_progress
respond           client admin          : awaiting_client > in_progress
deliver           provider admin        : in_progress > delivered
request_revision  client admin          : delivered > revision_requested
accept            client admin          : delivered > completed
dispute           client admin          : in_progress on_hold awaiting_client revision_requested delivered > disputed
settle            admin                 : disputed > completed
refund            admin                 : disputed > refunded
no_show           provider admin        : confirmed scheduled in_progress > no_show
cancel            client provider admin : draft requested under_review quoted approved awaiting_payment > cancelled
cancel            client provider admin : confirmed scheduled > cancelled
cancel            provider admin        : in_progress on_hold awaiting_client revision_requested > cancelled
"""
# The people of the booking, people of the same roles who do not see it, and an admin of another organisation.
CALLERS: Final = (
    ("client", NORTH), ("provider", NORTH), ("admin", NORTH),
    ("client2", NORTH), ("provider2", NORTH), ("admin", SOUTH),
)  # fmt: skip
OTHERS: Final = CALLERS[3:]
INSERT: Final = """
insert into app.bookings (
    id, org_id, booking_number, client_id, provider_id, service_id, status, title, total_amount, currency,
    scheduled_start, scheduled_end, is_exclusive, completed_at, cancelled_at
)
values (
    %(id)s, %(org)s, %(id)s, %(client)s, %(provider)s, %(service)s, %(status)s, 'Advice', 120, 'EUR',
    now() - interval '2 days', now() - interval '2 days' + interval '2 hours', false,
    case when %(status)s = 'completed' then now() end,
    case when %(status)s in ('declined', 'cancelled', 'no_show', 'refunded', 'expired') then now() end
)
"""


def expected() -> dict[tuple[str, str], tuple[set[str], str]]:
    """Return (action, status) -> (roles, new status)."""
    table: dict[tuple[str, str], tuple[set[str], str]] = {}
    for line in STEPS.strip().splitlines():
        who, _, path = line.partition(" : ")
        action, *roles = who.split()
        sources, _, target = path.partition(" > ")
        table |= {(action, source): (set(roles), target) for source in sources.split()}
    return table


EXPECTED: Final = expected()
AMOUNTS: Final = {"quote": {"total_amount": "480.00"}, "accept_quote": {"total_amount": "120.00"}}
ACTIONS: Final = sorted({action for action, _ in EXPECTED})


def make(api: Api, status: str) -> UUID:
    """Create a booking in `status` that meets every requirement of a transition."""
    booking_id = uuid4()
    values = {"id": booking_id, "org": NORTH.id, "client": NORTH.client, "provider": NORTH.provider,
              "service": NORTH.service, "status": status}  # fmt: skip
    api.business.connection.execute(INSERT, values)
    return booking_id


def state(api: Api, booking_id: UUID) -> object:
    """Return everything that a transition may change."""
    return api.business.connection.execute(
        "select to_jsonb(b), (select count(*) from app.booking_status_history where booking_id = b.id), "
        "(select count(*) from app.invoices where booking_id = b.id), "
        "(select count(*) from app.messages where booking_id = b.id) from app.bookings as b where id = %s",
        [booking_id],
    ).fetchall()


def take(api: Api, who: str, org: Organization, booking_id: UUID, action: str) -> tuple[int, dict[str, object]]:
    body = {"action": action, "reason": "because"} | (AMOUNTS.get(action, {}))
    answer = api.client(who, org=org).post(f"/v1/bookings/{booking_id}/transitions", json=body)
    if answer.status_code != 200:
        assert answer.headers["content-type"] == "application/problem+json"
    content: dict[str, object] = answer.json()
    return answer.status_code, content


@pytest.mark.parametrize("status", STATUSES)
def test_a_forbidden_transition_changes_nothing(api: Api, status: str) -> None:
    booking_id = make(api, status)
    before = state(api, booking_id)
    for action in ACTIONS:
        roles = EXPECTED.get((action, status), (None, ""))[0]
        for who, org in CALLERS:
            if (who, org) in OTHERS:
                wanted = (404, "not_found")
            elif roles is None:
                wanted = (409, "wrong_status")
            elif who not in roles:
                wanted = (403, "not_allowed")
            else:
                continue
            code, problem = take(api, who, org, booking_id, action)
            assert (code, problem["code"]) == wanted, f"{action} by {who} of {org.slug}: {problem}"
            assert problem["detail"]
    assert state(api, booking_id) == before


@pytest.mark.parametrize("status", STATUSES)
def test_an_allowed_transition_is_taken(api: Api, status: str) -> None:
    for (action, source), (roles, target) in EXPECTED.items():
        for who in sorted(roles) if source == status else ():
            booking_id = make(api, status)
            code, booking = take(api, who, NORTH, booking_id, action)
            assert (code, booking.get("status")) == (200, target), f"{action} by {who}: {booking}"
            history = api.business.connection.execute(
                "select from_status, to_status, actor_id from app.booking_status_history where booking_id = %s",
                [booking_id],
            ).fetchall()
            assert history == [(status, target, NORTH.id_of(who))]


def test_the_booking_lists_the_allowed_actions(api: Api) -> None:
    booking_id = make(api, "delivered")
    offered = {
        who: api.client(who).get(f"/v1/bookings/{booking_id}").json()["actions"] for who in ("client", "provider")
    }
    assert offered == {"client": ["request_revision", "accept", "dispute"], "provider": []}


MISSING: Final = (  # action, status, change that removes the requirement, part of the sentence
    ("decline", "requested", "", "a reason is required"),
    ("quote", "requested", "", "a price is required"),
    ("schedule", "confirmed", "scheduled_start = null, scheduled_end = null", "a start and an end are required"),
    ("start", "confirmed", "provider_id = null", "a provider is required"),
    ("no_show", "confirmed", "scheduled_start = now() + interval '1 hour', scheduled_end = now() + interval '2 hours'",
     "the scheduled start has not passed yet"),
    ("confirm", "awaiting_payment", "deposit_amount = 50", "the deposit has not been paid in full"),
    ("confirm", "approved", "deposit_amount = 50", "a deposit is due"),
)  # fmt: skip


@pytest.mark.parametrize(("action", "status", "change", "words"), MISSING)
def test_a_missing_requirement_is_refused(api: Api, action: str, status: str, change: str, words: str) -> None:
    booking_id = make(api, status)
    if change:
        api.business.connection.execute(f"update app.bookings set {change} where id = %s", [booking_id])
    before = state(api, booking_id)
    answer = api.client("admin").post(f"/v1/bookings/{booking_id}/transitions", json={"action": action})
    assert (answer.status_code, answer.json()["code"]) == (409, "requirement_missing")
    assert words in answer.json()["detail"]
    assert state(api, booking_id) == before
