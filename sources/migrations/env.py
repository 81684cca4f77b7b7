"""Runs the migrations on the database that `sources.database.migrate` names."""

from alembic import context
from sqlalchemy import NullPool, create_engine, text

from sources.tables import SCHEMA, metadata

engine = create_engine(context.config.attributes["url"], poolclass=NullPool)
with engine.begin() as connection:
    connection.execute(text(f"create schema if not exists {SCHEMA}"))
    context.configure(
        connection=connection,
        target_metadata=metadata,
        include_schemas=True,
        include_name=lambda name, kind, _: name == SCHEMA if kind == "schema" else True,
        version_table_schema=SCHEMA,
    )
    context.run_migrations()
