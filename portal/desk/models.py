"""What the desk keeps of its own work: what somebody began to write and has not sent."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import ForeignKey, Index, String, Text
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


KEPT = (
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
