"""Writer of migrations: the file of the next one, in sources/migrations/versions/.

python -m tools.migration "Complaints of clients" [--from-tables]
"""

import argparse
from typing import Final

from alembic import command
from alembic.script import ScriptDirectory

from sources import database
from sources.settings import get_settings

DIGITS: Final = 4


def main() -> None:
    """Write a migration after the newest one: empty, or from the difference between sources/tables and the database."""
    parser = argparse.ArgumentParser(prog="python -m tools.migration", description=main.__doc__)
    parser.add_argument("subject", help='what it adds or changes, such as "Complaints of clients"')
    parser.add_argument(
        "--from-tables",
        action="store_true",
        help="create and change tables as sources/tables has them; starts the database",
    )
    options = parser.parse_args()
    settings = get_settings()
    if options.from_tables:
        database.start(settings)
        database.migrate(settings)
    config = database.alembic_config(settings)
    numbers = [int(revision.revision) for revision in ScriptDirectory.from_config(config).walk_revisions()]
    command.revision(config, options.subject, autogenerate=options.from_tables, rev_id=f"{max(numbers) + 1:0{DIGITS}}")


if __name__ == "__main__":
    main()
