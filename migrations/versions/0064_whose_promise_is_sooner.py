"""the promise that is a request's own, while one that is joined to it makes it sooner.

Revision ID: 0064
Revises: 0063
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import portal.db

revision = "0064"
down_revision = "0063"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this revision."""
    op.add_column("request", sa.Column("own_answer_by", portal.db.UTCDateTime(timezone=True), nullable=True))


def downgrade() -> None:
    """Go back: what was joined keeps the sooner promise."""
    op.drop_column("request", "own_answer_by")
