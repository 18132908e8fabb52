"""what came back of our mails, and from when its marks count.

Revision ID: 0021
Revises: 0020
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import portal.db

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this revision."""
    op.create_table(
        "mail_returned",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("code", sa.String(length=12), nullable=False),
        sa.Column("said", sa.String(length=300), nullable=False),
        sa.Column("at", portal.db.UTCDateTime(timezone=True), nullable=False),
        sa.Column("delivery_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["delivery_id"],
            ["mail_delivery.id"],
            name=op.f("fk_mail_returned_delivery_id_mail_delivery"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mail_returned")),
        sa.UniqueConstraint("digest", name=op.f("uq_mail_returned_digest")),
    )
    op.create_index("ix_mail_returned_kind", "mail_returned", ["kind", "at"])
    op.create_index(op.f("ix_mail_returned_delivery_id"), "mail_returned", ["delivery_id"])
    with op.batch_alter_table("subscriber") as batch:
        batch.add_column(sa.Column("marks_from", portal.db.UTCDateTime(timezone=True), nullable=True))
    with op.batch_alter_table("edition") as batch:
        batch.add_column(sa.Column("frame", sa.JSON(), nullable=False, server_default="{}"))
        batch.add_column(sa.Column("excused", sa.Integer(), nullable=False, server_default=sa.text("0")))


def downgrade() -> None:
    """Go back: what came back is forgotten; who was stopped by it stays stopped."""
    with op.batch_alter_table("edition") as batch:
        batch.drop_column("excused")
        batch.drop_column("frame")
    with op.batch_alter_table("subscriber") as batch:
        batch.drop_column("marks_from")
    op.drop_index(op.f("ix_mail_returned_delivery_id"), table_name="mail_returned")
    op.drop_index("ix_mail_returned_kind", table_name="mail_returned")
    op.drop_table("mail_returned")
