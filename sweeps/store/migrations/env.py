"""The script that Alembic runs. It gives Alembic the caller's connection, so that the caller's transaction is used."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
