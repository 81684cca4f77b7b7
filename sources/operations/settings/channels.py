"""Channels of insights and digests: where they lead, what they carry, a test of them, the secrets of webhooks.

Sending is the business of the package `notifications`, which also knows the kinds of channels: the application is given
them (`ChannelKinds`). A target may hold a secret, such as the path of a webhook: it is written, and never read back.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Protocol
from uuid import UUID

import asyncpg
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from sources.channel_secrets import FORMER_VALID_FOR, SIGNED_KIND, channel_secret, without_secret
from sources.errors import HubError
from sources.insight_values import WAITING_STATES, DeliveryState, InsightKind, Severity
from sources.operations.bookings.access import All
from sources.operations.errors import Refusal, not_found
from sources.operations.field_types import Line, Moment, Request
from sources.operations.settings import rows
from sources.operations.settings.rows import Resource, demand_admin
from sources.operations.settings.services import Version
from sources.operations.transaction import Tx

MOST_CHANNELS: Final = 200
MOST_ALERTS: Final = 10_000

Target = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000, pattern=r"^[^\x00-\x1f]+$")
]
AlertsPerWeek = Annotated[int, Field(ge=0, le=MOST_ALERTS)]


class ChannelKind(Protocol):
    """What operations need of a kind of channel (notifications/channels)."""

    def check_target(self, target: str, /) -> str:
        """Return `target` in the form in which it is stored. Raises HubError that describes a valid target."""
        ...

    def recipients(self, target: str, /) -> list[str]:
        """Return the recipients that a stored target consists of."""
        ...


ChannelKinds = Mapping[str, ChannelKind]


class NewChannel(Request):
    """A channel, and what it carries."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"name": "Owners", "kind": "email", "target": "ana@example.com", "min_severity": "high"}]
        }
    )
    name: Line
    kind: Line = Field(description="email, slack, webhook, or one that was added.")
    target: Target = Field(description="E-mail addresses, a Slack channel or an address of a webhook.")
    min_severity: Severity = Field("low", description="The least severity that is sent.")
    insight_kinds: list[InsightKind] = Field([], max_length=50, description="Kinds of insights; empty: all.")
    sends_insights: bool = True
    sends_digest: bool = True
    alerts_per_week: AlertsPerWeek | None = Field(None, description="Of each recipient. Null: the default.")


class ChannelChange(Request):
    """The fields to change; a field that is absent is kept."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"is_active": False}]})
    name: Line = Field(default_factory=str)
    target: Target = Field(default_factory=str)
    min_severity: Severity = "low"
    insight_kinds: list[InsightKind] = Field([], max_length=50)
    sends_insights: bool = True
    sends_digest: bool = True
    alerts_per_week: AlertsPerWeek | None = None
    is_active: bool = Field(True, description="False: paused. What waits is kept, and nothing is added.")


class ChannelTest(BaseModel):
    """The delivery of a test message to one recipient."""

    id: UUID
    recipient: str
    state: DeliveryState
    attempts: int
    last_error: str | None
    created_at: Moment


class Channel(BaseModel):
    """A channel, with the numbers of its deliveries."""

    id: UUID
    name: str
    kind: str
    target: str = Field(description="Of an address of a webhook without its path, which may be a secret.")
    min_severity: Severity
    insight_kinds: list[InsightKind]
    sends_insights: bool
    sends_digest: bool
    alerts_per_week: int | None
    is_active: bool
    sent: int
    waiting: int
    dead: int = Field(description="Given up, or permanently refused.")
    last_test: list[ChannelTest]
    secret_changed_at: Moment | None
    created_at: Moment
    updated_at: Moment
    version: Version


class ChannelSecret(BaseModel):
    """The secret of a webhook, which is never shown again."""

    secret: str = Field(examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])
    former_valid_until: Moment = Field(description="Until then messages carry signatures of the former secret as well.")


# $2: a channel, null: all; $3: the states that wait.
SELECT_CHANNELS: Final = """
select channels.id, channels.name, channels.kind, channels.target, channels.min_severity, channels.insight_kinds,
    channels.sends_insights, channels.sends_digest, channels.alerts_per_week, channels.is_active,
    counted.sent, counted.waiting, counted.dead, channels.secret_number, channels.secret_changed_at,
    channels.created_at, channels.updated_at, channels.xmin::text as version,
    coalesce((
        select jsonb_agg(jsonb_build_object(
            'id', tests.id, 'recipient', tests.recipient, 'state', tests.state, 'attempts', tests.attempts,
            'last_error', tests.last_error, 'created_at', tests.created_at
        ) order by tests.recipient)
        from app.notification_deliveries as tests
        where tests.org_id = channels.org_id and tests.channel_id = channels.id and tests.event = 'test'
            and tests.repeat = counted.tests
    ), '[]') as last_test, counted.tests
