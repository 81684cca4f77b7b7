"""What the database keeps right by itself, and that the migrations are the metadata."""

from alembic import command

from sources import database
from sources.settings import Settings


def test_migrations_and_metadata_say_the_same(settings: Settings) -> None:
    command.check(database.alembic_config(settings))


def test_migrating_twice_changes_nothing(settings: Settings) -> None:
    database.migrate(settings)
