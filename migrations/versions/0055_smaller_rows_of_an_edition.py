"""smaller rows of what goes to many: a Message-ID made of the row, a digest as it is.

Revision ID: 0055
Revises: 0044
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0055"
down_revision = "0044"
branch_labels = None
depends_on = None

AT_ONCE = 5000
ROW = sa.table("mail_delivery", sa.column("id"), sa.column("old"))


def upgrade() -> None:
    """Go to this revision; what is there keeps the name it has."""
    op.add_column("mail_body", sa.Column("names", sa.String(length=320), nullable=True))
    _change_digests(sa.LargeBinary(), bytes.fromhex)
    with op.batch_alter_table("mail_delivery") as batch:
        batch.alter_column("message_id", existing_type=sa.String(length=200), nullable=True)


def downgrade() -> None:
    """Go back: each row has its name written out again."""
    connection = op.get_bind()
    unnamed = "SELECT d.id, b.names FROM mail_delivery d JOIN mail_body b ON b.id = d.body_id WHERE message_id IS NULL"
    named = sa.text("UPDATE mail_delivery SET message_id = :name WHERE id = :id")
    for row in connection.execute(sa.text(unnamed)).all():
        connection.execute(named, {"id": row.id, "name": _name(row.id, row.names or "@")})
    with op.batch_alter_table("mail_delivery") as batch:
        batch.alter_column("message_id", existing_type=sa.String(length=200), nullable=False)
    _change_digests(sa.String(length=64), lambda raw: bytes(raw).hex())
    op.drop_column("mail_body", "names")


def _change_digests(kind: sa.types.TypeEngine[Any], anew: Callable[[Any], object]) -> None:
    """Keep each in another way, a piece of the table at a time."""
    op.execute("ALTER TABLE mail_delivery RENAME COLUMN digest TO old")
    op.add_column("mail_delivery", sa.Column("digest", kind, nullable=True))
    connection, after = op.get_bind(), 0
    found = sa.select(ROW.c.id, ROW.c.old).where(ROW.c.old.is_not(None)).order_by(ROW.c.id).limit(AT_ONCE)
    changed = sa.text("UPDATE mail_delivery SET digest = :made WHERE id = :id")
    while rows := connection.execute(found.where(ROW.c.id > after)).all():
        connection.execute(changed, [{"id": row.id, "made": anew(row.old)} for row in rows])
        after = rows[-1].id
    op.drop_column("mail_delivery", "old")


def _name(number: int, names: str) -> str:
    secret, _, domain = names.partition("@")
    mac = hmac.digest(secret.encode(), str(number).encode(), "sha256")
    return f"<{number}.{mac.hex()[:24]}@{domain}>"
