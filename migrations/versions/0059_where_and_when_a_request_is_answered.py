"""where the answer to a request goes, and its first promise.

Revision ID: 0059
Revises: 0056
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from portal.db import UTCDateTime

revision = "0059"
down_revision = "0056"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this revision."""
    op.add_column("request", sa.Column("first_answer_by", UTCDateTime(timezone=True), nullable=True))
    op.add_column(
        "request", sa.Column("answer_email", sa.String(length=254), nullable=False, server_default="")
    )


def downgrade() -> None:
    """Go back: answers go where whoever asked said, and the latest promise is the only one."""
    op.drop_column("request", "answer_email")
    op.drop_column("request", "first_answer_by")
