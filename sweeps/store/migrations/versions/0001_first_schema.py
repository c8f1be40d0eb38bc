"""The first tables, which had version 1 in the table `schema_version`.

This revision creates only the tables that are missing. It therefore works on an empty database, on a database with only
some of the tables, and on a database from before Alembic, which has all tables.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Creates the tables of version 1 and their indexes unless they exist."""
    _make("schema_version", sa.Column("version", sa.Integer, primary_key=True))
    _make(
        "sweeps",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(200), nullable=False, unique=True),
        sa.Column("scale", sa.Integer, nullable=False),
        sa.Column("settings", sa.JSON, nullable=False),
        sa.Column("created_at", sa.DateTime, nullable=False),
    )
    _make(
        "sweep_facts",
        sa.Column("sweep_id", sa.Integer, sa.ForeignKey("sweeps.id"), primary_key=True),
        sa.Column("name", sa.String(100), primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
    )
    _make(
        "lives",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("sweep_id", sa.Integer, sa.ForeignKey("sweeps.id"), nullable=False),
        sa.Column("started_at", sa.DateTime, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("host", sa.String(200), nullable=False),
        sa.Column("git_commit", sa.String(40), nullable=False),
        sa.Column("git_dirty", sa.Boolean, nullable=False),
        sa.Column("versions", sa.JSON, nullable=False),
    )
    _make(
        "trials",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("sweep_id", sa.Integer, sa.ForeignKey("sweeps.id"), nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("architecture", sa.String(16), nullable=False),
        sa.Column("family", sa.String(50), nullable=False),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("seed", sa.Integer, nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("created_at", sa.DateTime, nullable=False),
        sa.UniqueConstraint("sweep_id", "number"),
        sa.UniqueConstraint("sweep_id", "architecture", "seed"),
    )
    _make(
        "trial_knobs",
        sa.Column("trial_id", sa.Integer, sa.ForeignKey("trials.id"), primary_key=True),
        sa.Column("name", sa.String(50), primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
    )
    _make(
        "attempts",
        sa.Column("trial_id", sa.Integer, sa.ForeignKey("trials.id"), primary_key=True),
        sa.Column("attempt", sa.Integer, primary_key=True),
        sa.Column("until_step", sa.Integer, nullable=False),
        sa.Column("started_at", sa.DateTime, nullable=False),
        sa.Column("ended_at", sa.DateTime),
        sa.Column("step", sa.Integer, nullable=False),
        sa.Column("seconds", sa.Double, nullable=False),
        sa.Column("host", sa.String(200), nullable=False),
        sa.Column("device", sa.String(100), nullable=False),
        sa.Column("error", sa.Text, nullable=False),
    )
    _make(
        "measurements",
        sa.Column("trial_id", sa.Integer, sa.ForeignKey("trials.id"), primary_key=True),
        sa.Column("name", sa.String(50), primary_key=True),
        sa.Column("dataset", sa.String(50), primary_key=True),
        sa.Column("step", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("value", sa.Double, nullable=False),
    )
    _make(
        "leases",
        sa.Column("sweep_id", sa.Integer, sa.ForeignKey("sweeps.id"), primary_key=True),
        sa.Column("token", sa.String(32), nullable=False),
        sa.Column("holder", sa.String(300), nullable=False),
        sa.Column("expires_at", sa.DateTime, nullable=False),
    )
    _index("ix_lives_sweep_id", "lives", ["sweep_id"])
    _index("ix_trials_architecture", "trials", ["architecture"])
    _index("measurements_by_name", "measurements", ["name", "dataset", "trial_id"])


def _make(table: str, *columns: sa.schema.SchemaItem) -> None:
    op.create_table(table, *columns, if_not_exists=True)


def _index(name: str, table: str, columns: list[str]) -> None:
    op.create_index(name, table, columns, if_not_exists=True)
