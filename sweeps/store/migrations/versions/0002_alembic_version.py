"""Replaces the table `schema_version` by Alembic's table `alembic_version`. No other table changes."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Drops `schema_version`. Alembic has already created its own table."""
    op.drop_table("schema_version")
