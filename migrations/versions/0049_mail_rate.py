"""when the next mail of a lane may go.

Revision ID: 0049
Revises: 0042
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from portal.db import UTCDateTime

revision = "0049"
down_revision = "0042"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this revision."""
    op.create_table(
        "mail_rate",
        sa.Column("lane", sa.String(length=4), nullable=False),
        sa.Column("next_at", UTCDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("lane", name=op.f("pk_mail_rate")),
    )


def downgrade() -> None:
    """Go back: each worker keeps its own rate again."""
    op.drop_table("mail_rate")
