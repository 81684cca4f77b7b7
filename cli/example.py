"""Commands `hub example`: real data sets, each in a Hub of its own."""

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
# An ordinary Wednesday, with more than a year of data before it and months of bookings after it.
HOTEL_DAY: Final = date(2016, 10, 19)
HOW_TO_READ: Final = """
How to read it
  The digest is that of the morning after {day}: it has no later data.
  Bookings created, cancelled: created or cancelled on that day, whenever the guests arrive.
  Realized revenue: rate x nights of the stays that begin on that day. The file has no payments, invoices or hours, so
  the digest has no figures about them; providers are the travel agents, and clients are groups of guests.
  The forecast uses the bookings on hand for the coming days at that time.

Source
  Every booking of one resort hotel in Portugal: Antonio, de Almeida, Nunes, "Hotel booking demand datasets", Data in
  Brief 22 (2019), CC BY 4.0. See {source}.

Next steps (this is a Hub of its own; the first line directs the other commands to it)
  export HUB_HOME={home} HUB_PORT_DATABASE={port}
  hub digest --html digest.html    the same digest as a page
  hub insights list                unusual figures and their causes
  psql "$(hub db url)" -c "select * from analytics.v_booking_trends order by day desc limit 10"
  hub db stop                      stops its database
For another day, without the first line: hub example hotel --as-of 2016-08-15"""

app = typer.Typer(
    help="Explore real data, each data set in a Hub of its own. Example: hub example hotel", no_args_is_help=True
)


@app.callback()
def examples() -> None:
    """Explore real data, each data set in a Hub of its own, apart from your data. Example: hub example hotel"""


@app.command()
def hotel(as_of: AsOf = None) -> None:
    """Import the bookings of a real resort hotel, run as of a day in them, and print the digest of that day.

    40,060 bookings with arrival from July 2015 to August 2017. A second call adds nothing; --as-of selects another day.

    Example: hub example hotel --as-of 2016-08-15
    """
    day = common.day(as_of) or HOTEL_DAY
    if not HOTEL.exists():
        raise HubError(f"{HOTEL} is missing: the examples are part of the checkout of the project.")
    settings = _use_own_hub("hotel")
    database.start(settings)
    database.migrate(settings)
    _import_hotel(settings)
    run.run(as_of=day.isoformat(), as_json=False, digest=False)
    with database.connect(database.database_url(settings)) as connection:
        print_digests(connection, list(common.organizations(settings).values()), day)
    _print_how_to_read(settings, day)


def _use_own_hub(name: str) -> Settings:
    """Switch this process to a Hub of its own for the example `name`, and return its settings."""
    current = get_settings()
    home = current.home / "examples" / name
    example = current.model_copy(update={"home": home, "database_url": "", "source_url": ""})
    port = embedded_server.running_port(example) or ports.first_free(current.port_database + 1)
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
            progress=lambda step, _: status.update(step),
        )
    console.print(
        f"{report.rows_read:,} bookings read from {HOTEL.name}: {report.imported:,} new, "
        f"{report.already_there:,} unchanged, {report.rejected:,} rejected.",
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
