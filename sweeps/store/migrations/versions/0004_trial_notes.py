"""A table for what people note about trials: a star and a text."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Creates the empty table `trial_notes`."""
    op.create_table(
        "trial_notes",
        sa.Column("trial_id", sa.Integer(), nullable=False),
        sa.Column("is_starred", sa.Boolean(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["trial_id"], ["trials.id"]),
        sa.PrimaryKeyConstraint("trial_id"),
    )
