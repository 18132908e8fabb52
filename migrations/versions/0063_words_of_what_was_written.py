"""The words of what was written about a request, by which who may read it finds it.

Revision ID: 0063
Revises: 0062
"""

from __future__ import annotations

from itertools import islice

import sqlalchemy as sa
from alembic import op

from portal.intake.terms import words_of

revision = "0063"
down_revision = "0062"
branch_labels = None
depends_on = None

BATCH, MOST = 200, 500
# What each kind of request types freely, and what is said about one.
ASKED = {"consultation": ("question",), "resource": ("address", "note")}
SAID = {"request_message": ("text",), "request_contact": ("number", "text"), "request_addition": ("text",)}


def upgrade() -> None:
    """Go to this revision, and give what is written about the requests that are there its words."""
    bind, last = op.get_bind(), 0
    term = sa.String(60) if bind.dialect.name == "sqlite" else sa.String(60, collation="C")
    table = op.create_table(
        "request_word",
        sa.Column("request_id", sa.Integer(), nullable=False),
        sa.Column("term", term, nullable=False),
        sa.Column("kind", sa.String(12), nullable=False),
        sa.ForeignKeyConstraint(
            ["request_id"], ["request.id"], name=op.f("fk_request_word_request_id_request"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("request_id", "term", name=op.f("pk_request_word")),
        sqlite_with_rowid=False,
    )
    names = sorted({name for names in ASKED.values() for name in names})
    requests = sa.table("request", *(sa.column(name) for name in ("id", "kind", *names)))
    said = {
        name: sa.table(name, *(sa.column(one) for one in ("id", "request_id", *columns)))
        for name, columns in SAID.items()
    }
    while found := bind.execute(
        sa.select(requests).where(requests.c.id > last).order_by(requests.c.id).limit(BATCH)
    ).all():
        kinds = {row.id: row.kind for row in found}
        texts = [(row.id, getattr(row, name)) for row in found for name in ASKED.get(row.kind, ())]
        for name, columns in SAID.items():
            among = sa.select(said[name]).where(said[name].c.request_id.in_(kinds))
            texts += [(row.request_id, getattr(row, one)) for row in bind.execute(among) for one in columns]
        texts = [(number, text) for number, text in texts if text not in (None, "[erased]")]
        words = dict.fromkeys(
            (number, word) for number, text in texts for word in islice(words_of(text), MOST)
        )
        rows = [{"request_id": number, "term": word, "kind": kinds[number]} for number, word in sorted(words)]
        if rows:
            bind.execute(table.insert(), rows)
        last = found[-1].id
    op.create_index("ix_request_word_term", "request_word", ["kind", "term", "request_id"])


def downgrade() -> None:
    """Go back: the words are made anew by the way up."""
    op.drop_table("request_word")
