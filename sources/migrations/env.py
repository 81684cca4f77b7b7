"""The environment of Alembic: run the migrations on the database that `sources.database.migrate` names."""

from alembic import context
from sqlalchemy import NullPool, create_engine, text
from sqlalchemy.dialects.postgresql.base import ischema_names

from sources.database import LOCK_TIMEOUT
from sources.tables import SCHEMA, XID8, metadata

ischema_names["xid8"] = XID8  # SQLAlchemy does not know the type by itself

engine = create_engine(context.config.attributes["url"], poolclass=NullPool)
with engine.begin() as connection:
    connection.execute(text("select set_config('lock_timeout', :wait, true)"), {"wait": LOCK_TIMEOUT})
    connection.execute(text(f"create schema if not exists {SCHEMA}"))
    context.configure(
        connection=connection,
        target_metadata=metadata,
        include_schemas=True,
        include_name=lambda name, kind, _: name == SCHEMA if kind == "schema" else True,
        version_table_schema=SCHEMA,
        user_module_prefix="sources.tables.",
    )
    context.run_migrations()
