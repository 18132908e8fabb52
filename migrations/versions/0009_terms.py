"""the words by which a request is found.

Revision ID: 0009
Revises: 0006
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from portal.intake.terms import words_of

revision = "0009"
down_revision = "0006"
branch_labels = None
depends_on = None

BATCH = 500
SEARCHED = ("reference", "name", "credential", "practice", "email", "delegate_name", "delegate_email", "npi", "phone")


def upgrade() -> None:
    """Go to this revision, and give the requests that are there their words."""
    term = sa.String(60) if op.get_bind().dialect.name == "sqlite" else sa.String(60, collation="C")
    table = op.create_table(
        "request_term",
        sa.Column("term", term, nullable=False),
        sa.Column("request_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["request_id"], ["request.id"], name=op.f("fk_request_term_request_id_request"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("term", "request_id", name=op.f("pk_request_term")),
    )
    op.create_index("ix_request_term_request_id", "request_term", ["request_id"])
    bind, last = op.get_bind(), 0
    requests = sa.table("request", sa.column("id"), *(sa.column(name) for name in SEARCHED))
    while found := bind.execute(
        sa.select(requests).where(requests.c.id > last).order_by(requests.c.id).limit(BATCH)
    ).all():
        rows = [
            {"request_id": row.id, "term": word}
            for row in found
            for word in dict.fromkeys(w for name in SEARCHED for w in words_of(getattr(row, name) or ""))
        ]
        if rows:
            bind.execute(table.insert(), rows)
        last = found[-1].id


def downgrade() -> None:
    """Go back: the words are made anew by the way up."""
    op.drop_table("request_term")
