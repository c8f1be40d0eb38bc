"""Alembic runs this file. It hands the caller's connection to Alembic and takes part in the caller's transaction."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
