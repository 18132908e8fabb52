"""What prescribers ask: one table for both kinds, the few differing columns guarded by check constraints.

The words stored are the words of the contract; the label shown for each stands in one dict beside its enum.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from portal.db import Base, UTCDateTime


class Kind(StrEnum):
    """What is asked for."""

    CONSULTATION = "consultation"
    RESOURCE = "resource"


KIND_LABELS = {Kind.CONSULTATION: "Consultation", Kind.RESOURCE: "Materials"}


class Status(StrEnum):
    """Where a request stands."""

    NEW = "new"
    IN_PROGRESS = "in_progress"
    WAITING = "waiting"
    ANSWERED = "answered"
    CLOSED = "closed"
    SPAM = "spam"
    DUPLICATE = "duplicate"


STATUS_LABELS = {
    Status.NEW: "New",
    Status.IN_PROGRESS: "In progress",
    Status.WAITING: "Waiting for the prescriber",
    Status.ANSWERED: "Answered",
    Status.CLOSED: "Closed",
    Status.SPAM: "Spam",
    Status.DUPLICATE: "Duplicate",
}
OPEN = (Status.NEW, Status.IN_PROGRESS, Status.WAITING)
DUE = (Status.NEW, Status.IN_PROGRESS)  # those that can be late: they wait for us

# What the prescriber's own page says: never our verdict about the sender.
PUBLIC_STATUS = {
    Status.NEW: "Received",
    Status.IN_PROGRESS: "We are working on it",
    Status.WAITING: "Waiting for your reply",
    Status.ANSWERED: "Answered",
    Status.CLOSED: "Closed",
    Status.SPAM: "Received",
    Status.DUPLICATE: "Handled with your other request",
}


class Topic(StrEnum):
    """What a consultation is about."""

    DOSING = "dosing"
    INTERACTIONS = "interactions"
    SAFETY = "safety"
    FORMULATION = "formulation"
    COMPOUNDING = "compounding"
    EVIDENCE = "evidence"
    OTHER = "other"


TOPIC_LABELS = {
    Topic.DOSING: "Dosing or titration",
    Topic.INTERACTIONS: "Interactions",
    Topic.SAFETY: "Safety or side effects",
    Topic.FORMULATION: "Form, strength or ingredients",
    Topic.COMPOUNDING: "How we compound",
    Topic.EVIDENCE: "Evidence",
    Topic.OTHER: "Something else",
}


class ContactMethod(StrEnum):
    """How we answer."""

    EMAIL = "email"
    PHONE = "phone"


class ContactWindow(StrEnum):
    """When to call, in the prescriber's day."""

    ANY = "any"
    MORNING = "morning"
    MIDDAY = "midday"
    AFTERNOON = "afternoon"


class Delivery(StrEnum):
    """How materials travel."""

    EMAIL = "email"
    POST = "post"


CONTACT_METHOD_LABELS = {ContactMethod.EMAIL: "Email", ContactMethod.PHONE: "Phone"}
CONTACT_WINDOW_LABELS = {
    ContactWindow.ANY: "Any time we are open",
    ContactWindow.MORNING: "Morning",
    ContactWindow.MIDDAY: "Midday",
    ContactWindow.AFTERNOON: "Afternoon",
}
DELIVERY_LABELS = {Delivery.EMAIL: "By email", Delivery.POST: "By mail"}


class CloseReason(StrEnum):
    """Why a request is closed; a word from a list, because the audit trail holds no free text."""

    ANSWERED = "answered"
    NO_REPLY = "no_reply"
    WITHDRAWN = "withdrawn"
    NOT_A_PRESCRIBER = "not_a_prescriber"
    OUT_OF_SCOPE = "out_of_scope"


CLOSE_REASON_LABELS = {
    CloseReason.ANSWERED: "Answered",
    CloseReason.NO_REPLY: "No reply to our question",
    CloseReason.WITHDRAWN: "Withdrawn by the prescriber",
    CloseReason.NOT_A_PRESCRIBER: "Not from a prescriber",
    CloseReason.OUT_OF_SCOPE: "Not something we can answer",
}


class ReopenReason(StrEnum):
    """Why a request is opened again."""

    FOLLOW_UP = "follow_up"
    NEW_FACTS = "new_facts"
    BY_MISTAKE = "by_mistake"


