"""The script that Alembic runs.

It passes the caller's connection to Alembic, so that migrations join the caller's transaction.
"""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
