"""hub example: real data to look at, each in a Hub of its own."""

import os
import shlex
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

import typer

from cli import common, run
from cli.common import AsOf, console, progress_console
from cli.digest import print_digests
from sources import database, embedded_server, ports
from sources.errors import HubError
from sources.settings import Settings, get_settings

HOTEL: Final = Path(__file__).parents[1] / "examples" / "resort_hotel" / "resort_hotel_bookings.csv.gz"
HOTEL_DAY: Final = date(
    2016, 10, 19
)  # an ordinary Wednesday, with more than a year behind it and months of bookings ahead
HOW_TO_READ: Final = """
How to read it
  The digest is the one of the morning after {day}: nothing that came later is in it.
  Bookings created, cancelled: made or given up on that day, whenever the guests arrive.
  Realized revenue: rate x nights of the stays that begin on that day. The file has no payments, invoices or hours, so
  that nothing is said of them; providers are the travel agents, and clients are groups of guests.
  The forecast uses what was booked by then for the days to come.

Where it comes from
  Every booking of one resort hotel in Portugal: Antonio, de Almeida, Nunes, "Hotel booking demand datasets", Data in
  Brief 22 (2019), CC BY 4.0. See {source}.

What next (this is a Hub of its own; the first line points the other commands at it)
  export HUB_HOME={home} HUB_PORT_DATABASE={port}
  hub digest --html digest.html    the same as a page
  hub insights list                what is unusual, and why
  psql "$(hub db url)" -c "select * from analytics.v_booking_trends order by day desc limit 10"
  hub db stop                      ends its database
Another day, without that line: hub example hotel --as-of 2016-08-15"""

app = typer.Typer(help="Real data to look at, each in a Hub of its own.", no_args_is_help=True)


@app.callback()
def examples() -> None:
    """Real data to look at, each in a Hub of its own: your own data stay apart."""


@app.command()
def hotel(as_of: AsOf = None) -> None:
    """Two years of a real resort hotel: import its bookings, run as of a day in them, and print the digest of that day.

    40,060 bookings with arrival from July 2015 to August 2017. A second call adds nothing; --as-of shows another day.

    Example: hub example hotel --as-of 2016-08-15
    """
    day = common.day(as_of) or HOTEL_DAY
    if not HOTEL.exists():
        raise HubError(f"{HOTEL} is missing: the examples come with the project's checkout.")
    settings = _hub_of_its_own("hotel")
    database.start(settings)
    database.migrate(settings)
    _import_hotel(settings)
    run.run(as_of=day.isoformat(), as_json=False, digest=False)
    with database.connect(database.database_url(settings)) as connection:
        print_digests(connection, list(common.organizations(settings).values()), day)
    _print_how_to_read(settings, day)


def _hub_of_its_own(name: str) -> Settings:
    """The settings of the Hub of this example, which this process is set to work in from now on."""
    ours = get_settings()
    home = ours.home / "examples" / name
    theirs = ours.model_copy(update={"home": home, "database_url": "", "source_url": ""})
    port = embedded_server.running_port(theirs) or ports.first_free(ours.port_database + 1)
    for variable in ("HUB_DATABASE_URL", "HUB_SOURCE_URL"):
        os.environ.pop(variable, None)
    os.environ.update(HUB_HOME=str(home), HUB_PORT_DATABASE=str(port))
    get_settings.cache_clear()
    return get_settings()


def _import_hotel(settings: Settings) -> None:
    from sources import importing

    with progress_console.status("Reading the hotel's bookings ...") as status:
        report = importing.import_files(
            settings,
            importing.find_mapping("resort_hotel"),
            [HOTEL],
            as_of_now=datetime.now(UTC),
            progress=status.update,
        )
    console.print(
        f"{report.rows_read:,} bookings read from {HOTEL.name}: {report.imported:,} new, "
        f"{report.already_there:,} there already, {report.rejected:,} rejected.",
        soft_wrap=True,
    )


def _print_how_to_read(settings: Settings, day: date) -> None:
    console.print(
        HOW_TO_READ.format(
            day=f"{day:%A}, {day.day} {day:%B %Y}",
            source=HOTEL.parent / "README.md",
            home=shlex.quote(str(settings.home)),
            port=settings.port_database,
        ),
        markup=False,
        soft_wrap=True,
    )
