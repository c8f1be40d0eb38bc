"""Alembic's table `alembic_version` takes the place of `schema_version`. No other table changes."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Drop `schema_version`. Alembic has made its own table by now."""
    op.drop_table("schema_version")
