"""Dashboards that people make for themselves: tiles of the explorer in an order, which may be shared."""

from typing import Any, Final, Literal
from uuid import UUID, uuid4

import asyncpg
from pydantic import BaseModel

from sources.operations.errors import Refusal, not_found
from sources.operations.explorations import Exploration
from sources.operations.field_types import Line, Moment, Request
from sources.operations.settings.rows import demand_admin
from sources.operations.transaction import Tx
from sources.row_values import SentEvery

Size = Literal["half", "whole"]  # of the width of the page
Direction = Literal["up", "down"]

MOST_VIEWS: Final = 50  # of one person
MOST_TILES: Final = 12  # of one dashboard, so that it is read in one go


class Tile(BaseModel):
    """What the explorer showed when it was saved, with a title of its own."""

    id: UUID
    title: str
    size: Size
    exploration: Exploration


class SavedView(BaseModel):
    """A dashboard. `is_own`: the caller made it, and may change it. `sent_to`: the channel that it is sent to."""

    id: UUID
    name: str
    is_shared: bool
    is_own: bool
    made_by: str
    sent_to: UUID | None
    sent_every: SentEvery
    tiles: list[Tile]
    updated_at: Moment


class NewView(Request):
    """A dashboard without tiles."""

    name: Line


class ViewChange(Request):
    """What to change of a dashboard; what is absent is kept."""

    name: Line | None = None
    is_shared: bool | None = None


class Sending(Request):
    """Where a dashboard is sent, and how often. Without a channel it is not sent."""

    sent_to: UUID | None = None
    sent_every: SentEvery = "week"


class NewTile(Request):
    """A tile for a dashboard of the caller's own: a new one of the name `view_name` if it is given, or `view_id`."""

    title: Line
    size: Size = "half"
    view_id: UUID | None = None
    view_name: Line | None = None


FROM_VIEWS: Final = """
select views.id, views.name, views.is_shared, views.profile_id is not distinct from $2 as is_own,
    people.full_name as made_by, views.sent_to, views.sent_every, views.tiles, views.updated_at
from app.saved_views as views
inner join app.profiles as people on people.org_id = views.org_id and people.id = views.profile_id
where views.org_id = $1
"""
SELECT_VIEWS: Final = f"{FROM_VIEWS} order by is_own desc, lower(views.name), views.id limit $3"
SELECT_VIEW: Final = f"{FROM_VIEWS} and views.id = $3"
COUNT_VIEWS: Final = "select count(*) as views from app.saved_views where org_id = $1 and profile_id = $2"
LOCK_VIEW: Final = "select from app.saved_views where org_id = $1 and profile_id = $2 and id = $3 for update"
INSERT_VIEW: Final = """
insert into app.saved_views (org_id, profile_id, name, created_at, updated_at) values ($1, $2, $3, $4, $4) returning id
"""
FIND_CHANNEL: Final = "select from app.notification_channels where org_id = $1 and id = $2 and removed_at is null"
UPDATE_VIEW: Final = """
update app.saved_views set name = $3, is_shared = $4, sent_to = $5, sent_every = $6, tiles = $7
where org_id = $1 and id = $2
"""
DELETE_VIEW: Final = "delete from app.saved_views where org_id = $1 and profile_id = $2 and id = $3 returning id"
LISTED: Final = 500


async def list_views(tx: Tx) -> list[SavedView]:
    """Return the caller's dashboards and those that are shared with them, by name. Raises Refusal forbidden."""
    _demand_rights(tx)
    return [_as_view(row) for row in await tx.rows(SELECT_VIEWS, tx.org_id, tx.caller.profile_id, LISTED)]


async def get_view(tx: Tx, view_id: UUID) -> SavedView:
    """Return a dashboard. Raises Refusal: forbidden, not_found."""
    _demand_rights(tx)
    row = await tx.row(SELECT_VIEW, tx.org_id, tx.caller.profile_id, view_id)
    if row is None:
        raise not_found("dashboard")
    return _as_view(row)


async def find_sent_view(tx: Tx, view_id: UUID) -> SavedView | None:
    """Return a dashboard that is sent, for the Hub itself; None where there is none (any more)."""
    row = await tx.row(SELECT_VIEW, tx.org_id, tx.caller.profile_id, view_id)
    return _as_view(row) if row is not None and row["sent_to"] is not None else None


async def create_view(tx: Tx, request: NewView) -> SavedView:
    """Make a dashboard of the caller's own. Raises Refusal: forbidden, conflict (too_many)."""
    _demand_rights(tx)
    count = await tx.one(COUNT_VIEWS, tx.org_id, tx.caller.profile_id)
    if count["views"] >= MOST_VIEWS:
        raise Refusal("conflict", "too_many", f"You have {MOST_VIEWS} dashboards. Delete one first.", field="name")
    inserted = await tx.one(INSERT_VIEW, tx.org_id, tx.caller.profile_id, request.name, tx.at)
    return await get_view(tx, inserted["id"])


