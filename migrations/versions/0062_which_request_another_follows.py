"""which request another one follows.

Revision ID: 0062
Revises: 0061
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0062"
down_revision = "0061"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this revision."""
    op.add_column("request", sa.Column("follows", sa.Integer(), nullable=True))
    op.create_index("ix_request_follows", "request", ["follows"])


def downgrade() -> None:
    """Go back: what followed another stands alone."""
    op.drop_index("ix_request_follows", table_name="request")
    op.drop_column("request", "follows")