from app.notification_channels as channels
cross join lateral (
    select count(*) filter (where deliveries.state = 'sent') as sent,
        count(*) filter (where deliveries.state = any($3::text[])) as waiting,
        count(*) filter (where deliveries.state = 'dead') as dead,
        coalesce(max(deliveries.repeat) filter (where deliveries.event = 'test'), 0) as tests
    from app.notification_deliveries as deliveries
    where deliveries.org_id = channels.org_id and deliveries.channel_id = channels.id
) as counted
where channels.org_id = $1 and channels.removed_at is null and ($2::uuid is null or channels.id = $2)
order by channels.name
limit $4
"""
CHANNEL: Final = Resource(
    "notification_channels", "channel",
    "select id, kind, target, is_active, secret_number, xmin::text as version from app.notification_channels "
    "where org_id = $1 and id = $2 and removed_at is null",
)  # fmt: skip
INSERT_TEST: Final = """
insert into app.notification_deliveries (
    org_id, channel_id, recipient, event, repeat, told_at, next_attempt_at, created_at
)
select $1, $2, unnest($3::text[]), 'test', $4, $5, $5, $5
"""


async def list_channels(tx: Tx) -> All[Channel]:
    """Return the channels by name, at most MOST_CHANNELS. Raises Refusal forbidden."""
    _demand_admin(tx)
    found = await tx.rows(SELECT_CHANNELS, tx.org_id, None, WAITING_STATES, MOST_CHANNELS)
    return All.model_construct(items=[_as_channel(row) for row in found])


async def get_channel(tx: Tx, channel_id: UUID) -> Channel:
    """Return the channel. Raises Refusal: forbidden, not_found."""
    return _as_channel(await _found(tx, channel_id))


async def create_channel(tx: Tx, request: NewChannel, kinds: ChannelKinds) -> Channel:
    """Create a channel. Raises Refusal: forbidden, invalid (unknown_kind, invalid_target), conflict name_taken."""
    _demand_admin(tx)
    values = request.model_dump() | {"target": _checked(request.kind, request.target, kinds)}
    return await get_channel(tx, await rows.insert(tx, CHANNEL, values))


async def edit_channel(
    tx: Tx, channel_id: UUID, change: ChannelChange, expected: str | None, kinds: ChannelKinds
) -> Channel:
    """Change or pause a channel; `expected`: the version that the caller last read, if given.

    What waits already goes to its former target. Raises Refusal: not_found, stale, and those of `create_channel`.
    """
    _demand_admin(tx)
    row = await rows.lock(tx, CHANNEL, channel_id, expected)
    changes = rows.changes_of(change)
    if "target" in changes:
        changes["target"] = _checked(row["kind"], changes["target"], kinds)
    await rows.update(tx, CHANNEL, channel_id, changes)
    return await get_channel(tx, channel_id)


async def remove_channel(tx: Tx, channel_id: UUID) -> None:
    """Remove a channel: what waits is never sent; what was sent stays in the ledger. Its name is free again.

    Raises Refusal: forbidden, not_found.
    """
    _demand_admin(tx)
    await rows.lock(tx, CHANNEL, channel_id, None)
    await rows.update(tx, CHANNEL, channel_id, {"removed_at": tx.at, "is_active": False, "target": ""})


async def test_channel(tx: Tx, channel_id: UUID, kinds: ChannelKinds) -> Channel:
    """Write a test message to each recipient, which the sender delivers as it does alerts.

    Raises Refusal: forbidden, not_found, invalid unknown_kind, conflict (channel_paused, test_waiting).
    """
    _demand_admin(tx)
    await rows.lock(tx, CHANNEL, channel_id, None)
    row = await _found(tx, channel_id)
    if not row["is_active"]:
        raise Refusal("conflict", "channel_paused", "A paused channel sends nothing: activate it first.")
    if any(test["state"] in WAITING_STATES for test in row["last_test"]):
        raise Refusal("conflict", "test_waiting", "The last test message is still waiting to be sent.")
    recipients = _kind_of(row["kind"], kinds).recipients(row["target"])
    await tx.execute(INSERT_TEST, tx.org_id, channel_id, recipients, row["tests"] + 1, tx.at)
    return await get_channel(tx, channel_id)


async def rotate_secret(tx: Tx, channel_id: UUID, key: str) -> ChannelSecret:
    """Give a webhook another secret; the result has it. The former one is valid for FORMER_VALID_FOR.

    `key`: from which secrets are derived. Raises Refusal: forbidden, not_found, conflict not_signed.
    """
    _demand_admin(tx)
    row = await rows.lock(tx, CHANNEL, channel_id, None)
    if row["kind"] != SIGNED_KIND:
        raise Refusal("conflict", "not_signed", f"The messages of a channel of kind {row['kind']} are not signed.")
    number = row["secret_number"] + 1
    await rows.update(tx, CHANNEL, channel_id, {"secret_number": number, "secret_changed_at": tx.at})
    return ChannelSecret.model_construct(
        secret=channel_secret(key, channel_id, number), former_valid_until=tx.at + FORMER_VALID_FOR
    )


async def _found(tx: Tx, channel_id: UUID) -> asyncpg.Record:
    _demand_admin(tx)
    row = await tx.row(SELECT_CHANNELS, tx.org_id, channel_id, WAITING_STATES, 1)
    if row is None:
        raise not_found(CHANNEL.noun)
    return row


def _kind_of(kind: str, kinds: ChannelKinds) -> ChannelKind:
    if kind not in kinds:
        known = ", ".join(kinds) or "none"
        raise Refusal("invalid", "unknown_kind", f"The kinds of channels are: {known}.", field="kind")
    return kinds[kind]


def _checked(kind: str, target: str, kinds: ChannelKinds) -> str:
    """Return the target in the form in which it is stored. Raises Refusal: invalid (unknown_kind, invalid_target)."""
    try:
        return _kind_of(kind, kinds).check_target(target)
    except HubError as error:
        raise Refusal("invalid", "invalid_target", str(error), field="target") from None


def _demand_admin(tx: Tx) -> None:
    demand_admin(tx, "Channels are")


def _as_channel(row: asyncpg.Record) -> Channel:
    values: dict[str, Any] = dict(row)
    del values["tests"], values["secret_number"]
    values["target"] = without_secret(row["target"])
    values["last_test"] = [test | {"recipient": without_secret(test["recipient"])} for test in row["last_test"]]
    return Channel.model_validate(values)
