"""What was promised: a body once, and for each who gets it one small delivery."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, LargeBinary, String, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.db import Base, UTCDateTime
from portal.keeping import Kept


class State(StrEnum):
    """Where a delivery stands; `dead` means given up, for a person to look at."""

    QUEUED = "queued"
    HELD = "held"
    SENT = "sent"
    DEAD = "dead"
    WITHDRAWN = "withdrawn"


class Lane(StrEnum):
    """Who goes first: what somebody waits for, what staff should know, what many get."""

    NOW = "now"
    SOON = "soon"
    BULK = "bulk"


WAITING = (State.QUEUED, State.HELD)
_IN_HAND, _DEAD = text("lease_by IS NOT NULL"), text("state = 'dead'")


class Body(Base):
    """What a mail says. Promised as a template's name and small facts; its bytes are written once, by the worker,
    and forgotten with the facts some time after the last delivery is over."""

    __tablename__ = "mail_body"
    __table_args__ = (Index("ix_mail_body_kept", "forgotten_at", "created_at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    message: Mapped[str] = mapped_column(String(80))  # which letter, as room/name
    language: Mapped[str] = mapped_column(String(5))
    facts: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    content: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)  # also the mail's Date
    faults: Mapped[int] = mapped_column(default=0, index=True)  # how often it could not be written
    # Of what goes to many: what the Message-ID of each is made of, with its row's number (`wire.name_of`).
    names: Mapped[str | None] = mapped_column(String(320))
    forgotten_at: Mapped[datetime | None] = mapped_column(UTCDateTime)


class Delivery(Base):
    """One body to one address. Its Message-ID is fixed when it is promised, so a repeat is a true repeat."""

    __tablename__ = "mail_delivery"
    __table_args__ = (
        CheckConstraint("state IN ('queued', 'held', 'sent', 'dead', 'withdrawn')", name="state"),
        CheckConstraint("lane IN ('now', 'soon', 'bulk')", name="lane"),
        Index("ix_mail_delivery_next", "state", "lane", "due_at", "id"),
        Index("ix_mail_delivery_over", "over_at"),
        # Of few rows whatever was sent: what a worker has in hand, and what was given up.
        Index("ix_mail_delivery_leased", "id", sqlite_where=_IN_HAND),
        Index("ix_mail_delivery_dead", "state", "id", sqlite_where=_DEAD),
        Index("ix_mail_delivery_refused", "state", "cause", sqlite_where=_DEAD),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    body_id: Mapped[int] = mapped_column(ForeignKey("mail_body.id"), index=True)
    message_id: Mapped[str | None] = mapped_column(
        String(200), unique=True
    )  # NULL: made of its body's `names`
    recipient: Mapped[str] = mapped_column(String(320))
    recipient_key: Mapped[str] = mapped_column(String(320), index=True)  # case folded: whose it is
    envelope_sender: Mapped[str] = mapped_column(
        String(320), default=""
    )  # where bounces go; empty: MAIL_FROM
    # What stands before the body for this one alone. NULL: the body is whole, as version 0.1 wrote them.
    headers: Mapped[dict[str, str] | None] = mapped_column(JSON(none_as_null=True))
    cause: Mapped[str] = mapped_column(String(120), index=True)  # what promised it, as kind:id
    lane: Mapped[Lane] = mapped_column(String(4))
    state: Mapped[State] = mapped_column(String(10), default=State.QUEUED)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    due_at: Mapped[datetime] = mapped_column(UTCDateTime)  # not before
    attempts: Mapped[int] = mapped_column(default=0)
    lease_by: Mapped[str | None] = mapped_column(String(60))
    lease_until: Mapped[datetime | None] = mapped_column(UTCDateTime)
    over_at: Mapped[datetime | None] = mapped_column(UTCDateTime)  # when it was sent, given up or withdrawn
    last_error: Mapped[str] = mapped_column(String(300), default="")
    digest: Mapped[bytes | None] = mapped_column(
        LargeBinary
    )  # SHA-256 of what was sent, without our signature

    body: Mapped[Body] = relationship()


class MailRate(Base):
    """When the next mail of a lane may be begun, whoever begins it."""

    __tablename__ = "mail_rate"

    lane: Mapped[Lane] = mapped_column(String(4), primary_key=True)
    next_at: Mapped[datetime] = mapped_column(UTCDateTime)


KEPT = (
    Kept(table="mail_rate", rule="always; when the next newsletter mail may go"),
    Kept(
        table="mail_body",
        personal=("facts", "content"),
        rule="what it says: 30 days after its last delivery was over, 90 after a failure (`mail.retire`); "
        "the row as long as its deliveries",
        told={
            "en": (
                "What a mail to you says",
                "30 days after it was sent; 90 days if it could not be delivered",
            ),
            "es": (
                "Lo que dice un correo para usted",
                "30 días después de mandarlo; 90 días si no se pudo entregar",
            ),
        },
        hidden="a body may be many people's; what was mailed to a person is in mail_delivery",
    ),
    Kept(
        table="mail_delivery",
        personal=("recipient", "recipient_key", "headers"),
        rule="its headers as long as the body, its address 24 months after it was over (`retention.mail`), then "
        "a keyed hash; the row 7 years; a request's go with its text",
        after=timedelta(days=7 * 365 + 2),
        since="over_at",
        told={
            "en": (
                "The list of mails we sent you",
                "24 months with your address, then without it for 5 years",
            ),
            "es": (
                "La lista de los correos que le mandamos",
                "24 meses con su dirección; después, 5 años más sin ella",
            ),
        },
        whose=("recipient",),
        exported=("recipient", "cause", "state", "created_at", "over_at"),
    ),
)
