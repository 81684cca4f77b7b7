"""The services on offer with their packages and add-ons. None is deleted: bookings refer to them. They are retired.

A changed price is that of later bookings: a booking keeps the price that it was agreed at.
"""

from decimal import Decimal
from typing import Annotated, Any, Final
from uuid import UUID

import asyncpg
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from sources.operations.bookings.access import All
from sources.operations.errors import not_found
from sources.operations.field_types import Line, Money, Price, Request
from sources.operations.settings import rows
from sources.operations.settings.rows import Resource, demand_admin
from sources.operations.transaction import Tx

MOST_SERVICES: Final = 500
LONGEST_HOURS: Final = 8784  # as a booking: a year

CurrencyCode = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
Duration = Annotated[Decimal, Field(gt=0, le=LONGEST_HOURS, max_digits=8, decimal_places=2, examples=["1.5"])]
OnOffer = Annotated[bool, Field(description="False: retired, for no later booking.")]
Version = Annotated[str, Field(description="The ETag; it differs after every change.")]


class NewService(Request):
    """A service. Prices of its packages and add-ons are in its currency."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "Consultation", "base_price": "120.00", "duration_hours": "2"}]}
    )
    name: Line
    category: Line | None = None
    base_price: Price
    currency: CurrencyCode | None = Field(None, description="By default that of the organisation.")
    duration_hours: Duration | None = Field(None, description="The usual length; clients book no longer time.")


class ServiceChange(Request):
    """The fields to change; a field that is absent is kept."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"base_price": "130.00"}]})
    name: Line = Field(default_factory=str)
    category: Line | None = None
    base_price: Price = Decimal(0)
    duration_hours: Duration | None = None
    is_active: OnOffer = True


class NewPackage(Request):
    """A package of a service, at a price of its own."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Half day", "price": "300.00"}]})
    name: Line
    price: Price
    hours_included: Duration | None = None


class PackageChange(Request):
    """The fields to change; a field that is absent is kept."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"is_active": False}]})
    name: Line = Field(default_factory=str)
    price: Price = Decimal(0)
    hours_included: Duration | None = None
    is_active: OnOffer = True


class NewAddOn(Request):
    """An add-on of a service."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Extra hour", "price": "40.00"}]})
    name: Line
    price: Price


class AddOnChange(Request):
    """The fields to change; a field that is absent is kept."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"price": "45.00"}]})
    name: Line = Field(default_factory=str)
    price: Price = Decimal(0)
    is_active: OnOffer = True


class Package(BaseModel):
    """A package of a service at its own price."""

    id: UUID
    name: str
    price: Money
    currency: str
    hours_included: Decimal | None
    is_active: OnOffer
    version: Version


class AddOnOffer(BaseModel):
    """An add-on of a service."""

    id: UUID
    name: str
    price: Money
    currency: str
    is_active: OnOffer
    version: Version


class Service(BaseModel):
    """A service with its packages and add-ons."""

    id: UUID
    name: str
    category: str | None
    base_price: Money
    currency: str
    duration_hours: Decimal | None
    is_active: OnOffer
    packages: list[Package]
    add_ons: list[AddOnOffer]
    version: Version


class ServicesQuery(Request):
    """What a list of services has."""

    with_retired: bool = Field(False, description="For admins: what is retired as well.")


# Hub tables without a row_version have the transaction of their last change as their version.
PACKAGE_COLUMNS: Final = "id, name, price, currency, hours_included, is_active, row_version::text as version"
ADD_ON_COLUMNS: Final = "id, name, price, currency, is_active, xmin::text as version"
# $3: retired ones too.
SELECT_SERVICES: Final = """
select services.id, services.name, services.category, services.base_price, services.currency,
    services.duration_hours, services.is_active, services.row_version::text as version,
    coalesce((
        select jsonb_agg(jsonb_build_object(
            'id', packages.id, 'name', packages.name, 'price', packages.price::text, 'currency', packages.currency,
            'hours_included', packages.hours_included::text, 'is_active', packages.is_active,
            'version', packages.row_version::text
        ) order by packages.price, packages.name)
        from app.service_packages as packages
        where packages.org_id = services.org_id and packages.service_id = services.id and (packages.is_active or $3)
    ), '[]') as packages,
    coalesce((
        select jsonb_agg(jsonb_build_object(
            'id', add_ons.id, 'name', add_ons.name, 'price', add_ons.price::text, 'currency', add_ons.currency,
            'is_active', add_ons.is_active, 'version', add_ons.xmin::text
        ) order by add_ons.name)
        from app.service_add_ons as add_ons
        where add_ons.org_id = services.org_id and add_ons.service_id = services.id and (add_ons.is_active or $3)
    ), '[]') as add_ons
from app.services as services
where services.org_id = $1 and ($2::uuid is null or services.id = $2) and (services.is_active or $3)
order by services.name
limit $4
"""
SERVICE: Final = Resource(
    "services", "service",
    "select id, currency, row_version::text as version from app.services where org_id = $1 and id = $2",
)  # fmt: skip
PACKAGE: Final = Resource(
    "service_packages", "package",
    f"select {PACKAGE_COLUMNS} from app.service_packages where org_id = $1 and id = $2",  # noqa: S608
)  # fmt: skip
ADD_ON: Final = Resource(
    "service_add_ons", "add-on",
    f"select {ADD_ON_COLUMNS} from app.service_add_ons where org_id = $1 and id = $2",  # noqa: S608
)  # fmt: skip
SELECT_CURRENCY: Final = "select currency from app.organizations where id = $1"


