"""Commands `hub people`: the people of an organisation, their access, and what is kept of one of them."""

import secrets
from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

import typer
from psycopg import IsolationLevel
from pydantic import ValidationError

from cli import common
from cli.common import AsJson, Organization, console
from cli.operations import run_operation
from notifications import invitations
from sources import database, people, sign_in
from sources.api.invitations import Invitation
from sources.errors import HubError
from sources.operations.settings import organization
from sources.operations.settings import people as operations
from sources.operations.settings.people import Erasure, Handover, NewPerson, PersonChange, PersonDetails
from sources.operations.transaction import Tx
from sources.row_values import PersonRole
from sources.settings import Settings

app = typer.Typer(
    help="Invite people, change their access, and export what is kept of one. Example: hub people list",
    no_args_is_help=True,
)
Who = Annotated[str, typer.Argument(metavar="PERSON", help="The e-mail address or the id of the person.")]


@app.command("list")
def list_people(org: Organization = None, as_json: AsJson = False) -> None:
    """List the people of an organisation. Example: hub people list --org SLUG"""
    settings = common.prepared()
    org_id = common.organization_id(settings, org)
    with database.connect(database.source_url(settings)) as connection:
        rows = people.listed(connection, org_id)
    common.print_rows(
        rows,
        {
            "Id": lambda row: row["id"],
            "Name": lambda row: row["full_name"],
            "E-mail": lambda row: row["email"] or "",
            "Role": lambda row: row["role"],
            "Active": lambda row: "yes" if row["is_active"] else "no",
        },
        as_json=as_json,
        nothing="The organisation has no people yet.",
    )


@app.command()
def export(
    who: Who,
    org: Organization = None,
) -> None:
    """Print what schema `app` keeps of a person, as JSON by table: see docs/people.md.

    Example: hub people export mary@example.com --org SLUG > mary.json
    """
    settings = common.prepared()
    org_id = common.organization_id(settings, org)
    with (
        database.connect(database.source_url(settings)) as source,
        database.connect(database.database_url(settings)) as hub,
    ):
        source.isolation_level = hub.isolation_level = IsolationLevel.REPEATABLE_READ
        common.print_json(people.exported(source, hub, org_id, who))


@app.command()
def invite(
    name: Annotated[str, typer.Argument(help="The name of the person.")],
    role: Annotated[PersonRole, typer.Option(help="What the person may do.")],
    email: Annotated[str | None, typer.Option(help="The address to sign in with; a client may have none.")] = None,
    org: Organization = None,
) -> None:
    """Add a person, and mail the link to sign in with; without HUB_SMTP_URL the link is printed.

    Example: hub people invite "Mary Smith" --role analyst --email mary@example.com --org SLUG
    """
    try:
        request = NewPerson(name=name, role=role, email=email)
    except ValidationError as error:
        raise HubError(f"The person is not valid: {error.errors()[0]['msg'].removeprefix('Value error, ')}") from None
    settings = common.prepared()
    secret, now = secrets.token_urlsafe(32), datetime.now(UTC)

    async def add(tx: Tx) -> tuple[PersonDetails, str]:
        person = await operations.add_person(tx, request)
        if person.email:
            ends_at = now + timedelta(days=sign_in.INVITATION_DAYS)
            await operations.keep_invitation(tx, person.id, sign_in.hash_of(secret), ends_at)
        return person, (await organization.get_organization(tx)).name

    org_id = common.organization_id(settings, org)
    person, organization_name = run_operation(database.source_url(settings), org_id, add)
    console.print(f"{person.name} is added as {person.role}.", markup=False)
    if person.email is None:
        return
    link = sign_in.address_of(settings, secret)
    if invitations.send(settings, Invitation(name, person.email, role, organization_name, link, now)):
        console.print(f"The link to sign in with is mailed to {person.email}.", markup=False)
    else:
        typer.echo(link)


@app.command()
def role(
    who: Who,
    new_role: Annotated[PersonRole, typer.Argument(metavar="ROLE", help="client, provider, admin or analyst.")],
    org: Organization = None,
) -> None:
    """Give a person another role. Example: hub people role mary@example.com analyst --org SLUG"""
    person = _changed(who, org, PersonChange(role=new_role))
    console.print(f"{person.name} is {person.role}, from the next request on.", markup=False)


@app.command()
def deactivate(who: Who, org: Organization = None) -> None:
    """End the access of a person at once. Example: hub people deactivate mary@example.com --org SLUG"""
    person = _changed(who, org, PersonChange(is_active=False))
    console.print(f"{person.name} has no access: sessions and keys have ended.", markup=False)
    if person.open_bookings and person.role == "provider":
        console.print(f"{person.open_bookings} open bookings stay theirs: see `hub people handover --help`.")


@app.command()
def activate(who: Who, org: Organization = None) -> None:
    """Give a person access again, to sign in anew. Example: hub people activate mary@example.com --org SLUG"""
    console.print(f"{_changed(who, org, PersonChange(is_active=True)).name} may sign in again.", markup=False)


@app.command()
def handover(
    who: Who,
    to: Annotated[str, typer.Argument(metavar="OTHER", help="The address or the id of the provider who takes over.")],
    org: Organization = None,
) -> None:
    """Give the open bookings, tasks and approvals of a provider to another.

    Example: hub people handover mary@example.com john@example.com --org SLUG
    """
    settings, org_id = _prepared(org)
    person_id, other_id = _id_of(settings, org_id, who), _id_of(settings, org_id, to)
    moved = run_operation(
        database.source_url(settings),
        org_id,
        lambda tx: operations.hand_over(tx, person_id, Handover(provider_id=other_id)),
    )
    console.print(
        f"Handed over: {moved.bookings} bookings, {moved.tasks} tasks, {moved.approvals} approvals.", markup=False
    )


@app.command()
def erase(
    who: Who,
    name: Annotated[str, typer.Option(help="The name of the person, as a confirmation.")],
    org: Organization = None,
) -> None:
    """Erase name, address and free texts of a person for good: see docs/people.md.

    Example: hub people erase mary@example.com --name "Mary Smith" --org SLUG
    """
    settings, org_id = _prepared(org)
    if database.source_url(settings) != database.database_url(settings):
        raise HubError("HUB_SOURCE_URL is read only: erase the person there. Deliveries and insights of the Hub stay.")
    person_id = _id_of(settings, org_id, who)
    erased = run_operation(
        database.source_url(settings), org_id, lambda tx: operations.erase_person(tx, person_id, Erasure(name=name))
    )
    console.print(f"Erased, {erased.name} from now on. Marts and views follow with the next run.", markup=False)


def _changed(who: str, org: str | None, change: PersonChange) -> PersonDetails:
    settings, org_id = _prepared(org)
    person_id = _id_of(settings, org_id, who)
    return run_operation(
        database.source_url(settings), org_id, lambda tx: operations.edit_person(tx, person_id, change, None)
    )


def _prepared(org: str | None) -> tuple[Settings, UUID]:
    settings = common.prepared()
    return settings, common.organization_id(settings, org)


def _id_of(settings: Settings, org_id: UUID, who: str) -> UUID:
    with database.connect(database.source_url(settings)) as connection:
        return people.id_of(connection, org_id, who)
