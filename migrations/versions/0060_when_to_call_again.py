"""When somebody asked to be called again.

Revision ID: 0060
Revises: 0057
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from portal.db import UTCDateTime

revision = "0060"
down_revision = "0057"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this revision."""
    op.add_column("request", sa.Column("call_at", UTCDateTime(timezone=True), nullable=True))
    op.add_column("request_contact", sa.Column("again_at", UTCDateTime(timezone=True), nullable=True))
    is_set = sa.text("call_at IS NOT NULL")
    op.create_index("ix_request_to_call", "request", ["call_at"], sqlite_where=is_set, postgresql_where=is_set)


def downgrade() -> None:
    """Go back: a call has no time, and every request that wants one is to be called now."""
    op.drop_index("ix_request_to_call", table_name="request", sqlite_where=sa.text("call_at IS NOT NULL"))
    op.drop_column("request_contact", "again_at")
    op.drop_column("request", "call_at")
