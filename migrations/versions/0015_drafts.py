"""What staff began to write about a request and have not sent.

Revision ID: 0015
Revises: 0021
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import portal.db

revision = "0015"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this revision."""
    op.create_table(
        "request_draft",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("request_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("box", sa.String(length=20), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("saved_at", portal.db.UTCDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["request_id"],
            ["request.id"],
            name=op.f("fk_request_draft_request_id_request"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["user.id"], name=op.f("fk_request_draft_user_id_user"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_request_draft")),
    )
    op.create_index(
        "uq_request_draft_place", "request_draft", ["request_id", "user_id", "box"], unique=True
    )
    op.create_index("ix_request_draft_saved_at", "request_draft", ["saved_at"])


def downgrade() -> None:
    """Go back to the revision before."""
    op.drop_table("request_draft")
