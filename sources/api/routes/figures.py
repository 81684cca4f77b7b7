"""Routes of the metrics: what there is, and its figures."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from sources.api.problems import COMMON
from sources.api.request_context import Reading, reply
from sources.operations import figures
from sources.operations.figures import Figures, FiguresQuery, Metrics

router = APIRouter(prefix="/v1/metrics", tags=["metrics"], responses=COMMON)


@router.get("", response_model=Metrics, summary="List the metrics")
async def list_metrics(context: Reading) -> Response:
    """What there is to query, with its definitions. For admins and analysts."""
    return reply(await context.run(figures.list_metrics))


@router.get("/query", response_model=Figures, summary="Read figures")
async def query_figures(context: Reading, query: Annotated[FiguresQuery, Query()]) -> Response:
    """By day, week, month, quarter or year, by the members of a dimension, beside what they are compared with.

    For admins and analysts. 404 `not_built` before the first run.
    """
    return reply(await context.run(lambda tx: figures.query_figures(tx, query)))
