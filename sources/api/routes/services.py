"""Routes of the services on offer, their packages and their add-ons."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from sources.api.problems import CHANGES, COMMON, WRITES
from sources.api.request_context import Reading, Writing, reply
from sources.operations.bookings.access import All
from sources.operations.settings import services
from sources.operations.settings.services import (
    AddOnChange,
    AddOnOffer,
    NewAddOn,
    NewPackage,
    NewService,
    Package,
    PackageChange,
    Service,
    ServiceChange,
    ServicesQuery,
)

router = APIRouter(prefix="/v1", tags=["catalogue"], responses=COMMON)


@router.get("/services", response_model=All[Service], summary="List the services on offer")
async def list_services(context: Reading, query: Annotated[ServicesQuery, Query()]) -> Response:
    """Each service has its packages and add-ons; for admins what is retired as well, with `with_retired`."""
    return reply(await context.run(lambda tx: services.list_services(tx, query)))


@router.post("/services", status_code=201, response_model=Service, responses=WRITES, summary="Add a service")
async def create_service(context: Writing, body: NewService) -> Response:
    """For admins. It is on offer at once."""
    return await context.write(
        lambda tx: services.create_service(tx, body),
        status=201,
        location=lambda created: f"/v1/services/{created.id}",
    )


@router.get("/services/{service_id}", response_model=Service, summary="Read a service")
async def get_service(context: Reading, service_id: UUID) -> Response:
    return reply(await context.run(lambda tx: services.get_service(tx, service_id)))


@router.patch("/services/{service_id}", response_model=Service, responses=CHANGES, summary="Change or retire a service")
async def edit_service(context: Writing, service_id: UUID, body: ServiceChange) -> Response:
    """For admins. A new price is that of later bookings; `is_active: false` retires the service."""
    return await context.write(lambda tx: services.edit_service(tx, service_id, body, context.if_match))


@router.post(
    "/services/{service_id}/packages",
    status_code=201, response_model=Package, responses=WRITES, summary="Add a package",
)  # fmt: skip
async def create_package(context: Writing, service_id: UUID, body: NewPackage) -> Response:
    """For admins. Its price is in the currency of the service."""
    return await context.write(
        lambda tx: services.create_package(tx, service_id, body),
        status=201,
        location=lambda created: f"/v1/packages/{created.id}",
    )


@router.get("/packages/{package_id}", response_model=Package, summary="Read a package")
async def get_package(context: Reading, package_id: UUID) -> Response:
    return reply(await context.run(lambda tx: services.get_package(tx, package_id)))


@router.patch("/packages/{package_id}", response_model=Package, responses=CHANGES, summary="Change or retire a package")
async def edit_package(context: Writing, package_id: UUID, body: PackageChange) -> Response:
    """For admins. A new price is that of later bookings; `is_active: false` retires the package."""
    return await context.write(lambda tx: services.edit_package(tx, package_id, body, context.if_match))


@router.post(
    "/services/{service_id}/add-ons",
    status_code=201, response_model=AddOnOffer, responses=WRITES, summary="Add an add-on",
)  # fmt: skip
async def create_add_on(context: Writing, service_id: UUID, body: NewAddOn) -> Response:
    """For admins. Its price is in the currency of the service."""
    return await context.write(
        lambda tx: services.create_add_on(tx, service_id, body),
        status=201,
        location=lambda created: f"/v1/add-ons/{created.id}",
    )


@router.get("/add-ons/{add_on_id}", response_model=AddOnOffer, summary="Read an add-on")
async def get_add_on(context: Reading, add_on_id: UUID) -> Response:
    return reply(await context.run(lambda tx: services.get_add_on(tx, add_on_id)))


@router.patch(
    "/add-ons/{add_on_id}", response_model=AddOnOffer, responses=CHANGES, summary="Change or retire an add-on"
)
async def edit_add_on(context: Writing, add_on_id: UUID, body: AddOnChange) -> Response:
    """For admins. A new price is that of later bookings; `is_active: false` retires the add-on."""
    return await context.write(lambda tx: services.edit_add_on(tx, add_on_id, body, context.if_match))
