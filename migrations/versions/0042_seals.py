"""The trail's seals, what each look through it said, and the orders in which its page reads.

Revision ID: 0042
Revises: 0048
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import portal.db
from portal.audit import append_only_statements

revision = "0042"
down_revision = "0048"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this revision."""
    op.create_table(
        "audit_seal",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("first_id", sa.Integer(), nullable=False),
        sa.Column("last_id", sa.Integer(), nullable=False),
        sa.Column("oldest_at", portal.db.UTCDateTime(timezone=True), nullable=False),
        sa.Column("sealed_at", portal.db.UTCDateTime(timezone=True), nullable=False),
        sa.Column("key_id", sa.String(length=16), nullable=False),
        sa.Column("tags", sa.LargeBinary(), nullable=False),
        sa.Column("mac", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_seal")),
    )
    for statement in append_only_statements("audit_seal", op.get_bind().dialect.name):
        op.execute(statement)
    op.create_table(
        "audit_check",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", portal.db.UTCDateTime(timezone=True), nullable=False),
        sa.Column("sealed", sa.Integer(), nullable=False),
        sa.Column("unsealed", sa.Integer(), nullable=False),
        sa.Column("fault", sa.String(length=300), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_check")),
    )
    op.create_index(op.f("ix_audit_check_at"), "audit_check", ["at"])
    op.drop_index("ix_audit_entry_action", table_name="audit_entry")
    op.create_index("ix_audit_entry_at_id", "audit_entry", ["at", "id"])
    op.create_index("ix_audit_entry_actor_id_at_id", "audit_entry", ["actor_id", "at", "id"])
    op.create_index("ix_audit_entry_action_at_id", "audit_entry", ["action", "at", "id"])


def downgrade() -> None:
    """Go back to the revision before."""
    op.drop_index("ix_audit_entry_action_at_id", table_name="audit_entry")
    op.drop_index("ix_audit_entry_actor_id_at_id", table_name="audit_entry")
    op.drop_index("ix_audit_entry_at_id", table_name="audit_entry")
    op.create_index("ix_audit_entry_action", "audit_entry", ["action"])
    op.drop_index(op.f("ix_audit_check_at"), table_name="audit_check")
    op.drop_table("audit_check")
    op.drop_table("audit_seal")