async def change_view(tx: Tx, view_id: UUID, change: ViewChange) -> SavedView:
    """Rename a dashboard of the caller's own, share it, or keep it for oneself, so that it is not sent either.

    Raises Refusal: forbidden, not_found.
    """
    view = await _own_view(tx, view_id)
    return await _keep(tx, view.model_copy(update=change.model_dump(exclude_none=True)))


async def send_view(tx: Tx, view_id: UUID, sending: Sending) -> SavedView:
    """Send a dashboard of the caller's own to a channel, or to none.

    Raises Refusal: forbidden (not an admin), not_found, conflict (not_shared), invalid (unknown_channel).
    """
    demand_admin(tx, "Sending a dashboard is")
    view = await _own_view(tx, view_id)
    if sending.sent_to is not None:
        if not view.is_shared:
            raise Refusal("conflict", "not_shared", "Only a dashboard that is shared can be sent.", field="sent_to")
        if await tx.row(FIND_CHANNEL, tx.org_id, sending.sent_to) is None:
            raise Refusal("invalid", "unknown_channel", "There is no such channel.", field="sent_to")
    return await _keep(tx, view.model_copy(update=sending.model_dump()))


async def delete_view(tx: Tx, view_id: UUID) -> None:
    """Delete a dashboard of the caller's own. Raises Refusal: forbidden, not_found."""
    _demand_rights(tx)
    if await tx.row(DELETE_VIEW, tx.org_id, tx.caller.profile_id, view_id) is None:
        raise not_found("dashboard")


async def add_tile(tx: Tx, request: NewTile, exploration: Exploration) -> SavedView:
    """Add a tile at the end of a dashboard, or of a new one.

    Raises Refusal: forbidden, not_found, invalid (name_missing), conflict (too_many).
    """
    if request.view_name is not None:
        view = await create_view(tx, NewView(name=request.view_name))
    elif request.view_id is not None:
        view = await _own_view(tx, request.view_id)
    else:
        raise Refusal("invalid", "name_missing", "Name the new dashboard, or choose one.", field="view_name")
    if len(view.tiles) >= MOST_TILES:
        raise Refusal(
            "conflict", "too_many", f"A dashboard has at most {MOST_TILES} tiles. Choose another one.", field="view_id"
        )
    tile = Tile(id=uuid4(), title=request.title, size=request.size, exploration=exploration)
    return await _keep(tx, view.model_copy(update={"tiles": [*view.tiles, tile]}))


async def move_tile(tx: Tx, view_id: UUID, tile_id: UUID, direction: Direction) -> SavedView:
    """Exchange a tile with its neighbour; the first one stays first. Raises Refusal: forbidden, not_found."""
    view = await _own_view(tx, view_id)
    tiles = list(view.tiles)
    at = _position(view, tile_id)
    to = min(max(at + (-1 if direction == "up" else 1), 0), len(tiles) - 1)
    tiles[at], tiles[to] = tiles[to], tiles[at]
    return await _keep(tx, view.model_copy(update={"tiles": tiles}))


async def remove_tile(tx: Tx, view_id: UUID, tile_id: UUID) -> SavedView:
    """Take a tile from a dashboard of the caller's own. Raises Refusal: forbidden, not_found."""
    view = await _own_view(tx, view_id)
    at = _position(view, tile_id)
    return await _keep(tx, view.model_copy(update={"tiles": [*view.tiles[:at], *view.tiles[at + 1 :]]}))


def _position(view: SavedView, tile_id: UUID) -> int:
    at = next((at for at, tile in enumerate(view.tiles) if tile.id == tile_id), None)
    if at is None:
        raise not_found("tile")
    return at


async def _own_view(tx: Tx, view_id: UUID) -> SavedView:
    """Return a dashboard of the caller's own, locked. Raises Refusal: forbidden, not_found."""
    _demand_rights(tx)
    if await tx.row(LOCK_VIEW, tx.org_id, tx.caller.profile_id, view_id) is None:
        raise not_found("dashboard")
    return await get_view(tx, view_id)


async def _keep(tx: Tx, view: SavedView) -> SavedView:
    """Write a dashboard. One that is not shared is not sent either."""
    sent_to = view.sent_to if view.is_shared else None
    tiles: list[dict[str, Any]] = [tile.model_dump(mode="json") for tile in view.tiles]
    await tx.execute(UPDATE_VIEW, tx.org_id, view.id, view.name, view.is_shared, sent_to, view.sent_every, tiles)
    return await get_view(tx, view.id)


def _demand_rights(tx: Tx) -> None:
    if tx.caller.role in ("client", "provider") or tx.caller.profile_id is None:
        raise Refusal("forbidden", "not_allowed", "Dashboards are for the admins and analysts of the organisation.")


def _as_view(row: asyncpg.Record) -> SavedView:
    return SavedView.model_construct(**dict(row) | {"tiles": [Tile.model_validate(tile) for tile in row["tiles"]]})
