"""A wish of its own for each kind of notice.

Revision ID: 0057
Revises: 0059
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0057"
down_revision = "0059"
branch_labels = None
depends_on = None

KINDS = ("given", "heard", "due", "refused")


def upgrade() -> None:
    """Go to this revision: what somebody wished of all that was one kind, they wish of each."""
    with op.batch_alter_table("notice_wish") as batch:
        for kind in KINDS:
            batch.add_column(sa.Column(kind, sa.String(length=8), nullable=False, server_default="now"))
    op.execute(f"UPDATE notice_wish SET {', '.join(f'{kind} = handed_back' for kind in KINDS)}")
    with op.batch_alter_table("notice_wish") as batch:
        for kind in KINDS:
            batch.alter_column(kind, existing_type=sa.String(length=8), server_default=None)


def downgrade() -> None:
    """Go back to the revision before."""
    with op.batch_alter_table("notice_wish") as batch:
        for kind in KINDS:
            batch.drop_column(kind)