REOPEN_REASON_LABELS = {
    ReopenReason.FOLLOW_UP: "The prescriber asked again",
    ReopenReason.NEW_FACTS: "There are new facts",
    ReopenReason.BY_MISTAKE: "It was closed by mistake",
}


class SpamReason(StrEnum):
    """Why a request is spam."""

    ADVERTISING = "advertising"
    ROBOT = "robot"
    ABUSE = "abuse"


SPAM_REASON_LABELS = {
    SpamReason.ADVERTISING: "Advertising",
    SpamReason.ROBOT: "Sent by a robot",
    SpamReason.ABUSE: "Abuse or nonsense",
}


class MessageKind(StrEnum):
    """What staff wrote: a note stays inside, an answer went out by mail."""

    NOTE = "note"
    ANSWER = "answer"


def _one_of(column: str, kind: type[StrEnum]) -> str:
    return f"{column} IN ({', '.join(repr(item.value) for item in kind)})"


class Request(Base):
    """One request. `form_token` makes it one however often its form is sent; `receipt_hash` opens its page."""

    __tablename__ = "request"
    __table_args__ = (
        CheckConstraint(_one_of("kind", Kind), name="kind"),
        CheckConstraint(_one_of("status", Status), name="status"),
        CheckConstraint("kind <> 'consultation' OR (npi <> '' AND question <> '')", name="consultation"),
        CheckConstraint("kind <> 'resource' OR delivery <> ''", name="resource"),
        # One for each order that the desk's list offers, and in each all that the list filters by: a row that is not
        # wanted is passed by in the index (`desk/search.py`).
        Index("ix_request_queue", "status", "answer_by", "id", "kind", "verdict", "owner_id"),
        Index("ix_request_of_status", "status", "received_at", "id", "kind", "verdict", "owner_id"),
        Index("ix_request_of_owner", "owner_id", "received_at", "id", "status", "kind", "verdict"),
        Index("ix_request_of_verdict", "verdict", "received_at", "id", "status", "kind", "owner_id"),
        Index("ix_request_received", "received_at", "id", "status", "kind", "verdict", "owner_id"),
        Index("ix_request_npi", "npi", "kind", "received_at"),
        Index("ix_request_snoozed", "snoozed_until", sqlite_where=text("snoozed_until IS NOT NULL")),
        Index("ix_request_to_call", "call_at", sqlite_where=text("call_at IS NOT NULL")),
        Index("ix_request_to_check", "verdict", "id", sqlite_where=text("verdict = '' AND npi <> ''")),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    reference: Mapped[str] = mapped_column(String(13), unique=True)  # LDN-XXXX-XXXX
    form_token: Mapped[str] = mapped_column(String(100), unique=True)
    receipt_hash: Mapped[str] = mapped_column(String(64), unique=True)
    kind: Mapped[Kind] = mapped_column(String(12))
    status: Mapped[Status] = mapped_column(String(12))
    version: Mapped[int] = mapped_column(default=1)  # every write of staff raises it
    received_at: Mapped[datetime] = mapped_column(UTCDateTime)
    answer_by: Mapped[datetime] = mapped_column(UTCDateTime)  # the promise; also the queue's order
    own_answer_by: Mapped[datetime | None] = mapped_column(
        UTCDateTime
    )  # while one joined to it makes it sooner
    first_answer_by: Mapped[datetime | None] = mapped_column(UTCDateTime)  # of what was asked again
    changed_at: Mapped[datetime] = mapped_column(UTCDateTime)
    answered_at: Mapped[datetime | None] = mapped_column(UTCDateTime)  # the latest time
    first_answered_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    closed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    claimed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)

    # Lengths are said twice on purpose: here, and as a sentence in `forms.py`.
    name: Mapped[str] = mapped_column(String(128))
    credential: Mapped[str] = mapped_column(String(40), default="")
    npi: Mapped[str] = mapped_column(String(10), default="")
    practice: Mapped[str] = mapped_column(String(160), default="")
    state: Mapped[str] = mapped_column(String(2), default="")
    verdict: Mapped[str] = mapped_column(String(20), default="")  # on the NPI; "": none yet (`checks.py`)
    email: Mapped[str] = mapped_column(String(254))
    phone: Mapped[str] = mapped_column(String(40), default="")  # as typed

    # Consultations
    on_behalf: Mapped[bool] = mapped_column(default=False)
    delegate_name: Mapped[str] = mapped_column(String(128), default="")
    delegate_email: Mapped[str] = mapped_column(String(254), default="")
    answer_email: Mapped[str] = mapped_column(String(254), default="")  # where staff sent an answer instead
    topics: Mapped[list[str]] = mapped_column(JSON, default=list)
    question: Mapped[str] = mapped_column(Text, default="")
    contact_method: Mapped[str] = mapped_column(String(10), default="")
    contact_window: Mapped[str] = mapped_column(String(10), default="")
    leave_message: Mapped[bool] = mapped_column(default=False)
    patient_data: Mapped[list[str]] = mapped_column(JSON, default=list)  # kinds found, sent all the same

    # Materials
    items: Mapped[list[str]] = mapped_column(JSON, default=list)
    delivery: Mapped[str] = mapped_column(String(10), default="")
    address: Mapped[str] = mapped_column(String(400), default="")
    note: Mapped[str] = mapped_column(Text, default="")

    signals: Mapped[list[str]] = mapped_column(JSON, default=list)  # what spoke for a robot
    possible_duplicate_of: Mapped[int | None] = mapped_column(ForeignKey("request.id"))
    duplicate_of: Mapped[int | None] = mapped_column(index=True)  # the one that is answered for both
    follows: Mapped[int | None] = mapped_column(index=True)  # asked again, long after that one was closed
    snoozed_until: Mapped[datetime | None] = mapped_column(UTCDateTime)  # set aside; the promise runs on
    waiting_since: Mapped[datetime | None] = mapped_column(UTCDateTime)  # the clock of the promise rests
    more_time_at: Mapped[datetime | None] = mapped_column(UTCDateTime)  # the mail that we need more time went
    heard_at: Mapped[datetime | None] = mapped_column(UTCDateTime)  # they wrote more, unanswered
    call_at: Mapped[datetime | None] = mapped_column(UTCDateTime)  # they asked to be called then

    @property
    def reply_name(self) -> str:
        """Whom an answer greets: the delegate who asked, or the prescriber."""
        return self.delegate_name if self.on_behalf else self.name

    @property
    def reply_email(self) -> str:
        """Where an answer goes: to whoever asked, or where one went that did not reach them there."""
        return self.answer_email or (self.delegate_email if self.on_behalf else self.email)

    @property
    def is_spam(self) -> bool:
        """Whether it is taken for a robot's."""
        return self.status == Status.SPAM

    def is_late(self, at: datetime) -> bool:
        """Whether the promise is broken at that moment."""
        return self.status in DUE and self.answer_by < at

    def is_snoozed(self, at: datetime) -> bool:
        """Whether it is set aside at that moment."""
        return self.is_open and self.snoozed_until is not None and self.snoozed_until > at

    @property
    def is_open(self) -> bool:
        """Whether somebody still waits for us, or we for them."""
        return self.status in OPEN

    @property
    def subject(self) -> str:
        """What the audit trail calls this request."""
        return f"request:{self.reference}"


class Message(Base):
    """What staff wrote about a request. Notes and answers never turn into each other."""

    __tablename__ = "request_message"
    __table_args__ = (CheckConstraint(_one_of("kind", MessageKind), name="kind"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    request_id: Mapped[int] = mapped_column(ForeignKey("request.id"), index=True)
    kind: Mapped[MessageKind] = mapped_column(String(10))
    author_id: Mapped[int] = mapped_column(ForeignKey("user.id"))
    author_name: Mapped[str] = mapped_column(String(200))  # as it was then
    written_at: Mapped[datetime] = mapped_column(UTCDateTime)
    text: Mapped[str] = mapped_column(Text)
    form_token: Mapped[str] = mapped_column(String(100), unique=True)
    changed: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))  # what Undo puts back


class RequestTerm(Base):
    """One folded word by which a request is found (`terms.py`)."""

    __tablename__ = "request_term"
    __table_args__ = (Index("ix_request_term_request_id", "request_id", "term"),)

    term: Mapped[str] = mapped_column(
        String(60, collation="C").with_variant(String(60), "sqlite"), primary_key=True
    )
    request_id: Mapped[int] = mapped_column(ForeignKey("request.id", ondelete="CASCADE"), primary_key=True)
