"""Our own words for what signing in keeps; signed-in sessions go on.

Revision ID: 0005
Revises: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0003"
branch_labels = None
depends_on = None

# In what a session keeps: whose it is, and when the password was last given.
NAMES = (("_user_id", "key"), ("fs_paa", "password_at"))


def upgrade() -> None:
    # A secret that was never confirmed by its first code was no second factor, and is none now.
    op.execute('UPDATE "user" SET tf_totp_secret = NULL WHERE tf_primary_method IS NULL')
    with op.batch_alter_table("user") as batch:
        batch.drop_constraint("uq_user_fs_uniquifier", type_="unique")
        batch.drop_column("tf_primary_method")
        batch.alter_column("fs_uniquifier", new_column_name="session_key", existing_type=sa.String(64))
        batch.alter_column("tf_totp_secret", new_column_name="totp_secret", existing_type=sa.String(255))
    op.execute("DELETE FROM staff_session WHERE user_id IS NULL")  # between password and code: they start over
    as_text = "CAST(data AS TEXT)"
    for old, new in NAMES:  # no value in there holds a quoted word with a colon behind it
        as_text = f"replace({as_text}, '\"{old}\":', '\"{new}\":')"
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    as_json = as_text if is_sqlite else f"CAST({as_text} AS JSON)"
    op.get_bind().exec_driver_sql(f"UPDATE staff_session SET data = {as_json}")


def downgrade() -> None:
    with op.batch_alter_table("user") as batch:
        batch.alter_column("session_key", new_column_name="fs_uniquifier", existing_type=sa.String(64))
        batch.alter_column("totp_secret", new_column_name="tf_totp_secret", existing_type=sa.String(255))
        batch.add_column(sa.Column("tf_primary_method", sa.String(20), nullable=True))
    with op.batch_alter_table("user") as batch:
        batch.create_unique_constraint("uq_user_fs_uniquifier", ["fs_uniquifier"])
    op.execute("UPDATE \"user\" SET tf_primary_method = 'authenticator' WHERE tf_totp_secret IS NOT NULL")
    op.execute("DELETE FROM staff_session")  # the earlier version wants more in them than is there
