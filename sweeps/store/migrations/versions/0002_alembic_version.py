"""The table `schema_version` is dropped; Alembic's table `alembic_version` replaces it. No other table changes."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Drops `schema_version`. Alembic has already created its own table."""
    op.drop_table("schema_version")
