"""indexes that keep lists and jobs as quick with a million rows as with a hundred.

Revision ID: 0051
Revises: 0043
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0051"
down_revision = "0043"
branch_labels = None
depends_on = None

Indexes = tuple[tuple[str, str, list[str], str | None], ...]
TO_CHECK = "verdict = '' AND npi <> ''"
# name, table, columns, only where
NEW: Indexes = (
    ("ix_request_queue", "request", ["status", "answer_by", "id", "kind", "verdict", "owner_id"], None),
    ("ix_request_of_status", "request", ["status", "received_at", "id", "kind", "verdict", "owner_id"], None),
    ("ix_request_of_owner", "request", ["owner_id", "received_at", "id", "status", "kind", "verdict"], None),
    ("ix_request_of_verdict", "request", ["verdict", "received_at", "id", "status", "kind", "owner_id"], None),
    ("ix_request_received", "request", ["received_at", "id", "status", "kind", "verdict", "owner_id"], None),
    ("ix_request_to_check", "request", ["verdict", "id"], TO_CHECK),
    ("ix_request_term_request_id", "request_term", ["request_id", "term"], None),
    ("ix_mail_delivery_over", "mail_delivery", ["over_at"], None),
    ("ix_mail_delivery_leased", "mail_delivery", ["id"], "lease_by IS NOT NULL"),
    ("ix_mail_delivery_dead", "mail_delivery", ["state", "id"], "state = 'dead'"),
    ("ix_mail_delivery_refused", "mail_delivery", ["state", "cause"], "state = 'dead'"),
    (
        "ix_signup_to_remind",
        "signup",
        ["answered_at"],
        "answer = 'confirm' AND source <> 'import' AND reminded_at IS NULL",
    ),
    ("ix_subscriber_of_state", "subscriber", ["state", "id"], None),
    ("ix_subscription_of_topic", "subscription", ["topic", "state", "subscriber_id"], None),
)
OLD: Indexes = (
    ("ix_request_queue", "request", ["status", "answer_by", "id"], None),
    ("ix_request_received", "request", ["received_at", "id"], None),
    ("ix_request_owner_id", "request", ["owner_id"], None),
    ("ix_request_to_check", "request", ["id"], TO_CHECK),
    ("ix_request_term_request_id", "request_term", ["request_id"], None),
)


def upgrade() -> None:
    """Go to this revision."""
    _change(OLD, NEW)


def downgrade() -> None:
    """Go back: no row changes."""
    _change(NEW, OLD)


def _change(old: Indexes, new: Indexes) -> None:
    for name, table, _columns, _only in old:
        op.drop_index(name, table_name=table)
    for name, table, columns, only in new:
        where = sa.text(only) if only else None
        op.create_index(name, table, columns, sqlite_where=where, postgresql_where=where)
