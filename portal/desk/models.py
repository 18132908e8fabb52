"""What the desk keeps of its own work: what somebody began to write and has not sent."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from enum import StrEnum

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from portal.db import Base, UTCDateTime
from portal.keeping import Kept


class Draft(Base):
    """What one person began to write in one box of one request's page; gone when it is sent."""

    __tablename__ = "request_draft"
    __table_args__ = (
        Index("uq_request_draft_place", "request_id", "user_id", "box", unique=True),
        Index("ix_request_draft_saved_at", "saved_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    request_id: Mapped[int] = mapped_column(ForeignKey("request.id", ondelete="CASCADE"))
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"))
    box: Mapped[str] = mapped_column(String(20))  # the word of the act that sends it
    text: Mapped[str] = mapped_column(Text)
    saved_at: Mapped[datetime] = mapped_column(UTCDateTime)


class ContactKind(StrEnum):
    """How somebody was reached, other than by an answer's mail."""

    CALL = "call"
    FAX = "fax"
    POST = "post"


class CallOutcome(StrEnum):
    """What came of a call."""

    REACHED = "reached"
    LEFT_MESSAGE = "left_message"
    NO_ANSWER = "no_answer"
    CALL_AGAIN = "call_again"


CALL_OUTCOME_LABELS = {
    CallOutcome.REACHED: "We spoke",
    CallOutcome.LEFT_MESSAGE: "We left a message",
    CallOutcome.NO_ANSWER: "Nobody answered",
    CallOutcome.CALL_AGAIN: "They asked us to call again",
}


class Contact(Base):
    """A call, a fax, or what was posted: by whom, when, to which number, and what came of it."""

    __tablename__ = "request_contact"
    __table_args__ = (CheckConstraint("kind IN ('call', 'fax', 'post')", name="kind"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    request_id: Mapped[int] = mapped_column(ForeignKey("request.id", ondelete="CASCADE"), index=True)
    kind: Mapped[ContactKind] = mapped_column(String(10))
    outcome: Mapped[str] = mapped_column(String(20), default="")  # a CallOutcome, of a call
    number: Mapped[str] = mapped_column(String(40), default="")
    again_at: Mapped[datetime | None] = mapped_column(UTCDateTime)  # when to call again
    text: Mapped[str] = mapped_column(Text, default="")
    author_id: Mapped[int] = mapped_column(ForeignKey("user.id"))
    author_name: Mapped[str] = mapped_column(String(200))  # as it was then
    written_at: Mapped[datetime] = mapped_column(UTCDateTime)
    form_token: Mapped[str] = mapped_column(String(100), unique=True)


class AdditionKind(StrEnum):
    """What came from whoever asked, after their request."""

    ADDED = "added"
    AGAIN = "again"
    AWAY = "away"  # an out-of-office reply: nobody wrote it


class Addition(Base):
    """What whoever asked wrote after their request, on its page or by mail."""

    __tablename__ = "request_addition"
    __table_args__ = (CheckConstraint("kind IN ('added', 'again', 'away')", name="kind"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    request_id: Mapped[int] = mapped_column(ForeignKey("request.id", ondelete="CASCADE"), index=True)
    kind: Mapped[AdditionKind] = mapped_column(String(10))
    by_mail: Mapped[bool] = mapped_column(default=False)
    text: Mapped[str] = mapped_column(Text)
    written_at: Mapped[datetime] = mapped_column(UTCDateTime)
    form_token: Mapped[str] = mapped_column(String(100), unique=True)


class CardKind(StrEnum):
    """What stands on a prescriber's card: a note, or whether they want to hear from us beyond an answer."""

    NOTE = "note"
    NO_CONTACT = "no_contact"
    CONTACT = "contact"  # they may be contacted again


class CardNote(Base):
    """One entry on a prescriber's card. It hangs on one of their requests, and leaves with who asked it."""

    __tablename__ = "prescriber_note"
    __table_args__ = (CheckConstraint("kind IN ('note', 'no_contact', 'contact')", name="kind"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    request_id: Mapped[int] = mapped_column(ForeignKey("request.id", ondelete="CASCADE"), index=True)
    kind: Mapped[CardKind] = mapped_column(String(10))
    text: Mapped[str] = mapped_column(Text, default="")
    author_id: Mapped[int] = mapped_column(ForeignKey("user.id"))
    author_name: Mapped[str] = mapped_column(String(200))  # as it was then
    written_at: Mapped[datetime] = mapped_column(UTCDateTime)
    form_token: Mapped[str] = mapped_column(String(100), unique=True)


class Redaction(Base):
    """That words were taken out of a request: by whom, when, what they were, and where; never which."""

    __tablename__ = "redaction"

    id: Mapped[int] = mapped_column(primary_key=True)
    request_id: Mapped[int] = mapped_column(ForeignKey("request.id", ondelete="CASCADE"), index=True)
    version: Mapped[int]  # of the request, since then: what was typed on an older page may hold them
    at: Mapped[datetime] = mapped_column(UTCDateTime)
    by_name: Mapped[str] = mapped_column(String(200))  # as it was then
    kind: Mapped[str] = mapped_column(String(40))
    places: Mapped[list[str]] = mapped_column(JSON)  # as `redaction.Place.key` names them


class Reply(Base):
    """A stored reply. What was made of it is an answer of its own."""

    __tablename__ = "stored_reply"

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(String(100), unique=True)
    text: Mapped[str] = mapped_column(Text)
    is_clinical: Mapped[bool] = mapped_column(default=False)
    version: Mapped[int]
    changed_at: Mapped[datetime] = mapped_column(UTCDateTime)
    changed_by: Mapped[str] = mapped_column(
        String(200)
    )  # of a clinical one: the pharmacist who answers for it
    review_by: Mapped[date | None]


class ReplyVersion(Base):
    """A stored reply as it was saved once: what went out then can be read later."""

    __tablename__ = "stored_reply_version"
    __table_args__ = (Index("uq_stored_reply_version_number", "reply_id", "version", unique=True),)

    id: Mapped[int] = mapped_column(primary_key=True)
    reply_id: Mapped[int] = mapped_column(ForeignKey("stored_reply.id", ondelete="CASCADE"))
    version: Mapped[int]
    title: Mapped[str] = mapped_column(String(100))
    text: Mapped[str] = mapped_column(Text)
    is_clinical: Mapped[bool]
    changed_at: Mapped[datetime] = mapped_column(UTCDateTime)
    changed_by: Mapped[str] = mapped_column(String(200))


class SavedView(Base):
    """A list that one person comes back to: the filters as they stand in its address."""

    __tablename__ = "saved_view"
    __table_args__ = (Index("uq_saved_view_name", "user_id", "name", unique=True),)

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(40))
    query: Mapped[str] = mapped_column(String(500))


KEPT = (
    Kept(
        table="stored_reply",
        personal=("text", "changed_by"),
        rule="until somebody deletes it; a text of the pharmacy's",
        hidden="the pharmacy's own words, and who saved them last",
    ),
    Kept(
        table="stored_reply_version",
        personal=("text", "changed_by"),
        rule="as long as the stored reply",
        hidden="the pharmacy's own words, and who saved them",
    ),
    Kept(
        table="saved_view",
        personal=("name", "query"),
        rule="until its owner forgets it, as long as the account",
        of=("user_id", "user"),
        exported=("name", "query"),
    ),
    Kept(
        table="request_contact",
        personal=("number", "text", "author_name"),
        rule="as long as its request's text",
        of=("request_id", "request"),
        exported=("kind", "outcome", "number", "again_at", "text", "written_at", "author_name"),
    ),
    Kept(
        table="request_addition",
        personal=("text",),
        rule="as long as its request's text",
        of=("request_id", "request"),
        exported=("kind", "written_at", "text"),
    ),
    Kept(
        table="prescriber_note",
        personal=("text", "author_name"),
        rule="as long as the text of the request it hangs on, the newest when it was written",
        of=("request_id", "request"),
        exported=("kind", "text", "written_at", "author_name"),
    ),
    Kept(
        table="redaction",
        personal=("by_name",),
        rule="as long as its request's text; of the words only what they were, and where",
        of=("request_id", "request"),
        exported=("at", "kind", "by_name"),
    ),
    Kept(
        table="request_draft",
        personal=("text",),
        rule="until it is sent or emptied, 14 days at most",
        after=timedelta(days=14),
        since="saved_at",
        of=("request_id", "request"),
        exported=("saved_at", "text"),
    ),
)
