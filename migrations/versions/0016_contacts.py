"""Calls, faxes and what was posted; requests joined to another; promises whose clock rests.

Revision ID: 0016
Revises: 0028
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import portal.db

revision = "0016"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this revision."""
    op.add_column("request", sa.Column("duplicate_of", sa.Integer(), nullable=True))
    op.add_column("request", sa.Column("waiting_since", portal.db.UTCDateTime(timezone=True), nullable=True))
    op.create_index("ix_request_duplicate_of", "request", ["duplicate_of"])
    op.create_table(
        "request_contact",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("request_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("outcome", sa.String(length=20), nullable=False),
        sa.Column("number", sa.String(length=40), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("author_id", sa.Integer(), nullable=False),
        sa.Column("author_name", sa.String(length=200), nullable=False),
        sa.Column("written_at", portal.db.UTCDateTime(timezone=True), nullable=False),
        sa.Column("form_token", sa.String(length=100), nullable=False),
        sa.CheckConstraint("kind IN ('call', 'fax', 'post')", name=op.f("ck_request_contact_kind")),
        sa.ForeignKeyConstraint(
            ["request_id"],
            ["request.id"],
            name=op.f("fk_request_contact_request_id_request"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["author_id"], ["user.id"], name=op.f("fk_request_contact_author_id_user")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_request_contact")),
        sa.UniqueConstraint("form_token", name=op.f("uq_request_contact_form_token")),
    )
    op.create_index("ix_request_contact_request_id", "request_contact", ["request_id"])


def downgrade() -> None:
    """Go back to the revision before."""
    op.drop_table("request_contact")
    op.drop_index("ix_request_duplicate_of", table_name="request")
    op.drop_column("request", "waiting_since")
    op.drop_column("request", "duplicate_of")