async def list_services(tx: Tx, query: ServicesQuery) -> All[Service]:
    """Return the services on offer, by name, at most MOST_SERVICES. Raises Refusal forbidden for retired ones."""
    if query.with_retired:
        _demand_admin(tx)
    found = await tx.rows(SELECT_SERVICES, tx.org_id, None, query.with_retired, MOST_SERVICES)
    return All.model_construct(items=[Service.model_validate(dict(row)) for row in found])


async def get_service(tx: Tx, service_id: UUID) -> Service:
    """Return the service; for admins with what is retired. Raises Refusal not_found."""
    found = await tx.row(SELECT_SERVICES, tx.org_id, service_id, tx.caller.role in ("admin", "system"), 1)
    if found is None:
        raise not_found("service")
    return Service.model_validate(dict(found))


async def create_service(tx: Tx, request: NewService) -> Service:
    """Create a service. Raises Refusal: forbidden, conflict name_taken."""
    _demand_admin(tx)
    currency = request.currency or (await tx.one(SELECT_CURRENCY, tx.org_id))["currency"]
    return await get_service(tx, await rows.insert(tx, SERVICE, request.model_dump() | {"currency": currency}))


async def edit_service(tx: Tx, service_id: UUID, change: ServiceChange, expected: str | None) -> Service:
    """Change or retire a service; `expected`: the version that the caller last read, if given.

    Raises Refusal: forbidden, not_found, stale, conflict name_taken.
    """
    await _edit(tx, SERVICE, service_id, change, expected)
    return await get_service(tx, service_id)


async def create_package(tx: Tx, service_id: UUID, request: NewPackage) -> Package:
    """Create a package of a service. Raises Refusal: forbidden, not_found, conflict name_taken."""
    return _as_package(await _create(tx, PACKAGE, service_id, request))


async def get_package(tx: Tx, package_id: UUID) -> Package:
    """Return the package. Raises Refusal not_found."""
    return _as_package(await rows.find(tx, PACKAGE, package_id))


async def edit_package(tx: Tx, package_id: UUID, change: PackageChange, expected: str | None) -> Package:
    """Change or retire a package, as `edit_service`."""
    return _as_package(await _edit(tx, PACKAGE, package_id, change, expected))


async def create_add_on(tx: Tx, service_id: UUID, request: NewAddOn) -> AddOnOffer:
    """Create an add-on of a service. Raises Refusal: forbidden, not_found, conflict name_taken."""
    return _as_add_on(await _create(tx, ADD_ON, service_id, request))


async def get_add_on(tx: Tx, add_on_id: UUID) -> AddOnOffer:
    """Return the add-on. Raises Refusal not_found."""
    return _as_add_on(await rows.find(tx, ADD_ON, add_on_id))


async def edit_add_on(tx: Tx, add_on_id: UUID, change: AddOnChange, expected: str | None) -> AddOnOffer:
    """Change or retire an add-on, as `edit_service`."""
    return _as_add_on(await _edit(tx, ADD_ON, add_on_id, change, expected))


async def _create(tx: Tx, resource: Resource, service_id: UUID, request: Request) -> asyncpg.Record:
    """Insert a part of a service, in its currency, and return its row."""
    _demand_admin(tx)
    service = await rows.find(tx, SERVICE, service_id)
    values: dict[str, Any] = request.model_dump() | {"service_id": service_id, "currency": service["currency"]}
    return await rows.find(tx, resource, await rows.insert(tx, resource, values))


async def _edit(tx: Tx, resource: Resource, row_id: UUID, change: Request, expected: str | None) -> asyncpg.Record:
    _demand_admin(tx)
    await rows.lock(tx, resource, row_id, expected)
    await rows.update(tx, resource, row_id, rows.changes_of(change))
    return await rows.find(tx, resource, row_id)


def _demand_admin(tx: Tx) -> None:
    demand_admin(tx, "Changes of the catalogue, and what is retired, are")


def _as_package(row: asyncpg.Record) -> Package:
    return Package.model_construct(**dict(row))


def _as_add_on(row: asyncpg.Record) -> AddOnOffer:
    return AddOnOffer.model_construct(**dict(row))
