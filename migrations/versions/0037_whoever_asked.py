"""What whoever asked writes after their request, and the codes that open it for them.

Revision ID: 0037
Revises: 0051
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import portal.db

revision = "0037"
down_revision = "0051"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this revision."""
    op.add_column("request", sa.Column("heard_at", portal.db.UTCDateTime(timezone=True), nullable=True))
    op.create_table(
        "request_addition",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("request_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("by_mail", sa.Boolean(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("written_at", portal.db.UTCDateTime(timezone=True), nullable=False),
        sa.Column("form_token", sa.String(length=100), nullable=False),
        sa.CheckConstraint("kind IN ('added', 'again', 'away')", name=op.f("ck_request_addition_kind")),
        sa.ForeignKeyConstraint(
            ["request_id"],
            ["request.id"],
            name=op.f("fk_request_addition_request_id_request"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_request_addition")),
        sa.UniqueConstraint("form_token", name=op.f("uq_request_addition_form_token")),
    )
    op.create_index(op.f("ix_request_addition_request_id"), "request_addition", ["request_id"])
    op.create_table(
        "request_code",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("request_id", sa.Integer(), nullable=False),
        sa.Column("seed", sa.String(length=43), nullable=False),
        sa.Column("made_at", portal.db.UTCDateTime(timezone=True), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("used_at", portal.db.UTCDateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["request_id"], ["request.id"], name=op.f("fk_request_code_request_id_request"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_request_code")),
    )
    op.create_index(op.f("ix_request_code_request_id"), "request_code", ["request_id"])
    op.create_index(op.f("ix_request_code_made_at"), "request_code", ["made_at"])


def downgrade() -> None:
    """Go back to the revision before."""
    op.drop_table("request_code")
    op.drop_table("request_addition")
    op.drop_column("request", "heard_at")
