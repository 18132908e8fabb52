"""what was done with a thing, apart from who looked at it.

Revision ID: 0052
Revises: 0037
"""

from __future__ import annotations

from alembic import op

revision = "0052"
down_revision = "0037"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this revision."""
    op.drop_index("ix_audit_entry_subject", table_name="audit_entry")
    op.create_index("ix_audit_entry_subject", "audit_entry", ["subject", "action", "id"])


def downgrade() -> None:
    """Go back: no row changes."""
    op.drop_index("ix_audit_entry_subject", table_name="audit_entry")
    op.create_index("ix_audit_entry_subject", "audit_entry", ["subject"])
