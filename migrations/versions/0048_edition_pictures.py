"""pictures of editions.

Revision ID: 0048
Revises: 0017
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from portal.db import UTCDateTime

revision = "0048"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this revision."""
    op.create_table(
        "edition_picture",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("slug", sa.String(length=60), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("created_at", UTCDateTime(timezone=True), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_edition_picture")),
        sa.UniqueConstraint("slug", name=op.f("uq_edition_picture_slug")),
    )


def downgrade() -> None:
    """Go back: the pictures are gone."""
    op.drop_table("edition_picture")
