"""What pharmacists said of each statement of the texts.

Revision ID: 0046
Revises: 0039
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import portal.db

revision = "0046"
down_revision = "0039"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this revision."""
    op.create_table(
        "text_verdict",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("page", sa.String(length=120), nullable=False),
        sa.Column("anchor", sa.String(length=80), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("verdict", sa.String(length=8), nullable=False),
        sa.Column("note", sa.String(length=1000), nullable=False),
        sa.Column("by_name", sa.String(length=200), nullable=False),
        sa.Column("at", portal.db.UTCDateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "verdict IN ('agree', 'change', 'remove')", name=op.f("ck_text_verdict_verdict")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_text_verdict")),
        sa.UniqueConstraint("page", "digest", name=op.f("uq_text_verdict_page_digest")),
    )


def downgrade() -> None:
    """Go back to the revision before."""
    op.drop_table("text_verdict")
