"""verdicts on the NPI of requests.

Revision ID: 0027
Revises: 0014
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import portal.db

revision = "0027"
down_revision = "0014"
branch_labels = None
depends_on = None

TO_CHECK = sa.text("verdict = '' AND npi <> ''")


def upgrade() -> None:
    """Go to this revision: the worker then checks every request that has an NPI and tells of a person still."""
    op.add_column("request", sa.Column("verdict", sa.String(length=20), nullable=False, server_default=""))
    op.execute("UPDATE request SET verdict = 'unchecked' WHERE npi = '[erased]'")
    op.create_index(
        "ix_request_to_check", "request", ["id"], sqlite_where=TO_CHECK, postgresql_where=TO_CHECK
    )
    op.create_table(
        "npi_check",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("request_id", sa.Integer(), nullable=False),
        sa.Column("at", portal.db.UTCDateTime(timezone=True), nullable=False),
        sa.Column("npi", sa.String(length=10), nullable=False),
        sa.Column("typed", sa.JSON(), nullable=False),
        sa.Column("verdict", sa.String(length=20), nullable=False),
        sa.Column("reasons", sa.JSON(), nullable=False),
        sa.Column("close", sa.String(length=20), nullable=False),
        sa.Column("as_of", sa.String(length=10), nullable=False),
        sa.Column("provider", sa.JSON(), nullable=False),
        sa.CheckConstraint(
            "verdict IN ('deactivated', 'not_found', 'organisation', 'not_prescriber', 'name_differs', "
            "'limited_scope', 'credential_differs', 'state_differs', 'match', 'unchecked')",
            name=op.f("ck_npi_check_verdict"),
        ),
        sa.ForeignKeyConstraint(
            ["request_id"],
            ["request.id"],
            name=op.f("fk_npi_check_request_id_request"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_npi_check")),
    )
    op.create_index(op.f("ix_npi_check_request_id"), "npi_check", ["request_id"])


def downgrade() -> None:
    """Go back: the verdicts are lost with their table; the way up has every NPI checked anew."""
    op.drop_table("npi_check")
    op.drop_index("ix_request_to_check", table_name="request")
    op.drop_column("request", "verdict")
