"""which registry gave a verdict.

Revision ID: 0028
Revises: 0015
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this revision."""
    op.add_column("npi_check", sa.Column("source", sa.String(length=120), nullable=False, server_default=""))
    op.create_index(op.f("ix_npi_check_npi"), "npi_check", ["npi"])


def downgrade() -> None:
    """Go back: the verdicts stay."""
    op.drop_index(op.f("ix_npi_check_npi"), table_name="npi_check")
    op.drop_column("npi_check", "source")
