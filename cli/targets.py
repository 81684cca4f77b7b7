"""Commands `hub target`: the targets of metrics."""

from decimal import Decimal, InvalidOperation
from typing import Annotated
from uuid import UUID

import typer
from pydantic import ValidationError

from cli import common
from cli.common import AsJson, Organization, console
from cli.operations import run_operation
from sources import database
from sources.errors import HubError
from sources.operations.settings import targets
from sources.operations.settings.targets import NewTarget, TargetsQuery
from sources.row_values import GRAINS

app = typer.Typer(help="Manage the targets of metrics. Example: hub target list", no_args_is_help=True)

NONE = "none"


@app.command("list")
def list_targets(
    metric: Annotated[str | None, typer.Option("--metric", help="The targets of this metric only.")] = None,
    org: Organization = None,
    as_json: AsJson = False,
) -> None:
    """List the targets of an organisation. Example: hub target list --metric booked_revenue --org SLUG"""
    settings = common.prepared()
    org_id = common.organization_id(settings, org)
    listed = run_operation(
        database.source_url(settings), org_id, lambda tx: targets.list_targets(tx, TargetsQuery(metric=metric))
    )
    common.print_rows(
        [target.model_dump() for target in listed.items],
        {
            "Id": lambda row: row["id"],
            "Metric": lambda row: row["metric"],
            "Of": lambda row: "all" if row["dimension"] == "total" else f"{row['dimension']} {row['member']}",
            "Period": lambda row: row["grain"],
            "From": lambda row: row["starts_on"],
            "Target": lambda row: NONE if row["target"] is None else f"{row['target'].normalize():f}",
        },
        as_json=as_json,
        nothing="There is no target yet: see `hub target set --help`.",
    )


@app.command("set")
def set_target(
    metric: Annotated[str, typer.Argument(help="The name of the metric, as in marts.dim_metric.")],
    grain: Annotated[str, typer.Argument(help=f"The period: one of {', '.join(GRAINS)}.")],
    first: Annotated[str, typer.Argument(metavar="FROM", help="The first day, as YYYY-MM-DD.")],
    target: Annotated[str, typer.Argument(help=f"The target of one period, or {NONE}: no target from this day on.")],
    dimension: Annotated[str, typer.Option("--dimension", help="A dimension of the metric.")] = "total",
    member: Annotated[str, typer.Option("--member", help="The member of the dimension.")] = "all",
    org: Organization = None,
) -> None:
    """Set a target from a day on. Example: hub target set booked_revenue month 2026-01-01 12000 --org SLUG"""
    try:
        request = NewTarget(
            metric=metric, dimension=dimension, member=member, grain=grain,
            starts_on=common.day(first), target=None if target == NONE else Decimal(target),
        )  # fmt: skip
    except InvalidOperation:
        raise HubError(f"{target!r} is not a number; write the target such as 12000, or {NONE}.") from None
    except ValidationError as error:
        problem = error.errors()[0]
        raise HubError(f"{problem['loc'][0]} is not valid: {problem['msg']}.") from None
    settings = common.prepared()
    org_id = common.organization_id(settings, org)
    run_operation(database.source_url(settings), org_id, lambda tx: targets.put_target(tx, request, None))
    console.print(f"The target of {metric} from {first} on is {target} a {grain}; the next run knows it.", markup=False)


@app.command()
def remove(
    target_id: Annotated[UUID, typer.Argument(metavar="ID", help="The id that `hub target list` shows.")],
    org: Organization = None,
) -> None:
    """Remove a target. Example: hub target remove 0198c0de-0000-7000-8000-000000000001 --org SLUG"""
    settings = common.prepared()
    org_id = common.organization_id(settings, org)
    run_operation(database.source_url(settings), org_id, lambda tx: targets.delete_target(tx, target_id))
    console.print("Removed the target; an earlier one holds in its place.")
