"""links to leave: asked for by mail, and remembered when their owner is forgotten.

Revision ID: 0006
Revises: 0005
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import portal.db

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this revision."""
    op.create_table(
        "newsletter_leave_request",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("address", sa.String(length=254), nullable=False),
        sa.Column("address_key", sa.String(length=254), nullable=False),
        sa.Column("at", portal.db.UTCDateTime(timezone=True), nullable=False),
        sa.Column("answered_at", portal.db.UTCDateTime(timezone=True), nullable=True),
        sa.Column("mailed_at", portal.db.UTCDateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_newsletter_leave_request")),
    )
    op.create_index("ix_newsletter_leave_request_due", "newsletter_leave_request", ["answered_at", "id"])
    op.create_index(
        op.f("ix_newsletter_leave_request_address_key"), "newsletter_leave_request", ["address_key"]
    )
    op.create_table(
        "newsletter_spent_link",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("at", portal.db.UTCDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_newsletter_spent_link")),
        sa.UniqueConstraint("digest", name=op.f("uq_newsletter_spent_link_digest")),
    )


def downgrade() -> None:
    """Go back: what waits to be answered is lost with its table, so answer it first (`flask worker --once`)."""
    op.drop_table("newsletter_spent_link")
    op.drop_table("newsletter_leave_request")
