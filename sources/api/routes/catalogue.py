"""Routes of people."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from sources.api.problems import COMMON
from sources.api.request_context import Reading, reply
from sources.operations.bookings import catalogue
from sources.operations.bookings.access import Page
from sources.operations.bookings.catalogue import PeopleQuery, Person

router = APIRouter(prefix="/v1", tags=["catalogue"], responses=COMMON)


@router.get("/people", response_model=Page[Person], summary="List people")
async def list_people(context: Reading, query: Annotated[PeopleQuery, Query()]) -> Response:
    """Admins see all people; others see the providers, themselves, and the clients of their bookings."""
    return reply(await context.run(lambda tx: catalogue.list_people(tx, query)))
