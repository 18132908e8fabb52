"""editions that everybody may read, and notes that correct them.

Revision ID: 0020
Revises: 0027
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import portal.db

revision = "0020"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this revision: what was sent before it is public, as the mails said."""
    with op.batch_alter_table("edition") as batch:
        batch.add_column(sa.Column("is_public", sa.Boolean(), nullable=False, server_default=sa.true()))
        batch.add_column(sa.Column("withdrawn_at", portal.db.UTCDateTime(timezone=True), nullable=True))
    op.create_table(
        "edition_note",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("edition_id", sa.Integer(), nullable=False),
        sa.Column("at", portal.db.UTCDateTime(timezone=True), nullable=False),
        sa.Column("words_en", sa.Text(), nullable=False),
        sa.Column("words_es", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["edition_id"],
            ["edition.id"],
            name=op.f("fk_edition_note_edition_id_edition"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_edition_note")),
    )
    op.create_index(op.f("ix_edition_note_edition_id"), "edition_note", ["edition_id"])


def downgrade() -> None:
    """Go back: the notes are lost with their table."""
    op.drop_index(op.f("ix_edition_note_edition_id"), table_name="edition_note")
    op.drop_table("edition_note")
    with op.batch_alter_table("edition") as batch:
        batch.drop_column("withdrawn_at")
        batch.drop_column("is_public")
