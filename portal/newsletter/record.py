"""All that is kept about a person, for that person."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from portal.mail import lanes
from portal.newsletter import consent, proof
from portal.newsletter.models import ConsentEvent, Subscriber

ROOMS = ("newsletter/", "editions/")  # whose letters are mailed to somebody on the list


def record_of(subscriber: Subscriber) -> dict[str, Any]:
    """All that is kept about a person, for that person; no token, and the address masked as on every page."""
    mails = [row for name in ROOMS for row in lanes.held_for(subscriber.address, messages=name)]
    return {
        "address": subscriber.masked,
        "state": str(subscriber.state),
        "language": str(subscriber.language),
        "topics": [topic.value for topic in subscriber.topics],
        "created_at": _iso(subscriber.created_at),
        "confirmed_at": _iso(subscriber.confirmed_at),
        "paused_until": _iso(subscriber.paused_until),
        "left_at": _iso(subscriber.left_at),
        "consent": [_told(event) for event in proof.events(subscriber)],
        "mails": [
            {"mail": row.message.rpartition("/")[2], "promised_at": _iso(row.created_at),
             "sent_at": _iso(row.sent_at)}
            for row in mails
        ],
    }  # fmt: skip


def _told(event: ConsentEvent) -> dict[str, Any]:
    words = next((text for text in consent.TEXTS if text.sha256 == event.text_sha256), None)
    return {
        "act": str(event.kind),
        "at": _iso(event.at),
        "words": words.text if words else event.foreign_text,
        "words_id": words.name if words else event.text_id,
        "words_sha256": event.text_sha256,
        "language": str(event.language),
        "topics": event.topics.split(",") if event.topics else [],
        "source": event.source,
        "page": event.page,
        "means": str(event.means),
        "network": event.network,
    }


def _iso(at: datetime | None) -> str | None:
    return at.isoformat(timespec="seconds") if at else None
