"""What staff write on a prescriber's card.

Revision ID: 0039
Revises: 0049
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import portal.db

revision = "0039"
down_revision = "0049"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this revision."""
    op.create_table(
        "prescriber_note",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("request_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("author_id", sa.Integer(), nullable=False),
        sa.Column("author_name", sa.String(length=200), nullable=False),
        sa.Column("written_at", portal.db.UTCDateTime(timezone=True), nullable=False),
        sa.Column("form_token", sa.String(length=100), nullable=False),
        sa.CheckConstraint("kind IN ('note', 'no_contact', 'contact')", name=op.f("ck_prescriber_note_kind")),
        sa.ForeignKeyConstraint(["author_id"], ["user.id"], name=op.f("fk_prescriber_note_author_id_user")),
        sa.ForeignKeyConstraint(
            ["request_id"],
            ["request.id"],
            name=op.f("fk_prescriber_note_request_id_request"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_prescriber_note")),
        sa.UniqueConstraint("form_token", name=op.f("uq_prescriber_note_form_token")),
    )
    op.create_index(op.f("ix_prescriber_note_request_id"), "prescriber_note", ["request_id"])


def downgrade() -> None:
    """Go back to the revision before."""
    op.drop_index(op.f("ix_prescriber_note_request_id"), table_name="prescriber_note")
    op.drop_table("prescriber_note")
