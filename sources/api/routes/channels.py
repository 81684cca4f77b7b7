"""Routes of the channels of insights and digests."""

from uuid import UUID

from fastapi import APIRouter, Response

from sources.api.problems import CHANGES, COMMON, WRITES
from sources.api.request_context import Context, Reading, Writing, reply
from sources.errors import HubError
from sources.operations.bookings.access import All
from sources.operations.errors import Refusal
from sources.operations.settings import channels
from sources.operations.settings.channels import Channel, ChannelChange, ChannelKinds, ChannelSecret, NewChannel

router = APIRouter(prefix="/v1/channels", tags=["channels"], responses=COMMON)


@router.get("", response_model=All[Channel], summary="List the channels")
async def list_channels(context: Reading) -> Response:
    """By name, with the numbers of their deliveries. For admins, as all of this."""
    return reply(await context.run(channels.list_channels))


@router.post("", status_code=201, response_model=Channel, responses=WRITES, summary="Add a channel")
async def create_channel(context: Writing, body: NewChannel) -> Response:
    """It gets what is told from now on."""
    return await context.write(
        lambda tx: channels.create_channel(tx, body, _kinds(context)),
        status=201,
        location=lambda created: f"/v1/channels/{created.id}",
    )


@router.get("/{channel_id}", response_model=Channel, summary="Read a channel")
async def get_channel(context: Reading, channel_id: UUID) -> Response:
    return reply(await context.run(lambda tx: channels.get_channel(tx, channel_id)))


@router.patch("/{channel_id}", response_model=Channel, responses=CHANGES, summary="Change or pause a channel")
async def edit_channel(context: Writing, channel_id: UUID, body: ChannelChange) -> Response:
    """`is_active: false` pauses it. What waits already goes to its former target."""
    return await context.write(
        lambda tx: channels.edit_channel(tx, channel_id, body, context.if_match, _kinds(context))
    )


@router.delete("/{channel_id}", status_code=204, responses=WRITES, summary="Remove a channel")
async def remove_channel(context: Writing, channel_id: UUID) -> Response:
    """What waits is never sent. Its name is free again."""
    return await context.write(lambda tx: channels.remove_channel(tx, channel_id), status=204)


@router.post(
    "/{channel_id}/test", status_code=202, response_model=Channel, responses=WRITES, summary="Send a test message"
)
async def test_channel(context: Writing, channel_id: UUID) -> Response:
    """The sender delivers it as it does alerts; `last_test` of the channel has the outcome."""
    return await context.write(lambda tx: channels.test_channel(tx, channel_id, _kinds(context)), status=202)


@router.post(
    "/{channel_id}/secret", response_model=ChannelSecret, responses=WRITES, summary="Rotate a webhook's secret"
)
async def rotate_secret(context: Reading, channel_id: UUID) -> Response:
    """Only this response has the secret. It takes no Idempotency-Key, which would store the response; call it again if
    the response was not received."""
    try:
        key = context.request.app.state.settings.secret("webhook_secret")
    except HubError as error:
        raise Refusal("unavailable", "secret_missing", str(error)) from None
    return reply(await context.run(lambda tx: channels.rotate_secret(tx, channel_id, key)))


def _kinds(context: Context) -> ChannelKinds:
    kinds: ChannelKinds = context.request.app.state.channel_kinds
    return kinds
