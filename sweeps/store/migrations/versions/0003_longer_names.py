"""Allows 200 characters in names and datasets of measurements. A phone's latency names its runtime and delegate."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Widens both columns. SQLite cannot alter a column, so an SQLite table is copied in the same transaction."""
    with op.batch_alter_table("measurements") as table:
        for name in ("name", "dataset"):
            table.alter_column(
                name,
                existing_type=sa.String(50),
                type_=sa.String(200),
                existing_nullable=False,
            )
