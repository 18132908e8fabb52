"""A code that opens one request for whoever reads the mail that its answer goes to."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from portal.db import Base, UTCDateTime
from portal.keeping import Kept


class RequestCode(Base):
    """One code. It is made of its seed and SECRET_KEY whenever it is needed, so no table holds it."""

    __tablename__ = "request_code"

    id: Mapped[int] = mapped_column(primary_key=True)
    request_id: Mapped[int] = mapped_column(ForeignKey("request.id", ondelete="CASCADE"), index=True)
    seed: Mapped[str] = mapped_column(String(43))
    made_at: Mapped[datetime] = mapped_column(UTCDateTime, index=True)
    tries: Mapped[int] = mapped_column(default=0)
    used_at: Mapped[datetime | None] = mapped_column(UTCDateTime)


KEPT = (
    Kept(
        table="request_code",
        rule="a day; what a code is made of, which opens nothing after 15 minutes",
        after=timedelta(days=1),
        since="made_at",
        of=("request_id", "request"),
        hidden="a random number; the mail that held the code is in mail_delivery",
    ),
)
