"""An edition, what it says in each language, and the very bytes that were frozen when its sending began."""

from __future__ import annotations

import hashlib
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, LargeBinary, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.db import Base, UTCDateTime
from portal.keeping import Kept
from portal.newsletter.models import Language, Topic


class State(StrEnum):
    """Where an edition stands."""

    DRAFT = "draft"
    SCHEDULED = "scheduled"
    HELD = "held"  # was due more than two hours ago and had not begun: a person decides
    SENDING = "sending"
    PAUSED = "paused"
    SENT = "sent"
    CANCELLED = "cancelled"


ALLOWED = {
    State.DRAFT: {State.SCHEDULED, State.CANCELLED},
    State.SCHEDULED: {State.DRAFT, State.HELD, State.SENDING, State.CANCELLED},
    State.HELD: {State.SCHEDULED, State.DRAFT, State.CANCELLED},
    State.SENDING: {State.PAUSED, State.SENT, State.CANCELLED},
    State.PAUSED: {State.SENDING, State.CANCELLED},
    State.SENT: set[State](),
    State.CANCELLED: set[State](),
}


class Edition(Base):
    """One edition, in one or both languages. `version` grows with every change, so that none is lost."""

    __tablename__ = "edition"
    __table_args__ = (
        CheckConstraint(
            "state IN ('draft', 'scheduled', 'held', 'sending', 'paused', 'sent', 'cancelled')", name="state"
        ),
        Index("ix_edition_due", "state", "due_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(String(60), unique=True)
    topics: Mapped[str] = mapped_column(String(60))  # words with commas
    only_english: Mapped[bool] = mapped_column(default=False)
    is_public: Mapped[bool] = mapped_column(default=True)  # to be read by everybody once its sending began
    withdrawn_at: Mapped[datetime | None] = mapped_column(UTCDateTime)  # taken out of the archive
    state: Mapped[State] = mapped_column(String(10), default=State.DRAFT)
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    due_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    began_at: Mapped[datetime | None] = mapped_column(UTCDateTime)  # frozen; also the mails' Date
    over_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    reason: Mapped[str] = mapped_column(String(200), default="")  # why it is held or paused
    # Who pays: `paid` (no, yes; nothing until it is said) and `paid_by`. Of our settings what stands in every mail's
    # headers, as it was when frozen: `base`, `bounces`.
    frame: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    excused: Mapped[int] = mapped_column(default=0)  # failures that a person saw and let it go on
    left_out: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)  # how many by reason, when frozen

    texts: Mapped[list[EditionText]] = relationship(
        cascade="all, delete-orphan", order_by="EditionText.language"
    )
    notes: Mapped[list[EditionNote]] = relationship(cascade="all, delete-orphan", order_by="EditionNote.id")

    @property
    def cause(self) -> str:
        """What its mails are promised for."""
        return f"edition:{self.id}"

    @property
    def paid(self) -> str:
        """Whether a third party pays for it: `yes`, `no`, or nothing while nobody has said."""
        return str(self.frame.get("paid") or "")

    @property
    def paid_by(self) -> str:
        """Who that is."""
        return str(self.frame.get("paid_by") or "")

    @property
    def wanted(self) -> list[Topic]:
        """Whoever chose one of these gets it."""
        return [Topic(word) for word in self.topics.split(",") if word]

    @property
    def languages(self) -> list[Language]:
        """In which it has to be written."""
        return [Language.EN] if self.only_english else list(Language)

    def text_in(self, language: str) -> EditionText:
        """What it says in a language."""
        return next(text for text in self.texts if text.language == language)


class EditionText(Base):
    """What an edition says in one language, as Markdown; `content` are the bytes of the body that all got."""

    __tablename__ = "edition_text"
    __table_args__ = (
        UniqueConstraint("edition_id", "language"),
        CheckConstraint("language IN ('en', 'es')", name="language"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    edition_id: Mapped[int] = mapped_column(ForeignKey("edition.id", ondelete="CASCADE"))
    language: Mapped[Language] = mapped_column(String(2))
    subject: Mapped[str] = mapped_column(String(150), default="")
    preview: Mapped[str] = mapped_column(String(150), default="")
    source: Mapped[str] = mapped_column(Text, default="")
    tested: Mapped[str] = mapped_column(String(64), default="")  # the digest of what was last sent as a test
    content: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)

    @property
    def digest(self) -> str:
        """SHA-256 of what it says."""
        return hashlib.sha256(f"{self.subject}\0{self.preview}\0{self.source}".encode()).hexdigest()


class EditionPicture(Base):
    """A picture that editions may show, as it was written anew; its name says its digest and its size."""

    __tablename__ = "edition_picture"

    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(String(60), unique=True)
    size: Mapped[int]  # bytes
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    content: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)


class EditionNote(Base):
    """What was said afterwards about a mistake in an edition, under its public page; never changed."""

    __tablename__ = "edition_note"

    id: Mapped[int] = mapped_column(primary_key=True)
    edition_id: Mapped[int] = mapped_column(ForeignKey("edition.id", ondelete="CASCADE"), index=True)
    at: Mapped[datetime] = mapped_column(UTCDateTime)
    words_en: Mapped[str] = mapped_column(Text)
    words_es: Mapped[str] = mapped_column(Text)

    def words_in(self, language: str) -> str:
        """What it says in a language."""
        return self.words_es if language == Language.ES else self.words_en


KEPT = (
    Kept(table="edition", rule="always; what was said to everybody, and to how many"),
    Kept(table="edition_text", rule="always; what was said to everybody"),
    Kept(table="edition_picture", rule="always, once an edition shows it; else until staff delete it"),
    Kept(table="edition_note", rule="always; what was said to everybody"),
)
