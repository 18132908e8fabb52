"""What each member of staff is told by mail, and when.

Revision ID: 0043b
Revises: 0038
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import portal.db

revision = "0043b"
down_revision = "0038"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this revision."""
    op.create_table(
        "notice_wish",
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("consultation", sa.String(length=8), nullable=False),
        sa.Column("resource", sa.String(length=8), nullable=False),
        sa.Column("handed_back", sa.String(length=8), nullable=False),
        sa.Column("quiet_from", sa.Integer(), nullable=True),
        sa.Column("quiet_to", sa.Integer(), nullable=True),
        sa.Column("told_at", portal.db.UTCDateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id"], ["user.id"], name=op.f("fk_notice_wish_user_id_user"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_notice_wish")),
    )


def downgrade() -> None:
    """Go back to the revision before."""
    op.drop_table("notice_wish")
