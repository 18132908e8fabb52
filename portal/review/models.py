"""What a pharmacist said of one statement of a text: that they agree, or what to change."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from portal.db import Base, UTCDateTime
from portal.keeping import Kept

NOTE_MAX = 1_000
NAME_MAX = 200


class Verdict(StrEnum):
    """What can be said of a statement."""

    AGREE = "agree"
    CHANGE = "change"
    REMOVE = "remove"


class TextVerdict(Base):
    """The last word of a pharmacist on one statement; the trail has all of them.

    The digest names the statement by its words, heading and works (`library/statements.py`): a text that was changed
    has no row. The words are kept as they were, so that it can be told what was signed before.
    """

    __tablename__ = "text_verdict"
    __table_args__ = (
        UniqueConstraint("page", "digest"),
        CheckConstraint("verdict IN ('agree', 'change', 'remove')", name="verdict"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    page: Mapped[str] = mapped_column(String(120))
    anchor: Mapped[str] = mapped_column(String(80))
    digest: Mapped[str] = mapped_column(String(64))
    words: Mapped[str] = mapped_column(Text)
    verdict: Mapped[str] = mapped_column(String(8))
    note: Mapped[str] = mapped_column(String(NOTE_MAX), default="")
    by_name: Mapped[str] = mapped_column(String(NAME_MAX))
    translator: Mapped[str] = mapped_column(
        String(NAME_MAX), default=""
    )  # who read a translation that is agreed to
    at: Mapped[datetime] = mapped_column(UTCDateTime)


KEPT = (
    Kept(
        table="text_verdict",
        personal=("note", "by_name", "translator"),
        rule="always; who answers for which statement of the texts",
        hidden="the pharmacy's own words on its own texts, and who answers for them",
    ),
)
