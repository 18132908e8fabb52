"""Who gets the newsletter and how we know that they want it.

A *sign-up* is what a form or another site sent: written once, whoever's address it is. A *subscriber* exists, and
changes, only by that person's own press of a button. The subscriber's state and the state of each topic are two
things. A *consent event* is evidence and append-only; it names nobody but by a hash that dies with the subscriber.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy import text as sql_text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal import text
from portal.db import Base, UTCDateTime


class State(StrEnum):
    """Where a subscriber stands."""

    PENDING = "pending"
    ACTIVE = "active"
    PAUSED = "paused"
    UNSUBSCRIBED = "unsubscribed"
    BOUNCED = "bounced"
    COMPLAINED = "complained"


# From where a subscriber may go where; `subscriptions` checks this table. Who complained is staff's to talk to.
ALLOWED = {
    State.PENDING: {State.ACTIVE, State.UNSUBSCRIBED, State.COMPLAINED},
    State.ACTIVE: {State.PAUSED, State.UNSUBSCRIBED, State.BOUNCED, State.COMPLAINED},
    State.PAUSED: {State.ACTIVE, State.UNSUBSCRIBED, State.BOUNCED, State.COMPLAINED},
    State.UNSUBSCRIBED: {State.ACTIVE, State.COMPLAINED},
    State.BOUNCED: {State.ACTIVE, State.UNSUBSCRIBED, State.COMPLAINED},
    State.COMPLAINED: set(),
}
ON_THE_LIST = (State.ACTIVE, State.PAUSED)


class Topic(StrEnum):
    """What a subscriber may choose."""

    NEWS = "news"
    RESEARCH = "research"
    PHARMACY = "pharmacy"


class Language(StrEnum):
    """In which language the mails come."""

    EN = "en"
    ES = "es"


class TopicState(StrEnum):
    """Whether a topic is wanted."""

    CHOSEN = "chosen"
    STOPPED = "stopped"


class Source(StrEnum):
    """By which way a sign-up came."""

    FORM = "form"
    API = "api"
    IMPORT = "import"


class Answer(StrEnum):
    """What became of a sign-up; never shown to whoever sent it."""

    CONFIRM = "confirm"  # the mail with the button
    ALREADY = "already"  # the mail that says they are on it
    LIMITED = "limited"  # the same address asked again: one mail for all of them
    SUSPECT = "suspect"  # of earlier versions: a robot's signals
    BARRED = "barred"  # complained, or said "this was not me"


class ConsentKind(StrEnum):
    """What a consent event tells."""

    REQUESTED = "requested"
    CONFIRMED = "confirmed"
    TOPICS = "topics"
    LANGUAGE = "language"
    PAUSED = "paused"
    RESUMED = "resumed"
    LEFT = "left"
    ERASED = "erased"


class Means(StrEnum):
    """By what a person, or the portal for them, acted."""

    PAGE = "page"
    ONE_CLICK = "one-click"
    TIME = "time"
    MAIL = "mail"
    BOUNCE = "bounce"
    COMPLAINT = "complaint"
    STAFF = "staff"


class Purpose(StrEnum):
    """What a mailed token opens."""

    CONFIRM = "confirm"
    ERASE = "erase"


class Reason(StrEnum):
    """Why an address is remembered by its hash alone."""

    ERASED = "erased"
    BLOCKED = "blocked"
    COMPLAINED = "complained"


_TO_REMIND = sql_text("answer = 'confirm' AND source <> 'import' AND reminded_at IS NULL")  # `reminders.py`


class Signup(Base):
    """One accepted sign-up: our promise to answer it. The person's columns are never changed, only what we did."""

    __tablename__ = "signup"
    __table_args__ = (
        Index("ix_signup_due", "answered_at", "due_at"),
        Index("ix_signup_to_remind", "answered_at", sqlite_where=_TO_REMIND),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    form_token: Mapped[str] = mapped_column(String(120), unique=True)
    address: Mapped[str] = mapped_column(String(254))
    address_key: Mapped[str] = mapped_column(String(254), index=True)
    language: Mapped[Language] = mapped_column(String(2))
    topics: Mapped[str] = mapped_column(String(60))  # words with commas
    source: Mapped[Source] = mapped_column(String(10))
    page: Mapped[str] = mapped_column(String(60))
    text_id: Mapped[str] = mapped_column(String(40))
    text_version: Mapped[int]
    text_sha256: Mapped[str] = mapped_column(String(64))
    foreign_text: Mapped[str | None] = mapped_column(Text)  # words that are not one of ours
    network: Mapped[str] = mapped_column(String(60))
    signals: Mapped[str] = mapped_column(String(60))
    message_id: Mapped[str] = mapped_column(String(200))
    at: Mapped[datetime] = mapped_column(UTCDateTime)
    due_at: Mapped[datetime] = mapped_column(UTCDateTime)
    answered_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    answer: Mapped[Answer | None] = mapped_column(String(10))
    reminded_at: Mapped[datetime | None] = mapped_column(UTCDateTime)


class Subscriber(Base):
    """A person on, or once on, the list. `handle` is a secret: the links in every mail are made from it."""

    __tablename__ = "subscriber"
    __table_args__ = (
        CheckConstraint(
            "state IN ('pending', 'active', 'paused', 'unsubscribed', 'bounced', 'complained')", name="state"
        ),
        CheckConstraint("language IN ('en', 'es')", name="language"),
        CheckConstraint("(state = 'paused') = (paused_until IS NOT NULL)", name="paused_until"),
        Index("ix_subscriber_state", "state", "paused_until"),
        Index("ix_subscriber_of_state", "state", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    address: Mapped[str] = mapped_column(String(254))
    address_key: Mapped[str] = mapped_column(String(254), unique=True)
    language: Mapped[Language] = mapped_column(String(2))
    state: Mapped[State] = mapped_column(String(12))
    handle: Mapped[str] = mapped_column(String(40), unique=True)
    leave_digest: Mapped[str] = mapped_column(String(64), unique=True)
    preferences_digest: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    confirmed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    paused_until: Mapped[datetime | None] = mapped_column(UTCDateTime)
    left_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    marks_from: Mapped[datetime | None] = mapped_column(UTCDateTime)  # what came back before counts no more

    subscriptions: Mapped[list[Subscription]] = relationship(
        cascade="all, delete-orphan", order_by="Subscription.id", passive_deletes=True
    )

    @property
    def topics(self) -> list[Topic]:
        """The topics that are wanted, whatever the subscriber's own state."""
        chosen = {row.topic for row in self.subscriptions if row.state == TopicState.CHOSEN}
        return [topic for topic in Topic if topic in chosen]

    @property
    def masked(self) -> str:
        """The address so that its owner knows it, and the reader of a forwarded mail does not."""
        return text.masked(self.address)


class Subscription(Base):
    """One topic of one subscriber."""

    __tablename__ = "subscription"
    __table_args__ = (
        UniqueConstraint("subscriber_id", "topic"),
        Index("ix_subscription_of_topic", "topic", "state", "subscriber_id"),
        CheckConstraint("topic IN ('news', 'research', 'pharmacy')", name="topic"),
        CheckConstraint("state IN ('chosen', 'stopped')", name="state"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    subscriber_id: Mapped[int] = mapped_column(ForeignKey("subscriber.id", ondelete="CASCADE"))
    topic: Mapped[Topic] = mapped_column(String(12))
    state: Mapped[TopicState] = mapped_column(String(10))
    changed_at: Mapped[datetime] = mapped_column(UTCDateTime)


class ConsentEvent(Base):
    """Evidence of one act of consent. Database triggers refuse UPDATE and DELETE (see the first migration)."""

    __tablename__ = "consent_event"

    id: Mapped[int] = mapped_column(primary_key=True)
    subject: Mapped[str] = mapped_column(String(64), index=True)  # SHA-256 of the subscriber's handle
    kind: Mapped[ConsentKind] = mapped_column(String(12))
    at: Mapped[datetime] = mapped_column(UTCDateTime)
    text_id: Mapped[str] = mapped_column(String(40), default="")
    text_version: Mapped[int] = mapped_column(default=0)
    text_sha256: Mapped[str] = mapped_column(String(64), default="")
    foreign_text: Mapped[str | None] = mapped_column(Text)
    language: Mapped[Language] = mapped_column(String(2))
    topics: Mapped[str] = mapped_column(String(60))
    source: Mapped[str] = mapped_column(String(10), default="")
    page: Mapped[str] = mapped_column(String(60), default="")
    means: Mapped[Means] = mapped_column(String(12))
    network: Mapped[str] = mapped_column(String(60), default="")


class MailedToken(Base):
    """A secret sent to an address and to nowhere else; only its hash is here."""

    __tablename__ = "newsletter_token"
    __table_args__ = (CheckConstraint("purpose IN ('confirm', 'erase')", name="purpose"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    purpose: Mapped[Purpose] = mapped_column(String(10))
    signup_id: Mapped[int | None] = mapped_column(ForeignKey("signup.id", ondelete="CASCADE"), index=True)
    subscriber_id: Mapped[int | None] = mapped_column(
        ForeignKey("subscriber.id", ondelete="CASCADE"), index=True
    )
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, index=True)
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime)
    used_at: Mapped[datetime | None] = mapped_column(UTCDateTime)


class Tombstone(Base):
    """What is left of an address that was erased or wants no mail: a keyed hash, a reason and times."""

    __tablename__ = "tombstone"
    __table_args__ = (
        UniqueConstraint("address_hash", "reason"),
        CheckConstraint("reason IN ('erased', 'blocked', 'complained')", name="reason"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    address_hash: Mapped[str] = mapped_column(String(64))
    reason: Mapped[Reason] = mapped_column(String(12))
    at: Mapped[datetime] = mapped_column(UTCDateTime)
    until: Mapped[datetime | None] = mapped_column(UTCDateTime)  # NULL = for ever


class LeaveRequest(Base):
    """Somebody typed an address because the link to leave was broken: whoever it is, one row."""

    __tablename__ = "newsletter_leave_request"
    __table_args__ = (Index("ix_newsletter_leave_request_due", "answered_at", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    address: Mapped[str] = mapped_column(String(254))
    address_key: Mapped[str] = mapped_column(String(254), index=True)
    at: Mapped[datetime] = mapped_column(UTCDateTime)
    answered_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    mailed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)


class SpentLink(Base):
    """The hash of a link to leave whose owner was forgotten: pressed years later, it is still told the truth."""

    __tablename__ = "newsletter_spent_link"

    id: Mapped[int] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    at: Mapped[datetime] = mapped_column(UTCDateTime)


def key_of(address: str) -> str:
    """What makes two addresses one person's: the whole address, case folded; no dot or plus folding."""
    return address.casefold()
