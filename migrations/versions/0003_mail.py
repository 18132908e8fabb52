"""Mail: bodies once, deliveries small, in place of the outbox.

What version 0.1 wrote keeps its very bytes: such a body holds every header itself, which its delivery says with
headers that are NULL. Ids stay too, so that a mail that is written to a file twice is one file. On the way down each
delivery becomes a whole mail again; what the outbox has no word for stands there as given up, and is taken for what it
was on the next way up.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator

import sqlalchemy as sa
from alembic import op

import portal.db
from portal.mail import wire

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

AT_ONCE = 200
SOON = "('intake/notice', 'newsletter/reminder')"
AWAY = {"held": "on hold when the portal went back", "withdrawn": "withdrawn"}
UNWRITTEN = "cannot be written: "
DIGEST = "sha256 "

moment = portal.db.UTCDateTime(timezone=True)
outbox = sa.table('outbox', sa.column('id', sa.Integer()), sa.column('recipient'), sa.column('state'),
                  sa.column('content', sa.LargeBinary()), sa.column('last_error'), sa.column('message'))
body = sa.table('mail_body', sa.column('id', sa.Integer()), sa.column('facts', sa.JSON(none_as_null=True)),
                sa.column('content', sa.LargeBinary()), sa.column('forgotten_at', moment), sa.column('language'),
                sa.column('faults', sa.Integer()))
delivery = sa.table('mail_delivery', sa.column('id', sa.Integer()), sa.column('body_id', sa.Integer()),
                    sa.column('recipient'), sa.column('recipient_key'), sa.column('digest'), sa.column('state'),
                    sa.column('headers', sa.JSON(none_as_null=True)), sa.column('message_id'), sa.column('lane'),
                    sa.column('over_at', moment), sa.column('last_error'))


def upgrade() -> None:
    """Go to this revision."""
    op.create_table('mail_body',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('message', sa.String(length=80), nullable=False),
    sa.Column('language', sa.String(length=5), nullable=False),
    sa.Column('facts', sa.JSON(none_as_null=True), nullable=True),
    sa.Column('content', sa.LargeBinary(), nullable=True),
    sa.Column('created_at', moment, nullable=False),
    sa.Column('faults', sa.Integer(), nullable=False),
    sa.Column('forgotten_at', moment, nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_mail_body'))
    )
    op.create_table('mail_delivery',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('body_id', sa.Integer(), nullable=False),
    sa.Column('message_id', sa.String(length=200), nullable=False),
    sa.Column('recipient', sa.String(length=320), nullable=False),
    sa.Column('recipient_key', sa.String(length=320), nullable=False),
    sa.Column('envelope_sender', sa.String(length=320), nullable=False),
    sa.Column('headers', sa.JSON(none_as_null=True), nullable=True),
    sa.Column('cause', sa.String(length=120), nullable=False),
    sa.Column('lane', sa.String(length=4), nullable=False),
    sa.Column('state', sa.String(length=10), nullable=False),
    sa.Column('created_at', moment, nullable=False),
    sa.Column('due_at', moment, nullable=False),
    sa.Column('attempts', sa.Integer(), nullable=False),
    sa.Column('lease_by', sa.String(length=60), nullable=True),
    sa.Column('lease_until', moment, nullable=True),
    sa.Column('over_at', moment, nullable=True),
    sa.Column('last_error', sa.String(length=300), nullable=False),
    sa.Column('digest', sa.String(length=64), nullable=True),
    sa.CheckConstraint("state IN ('queued', 'held', 'sent', 'dead', 'withdrawn')", name=op.f('ck_mail_delivery_state')),
    sa.CheckConstraint("lane IN ('now', 'soon', 'bulk')", name=op.f('ck_mail_delivery_lane')),
    sa.ForeignKeyConstraint(['body_id'], ['mail_body.id'], name=op.f('fk_mail_delivery_body_id_mail_body')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_mail_delivery')),
    sa.UniqueConstraint('message_id', name=op.f('uq_mail_delivery_message_id'))
    )
    _carry_up()
    op.create_index(op.f('ix_mail_body_faults'), 'mail_body', ['faults'], unique=False)
    op.create_index('ix_mail_body_kept', 'mail_body', ['forgotten_at', 'created_at'], unique=False)
    op.create_index(op.f('ix_mail_delivery_body_id'), 'mail_delivery', ['body_id'], unique=False)
    op.create_index(op.f('ix_mail_delivery_cause'), 'mail_delivery', ['cause'], unique=False)
    op.create_index('ix_mail_delivery_next', 'mail_delivery', ['state', 'lane', 'due_at', 'id'], unique=False)
    op.create_index(op.f('ix_mail_delivery_recipient_key'), 'mail_delivery', ['recipient_key'], unique=False)
    op.drop_table('outbox')


def downgrade() -> None:
    """Leave this revision. Refuses while a mail waits that this version could still write."""
    waits = op.get_bind().scalar(sa.text(
        "SELECT count(*) FROM mail_delivery d JOIN mail_body b ON b.id = d.body_id "
        "WHERE d.state IN ('queued', 'held') AND b.content IS NULL AND b.faults = 0"))
    if waits:
        raise RuntimeError(f"{waits} mails are promised and not yet written, which the older version cannot do. "
                           "Run `flask db upgrade` and `flask worker --once`, then try again: no mail was changed.")
    op.create_table('outbox',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('message_id', sa.String(length=200), nullable=False),
    sa.Column('message', sa.String(length=80), nullable=False),
    sa.Column('cause', sa.String(length=120), nullable=False),
    sa.Column('recipient', sa.String(length=320), nullable=False),
    sa.Column('content', sa.LargeBinary(), nullable=False),
    sa.Column('created_at', moment, nullable=False),
    sa.Column('state', sa.String(length=10), nullable=False),
    sa.Column('due_at', moment, nullable=False),
    sa.Column('attempts', sa.Integer(), nullable=False),
    sa.Column('lease_by', sa.String(length=60), nullable=True),
    sa.Column('lease_until', moment, nullable=True),
    sa.Column('sent_at', moment, nullable=True),
    sa.Column('last_error', sa.String(length=300), nullable=False),
    sa.CheckConstraint("state IN ('queued', 'sent', 'dead')", name=op.f('ck_outbox_state')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_outbox')),
    sa.UniqueConstraint('message_id', name=op.f('uq_outbox_message_id'))
    )
    _carry_down()
    op.create_index(op.f('ix_outbox_cause'), 'outbox', ['cause'], unique=False)
    op.create_index('ix_outbox_due', 'outbox', ['state', 'due_at'], unique=False)
    op.drop_table('mail_delivery')
    op.drop_table('mail_body')


def _carry_up() -> None:
    bind = op.get_bind()
    op.execute(
        "INSERT INTO mail_body (id, message, language, facts, content, created_at, faults, forgotten_at) "
        "SELECT id, CASE WHEN message LIKE 'accounts/%' THEN 'people/' || substr(message, 10) ELSE message END, "
        "'en', '{}', content, created_at, 0, NULL FROM outbox")
    op.execute(
        "INSERT INTO mail_delivery (id, body_id, message_id, recipient, recipient_key, envelope_sender, headers, cause, "
        "lane, state, created_at, due_at, attempts, lease_by, lease_until, over_at, last_error, digest) "
        "SELECT id, id, message_id, recipient, recipient, '', NULL, cause, "
        f"CASE WHEN message IN {SOON} THEN 'soon' ELSE 'now' END, state, created_at, due_at, attempts, lease_by, "
        "lease_until, CASE state WHEN 'sent' THEN sent_at WHEN 'dead' THEN due_at END, last_error, NULL FROM outbox")
    _number_on(bind, 'mail_body', 'mail_delivery')
    for row in _rows(bind, sa.select(outbox.c.id, outbox.c.recipient, outbox.c.state, outbox.c.content,
                                     outbox.c.last_error), outbox.c.id):
        is_sent = row.state == "sent" and row.content
        values = {"recipient_key": row.recipient.casefold(),
                  "digest": hashlib.sha256(row.content).hexdigest() if is_sent else None}
        about = {}
        if not row.content:  # forgotten before
            about = {"content": None, "facts": None, "forgotten_at": sa.text("created_at")}
            if row.last_error.startswith(DIGEST):
                values |= {"digest": row.last_error.removeprefix(DIGEST), "last_error": ""}
        state = next((state for state, words in AWAY.items() if row.last_error == words), None)
        if state:
            values |= {"state": state, "last_error": ""} | ({"over_at": None} if state == "held" else {})
        if row.last_error.startswith(UNWRITTEN):
            kept = json.loads(row.content)
            values |= {"state": kept["state"], "lane": kept["lane"], "headers": kept["headers"], "over_at": None,
                       "last_error": row.last_error.removeprefix(UNWRITTEN)}
            about = {"content": None, "facts": kept["facts"], "language": kept["language"], "faults": 1}
        bind.execute(delivery.update().where(delivery.c.id == row.id).values(**values))
        if about:
            bind.execute(body.update().where(body.c.id == row.id).values(**about))


def _carry_down() -> None:
    bind = op.get_bind()
    bind.execute(sa.text(
        "INSERT INTO outbox (id, message_id, message, cause, recipient, content, created_at, state, due_at, attempts, "
        "lease_by, lease_until, sent_at, last_error) SELECT d.id, d.message_id, "
        "CASE WHEN b.message LIKE 'people/%' THEN 'accounts/' || substr(b.message, 8) ELSE b.message END, "
        "d.cause, d.recipient, COALESCE(b.content, :nothing), d.created_at, "
        "CASE WHEN d.state IN ('queued', 'sent') THEN d.state ELSE 'dead' END, d.due_at, d.attempts, d.lease_by, "
        "d.lease_until, CASE d.state WHEN 'sent' THEN d.over_at END, "
        f"CASE d.state WHEN 'held' THEN '{AWAY['held']}' WHEN 'withdrawn' THEN '{AWAY['withdrawn']}' "
        f"WHEN 'sent' THEN CASE WHEN b.content IS NULL AND d.digest IS NOT NULL THEN '{DIGEST}' || d.digest ELSE '' END "
        "ELSE d.last_error END FROM mail_delivery d JOIN mail_body b ON b.id = d.body_id"), {"nothing": b""})
    _number_on(bind, 'outbox')
    columns = (delivery.c.id, delivery.c.recipient, delivery.c.message_id, delivery.c.headers, delivery.c.state,
               delivery.c.lane, delivery.c.last_error, body.c.content, body.c.facts, body.c.language)
    query = sa.select(*columns).join_from(delivery, body, delivery.c.body_id == body.c.id)
    for row in _rows(bind, query.where(delivery.c.headers.is_not(None)), delivery.c.id):
        values = {}
        if row.content is not None:
            values["content"] = wire.whole(row.content, to=row.recipient, message_id=row.message_id, headers=row.headers)
        elif row.state in ("queued", "held"):
            kept = {name: getattr(row, name) for name in ("facts", "language", "state", "lane", "headers")}
            values = {"content": json.dumps(kept).encode(), "state": "dead",
                      "last_error": (UNWRITTEN + row.last_error)[:300]}
        if values:
            bind.execute(outbox.update().where(outbox.c.id == row.id).values(**values))


def _rows(bind: sa.Connection, query: sa.Select, key: sa.ColumnElement[int]) -> Iterator[sa.Row]:
    """Some at a time, by id: the contents of all would not fit into memory."""
    last = 0
    while rows := bind.execute(query.where(key > last).order_by(key).limit(AT_ONCE)).all():
        yield from rows
        last = rows[-1].id


def _number_on(bind: sa.Connection, *tables: str) -> None:
    """Let PostgreSQL number on after the ids that were carried."""
    if bind.dialect.name == 'postgresql':
        for table in tables:
            op.execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), COALESCE(max(id), 1), "
                       f"max(id) IS NOT NULL) FROM {table}")
