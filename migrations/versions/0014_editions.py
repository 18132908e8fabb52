"""newsletter editions, and what each says in each language.

Revision ID: 0014
Revises: 0009
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import portal.db

revision = "0014"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this revision."""
    op.create_table(
        "edition",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("slug", sa.String(length=60), nullable=False),
        sa.Column("topics", sa.String(length=60), nullable=False),
        sa.Column("only_english", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", portal.db.UTCDateTime(timezone=True), nullable=False),
        sa.Column("due_at", portal.db.UTCDateTime(timezone=True), nullable=True),
        sa.Column("began_at", portal.db.UTCDateTime(timezone=True), nullable=True),
        sa.Column("over_at", portal.db.UTCDateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.Column("left_out", sa.JSON(), nullable=False),
        sa.CheckConstraint(
            "state IN ('draft', 'scheduled', 'held', 'sending', 'paused', 'sent', 'cancelled')",
            name=op.f("ck_edition_state"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_edition")),
        sa.UniqueConstraint("slug", name=op.f("uq_edition_slug")),
    )
    op.create_index("ix_edition_due", "edition", ["state", "due_at"])
    op.create_table(
        "edition_text",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("edition_id", sa.Integer(), nullable=False),
        sa.Column("language", sa.String(length=2), nullable=False),
        sa.Column("subject", sa.String(length=150), nullable=False),
        sa.Column("preview", sa.String(length=150), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("tested", sa.String(length=64), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint("language IN ('en', 'es')", name=op.f("ck_edition_text_language")),
        sa.ForeignKeyConstraint(
            ["edition_id"],
            ["edition.id"],
            name=op.f("fk_edition_text_edition_id_edition"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_edition_text")),
        sa.UniqueConstraint("edition_id", "language", name=op.f("uq_edition_text_edition_id_language")),
    )


def downgrade() -> None:
    """Go back: the editions are lost with their tables; what became of each mail stays."""
    op.drop_table("edition_text")
    op.drop_index("ix_edition_due", table_name="edition")
    op.drop_table("edition")
