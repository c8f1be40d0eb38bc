"""Migrates the tables of an older database to the newest revision with Alembic.

To add a column to `attempts`, for example:

1. Add it to `Attempt` in `sweeps/store/schema.py`, and set REVISION there to '0005'.
2. Write `versions/0005_peak_memory.py`:

       import sqlalchemy as sa
       from alembic import op

       revision = "0005"
       down_revision = "0004"


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
"""Lock for Alembic, which keeps the running migration in global variables of its modules."""

_POSTGRESQL_LOCK = 0x73727377656570
"""Key of PostgreSQL's advisory lock that a migration holds: the letters of 'srsweep' in ASCII."""


def lock(connection: Connection) -> None:
    """Begins a transaction during which no other process migrates this database.

    Other processes that call this function wait until the transaction ends.
    """
    if connection.dialect.name == "sqlite":
        # Python's sqlite3 begins no transaction before CREATE or DROP. Each statement would be committed on its own.
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    elif connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_POSTGRESQL_LOCK})")


def move_on(connection: Connection) -> None:
    """Migrates a database to the newest revision within the transaction of `connection`, which `lock` has begun.

    The caller commits the transaction. If the process is killed or the machine loses power before that, the old tables
    and all of their rows remain, and the next process that opens the database migrates it. SQLite and PostgreSQL
    guarantee this, so no backup is made.

    An empty database gets the newest tables directly, without Alembic.
    """
    if inspect(connection).get_table_names():
        upgrade(connection)
        return
    schema.Base.metadata.create_all(connection)
    connection.execute(insert(schema.AlembicVersion).values(version_num=schema.REVISION))


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Runs the migrations up to `revision` ('head': the newest) within the transaction of `connection`."""
    # Importing Alembic takes half a second, and only an older database needs it.
    from alembic import command
    from alembic.config import Config

    config = Config(attributes={"connection": connection})
    # Alembic reads % as the start of a variable.
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    with _ONE_AT_A_TIME:
        command.upgrade(config, revision)
