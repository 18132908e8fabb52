"""Who read a translation beside its original, with each signature of it.

Revision ID: 0053
Revises: 0055
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0053"
down_revision = "0055"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this revision; what is signed so far is no translation."""
    op.add_column(
        "text_verdict", sa.Column("translator", sa.String(length=200), nullable=False, server_default="")
    )
    with op.batch_alter_table("text_verdict") as batch:
        batch.alter_column("translator", existing_type=sa.String(length=200), server_default=None)


def downgrade() -> None:
    """Go back to the revision before: the names are lost."""
    with op.batch_alter_table("text_verdict") as batch:
        batch.drop_column("translator")
