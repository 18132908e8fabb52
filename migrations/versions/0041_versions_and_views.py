"""Stored replies as they were, and views of one's own.

Revision ID: 0041
Revises: 0040
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import portal.db

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this revision; what is stored is the first text that is kept."""
    op.create_table(
        "stored_reply_version",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("reply_id", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("title", sa.String(length=100), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("is_clinical", sa.Boolean(), nullable=False),
        sa.Column("changed_at", portal.db.UTCDateTime(timezone=True), nullable=False),
        sa.Column("changed_by", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(
            ["reply_id"],
            ["stored_reply.id"],
            name=op.f("fk_stored_reply_version_reply_id_stored_reply"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stored_reply_version")),
    )
    op.create_index("uq_stored_reply_version_number", "stored_reply_version", ["reply_id", "version"], unique=True)
    columns = "version, title, text, is_clinical, changed_at, changed_by"
    op.execute(
        f"INSERT INTO stored_reply_version (reply_id, {columns}) SELECT id, {columns} FROM stored_reply"  # noqa: S608
    )
    op.create_table(
        "saved_view",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("query", sa.String(length=500), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["user.id"], name=op.f("fk_saved_view_user_id_user"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_saved_view")),
    )
    op.create_index("uq_saved_view_name", "saved_view", ["user_id", "name"], unique=True)


def downgrade() -> None:
    """Go back: earlier texts and saved views are gone."""
    op.drop_index("uq_saved_view_name", table_name="saved_view")
    op.drop_table("saved_view")
    op.drop_index("uq_stored_reply_version_number", table_name="stored_reply_version")
    op.drop_table("stored_reply_version")
