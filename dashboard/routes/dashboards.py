"""The dashboards that people make for themselves: the list, and one with its tiles."""

from typing import Literal
from uuid import UUID

from fastapi import APIRouter, Response
from starlette.datastructures import FormData

from dashboard.access import Owner, SentForm, Visitor
from dashboard.forms import Rejected, submit
from dashboard.rendering import PageRoute, leads_to, page
from notifications import panels
from notifications.panels import ShownTile
from sources.operations import saved_views
from sources.operations.saved_views import NewView, SavedView, Sending, ViewChange
from sources.operations.settings import channels
from sources.operations.settings.channels import Channel
from sources.operations.transaction import Tx

router = APIRouter(prefix="/dashboards", route_class=PageRoute, include_in_schema=False, tags=["pages"])


@router.get("")
async def list_dashboards(visitor: Owner) -> Response:
    return await _listed(visitor)


async def _listed(visitor: Visitor, rejected: Rejected | None = None) -> Response:
    views = await visitor.run(saved_views.list_views)
    return page(visitor, "dashboards.html.j2", status=422 if rejected else 200, views=views, rejected=rejected)


@router.post("")
async def make_dashboard(form: SentForm, visitor: Owner) -> Response:
    made = await submit(visitor, form, NewView, saved_views.create_view)
    if isinstance(made, Rejected):
        return await _listed(visitor, made)
    return leads_to(f"/dashboards/{made.id}", "Made. Add tiles from the explorer.")


@router.get("/{view_id}")
async def open_dashboard(visitor: Owner, view_id: UUID) -> Response:
    return await _shown(visitor, view_id)


async def _shown(visitor: Visitor, view_id: UUID, rejected: Rejected | None = None) -> Response:
    as_of = visitor.as_of

    async def read(tx: Tx) -> tuple[SavedView, list[Channel], list[ShownTile]]:
        view = await saved_views.get_view(tx, view_id)
        is_sender = view.is_own and tx.caller.role == "admin"
        receivers = (await channels.list_channels(tx)).items if is_sender else []
        return view, receivers, [await panels.read_tile(tx, tile, as_of) for tile in view.tiles] if as_of else []

    view, receivers, tiles = await visitor.run(read)
    return page(
        visitor, "dashboard.html.j2", status=422 if rejected else 200, view=view, tiles=tiles, rejected=rejected,
        most_rows=panels.MOST_ROWS, compared=panels.COMPARED, receivers=receivers,
        receiver=next((each for each in receivers if each.id == view.sent_to), None),
    )  # fmt: skip


@router.post("/{view_id}")
async def change_dashboard(form: SentForm, visitor: Owner, view_id: UUID) -> Response:
    changed = await submit(visitor, form, ViewChange, lambda tx, change: saved_views.change_view(tx, view_id, change))
    if isinstance(changed, Rejected):
        return await _shown(visitor, view_id, changed)
    return leads_to(f"/dashboards/{view_id}", _told(changed, form))


def _told(view: SavedView, form: FormData) -> str:
    if "is_shared" not in form:
        return "Renamed."
    return "Shared with everyone who sees the figures." if view.is_shared else "Only you see it."


@router.post("/{view_id}/sending")
async def send_dashboard(form: SentForm, visitor: Owner, view_id: UUID) -> Response:
    sent = await submit(visitor, form, Sending, lambda tx, sending: saved_views.send_view(tx, view_id, sending))
    if isinstance(sent, Rejected):
        return await _shown(visitor, view_id, sent)
    return leads_to(
        f"/dashboards/{view_id}", "It is not sent." if sent.sent_to is None else f"Sent every {sent.sent_every}."
    )


@router.post("/{view_id}/delete")
async def delete_dashboard(_form: SentForm, visitor: Owner, view_id: UUID) -> Response:
    await visitor.run(lambda tx: saved_views.delete_view(tx, view_id))
    return leads_to("/dashboards", "Deleted.")


@router.post("/{view_id}/tiles/{tile_id}/{change}")
async def change_tile(
    _form: SentForm, visitor: Owner, view_id: UUID, tile_id: UUID, change: Literal["up", "down", "remove"]
) -> Response:
    if change == "remove":
        await visitor.run(lambda tx: saved_views.remove_tile(tx, view_id, tile_id))
        return leads_to(f"/dashboards/{view_id}", "Removed.")
    await visitor.run(lambda tx: saved_views.move_tile(tx, view_id, tile_id, change))
    return leads_to(f"/dashboards/{view_id}#tile-{tile_id}")
