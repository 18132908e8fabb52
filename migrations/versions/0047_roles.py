"""several roles for one person.

Revision ID: 0047
Revises: 0053
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0047"
down_revision = "0053"
branch_labels = None
depends_on = None

ONE = "role IN ('desk', 'pharmacist', 'manager')"
SOME = (
    "roles IN ('desk', 'pharmacist', 'manager', 'desk pharmacist', 'desk manager', 'pharmacist manager', "
    "'desk pharmacist manager')"
)


def upgrade() -> None:
    """Go to this revision: whoever had a role has it alone."""
    for table in ("user", "invite"):
        _become(table, "role", "roles", 24, SOME)


def downgrade() -> None:
    """Go back: of several roles the manager's stays, else the pharmacist's; sessions that had more rights end.

    Nobody gets a right by it, and whoever lets people in still does.
    """
    op.execute("DELETE FROM staff_session WHERE user_id IN (SELECT id FROM \"user\" WHERE roles LIKE '% %')")
    for table in ("user", "invite"):
        op.execute(
            f"UPDATE \"{table}\" SET roles = CASE WHEN roles LIKE '%manager' THEN 'manager' ELSE 'pharmacist' END "  # noqa: S608 - no word of anybody's
            "WHERE roles LIKE '% %'"
        )
        _become(table, "roles", "role", 12, ONE)


def _become(table: str, before: str, after: str, length: int, check: str) -> None:
    with op.batch_alter_table(table) as batch:
        batch.drop_constraint(op.f(f"ck_{table}_{before}"), type_="check")
        batch.alter_column(
            before, new_column_name=after, type_=sa.String(length), existing_type=sa.String(36 - length)
        )
    with op.batch_alter_table(table) as batch:
        batch.create_check_constraint(op.f(f"ck_{table}_{after}"), check)
