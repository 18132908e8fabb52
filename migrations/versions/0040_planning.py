"""Until when a request is set aside, and how each person works at the desk.

Revision ID: 0040
Revises: 0046
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import portal.db

revision = "0040"
down_revision = "0046"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this revision."""
    op.add_column("request", sa.Column("snoozed_until", portal.db.UTCDateTime(timezone=True), nullable=True))
    snoozed = sa.text("snoozed_until IS NOT NULL")
    op.create_index(
        "ix_request_snoozed", "request", ["snoozed_until"], sqlite_where=snoozed, postgresql_where=snoozed
    )
    op.create_table(
        "desk_habit",
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("away_until", sa.Date(), nullable=True),
        sa.Column("has_keys", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["user.id"], name=op.f("fk_desk_habit_user_id_user"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_desk_habit")),
    )


def downgrade() -> None:
    """Go back: what was set aside is back in the list."""
    op.drop_table("desk_habit")
    op.drop_index("ix_request_snoozed", table_name="request")
    op.drop_column("request", "snoozed_until")
