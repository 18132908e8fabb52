"""When somebody was told that we need more time.

Revision ID: 0038
Revises: 0052
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import portal.db

revision = "0038"
down_revision = "0052"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this revision."""
    op.add_column("request", sa.Column("more_time_at", portal.db.UTCDateTime(timezone=True), nullable=True))


def downgrade() -> None:
    """Go back to the revision before."""
    op.drop_column("request", "more_time_at")
