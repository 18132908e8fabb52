"""When a request was answered for the first time; the latest answer's moment stood alone until now.

Revision ID: 0043
Revises: 0041
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import portal.db

revision = "0043"
down_revision = "0041"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this revision."""
    op.add_column("request", sa.Column("first_answered_at", portal.db.UTCDateTime(timezone=True), nullable=True))
    op.execute("UPDATE request SET first_answered_at = answered_at WHERE answered_at IS NOT NULL")


def downgrade() -> None:
    """Go back to the revision before."""
    op.drop_column("request", "first_answered_at")
