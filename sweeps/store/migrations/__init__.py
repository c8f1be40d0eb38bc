"""Brings the tables of an older database to the newest revision, with Alembic.

To add a column to `attempts`, for example:

1. Add it to `Attempt` in `sweeps/store/schema.py`, and set REVISION there to '0003'.
2. Write `versions/0003_peak_memory.py`:

       import sqlalchemy as sa
       from alembic import op

       revision = "0003"
       down_revision = "0002"


       def upgrade() -> None:
           op.add_column("attempts", sa.Column("peak_memory", sa.Double))

The new column must allow NULL or have a `server_default`, because a driver of the older srsweep may still write rows
without it. If `analysis` selects the new column, set OLDEST_READABLE in `schema.py` to the new revision as well.
A test fails if a step is missing.
"""

import threading
from pathlib import Path

from sqlalchemy import Connection, insert, inspect

from sweeps.store import schema

_ONE_AT_A_TIME = threading.Lock()
"""Alembic keeps the running migration in globals of its modules."""

_POSTGRESQL_LOCK = 0x73727377656570
"""Key of the advisory lock under which a migration runs: the letters of 'srsweep'."""


def lock(connection: Connection) -> None:
    """Begin a transaction in which nobody else migrates this database. Others wait here until it ends."""
    if connection.dialect.name == "sqlite":
        # Python's sqlite3 begins no transaction before CREATE or DROP, so each would be committed by itself.
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    elif connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_POSTGRESQL_LOCK})")


def move_on(connection: Connection) -> None:
    """Bring a database to the newest revision within the transaction of `connection`, after `lock`.

    The caller commits. Until then the database is as it was. If the process is killed or the machine loses its
    power, the old tables and all of their rows remain, and the next opening migrates them. SQLite and PostgreSQL
    both keep this promise, so that no backup is made.

    An empty database gets the newest tables at once, without Alembic.
    """
    if inspect(connection).get_table_names():
        upgrade(connection)
        return
    schema.Base.metadata.create_all(connection)
    connection.execute(insert(schema.AlembicVersion).values(version_num=schema.REVISION))


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Run the migrations up to `revision` within the transaction of `connection`."""
    # Importing Alembic takes half a second. Only the opening of an older database needs it.
    from alembic import command
    from alembic.config import Config

    config = Config(attributes={"connection": connection})
    # Alembic reads % as the start of a variable.
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    with _ONE_AT_A_TIME:
        command.upgrade(config, revision)
