"""Mails to a subscriber and the links in them: HMACs under the subscriber's secret handle, one purpose each.

They need no storing, outlive a change of SECRET_KEY, and the link that leaves cannot open the preferences. The
database finds the person by the link's hash.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from portal import addresses, tokens
from portal.mail import promise as mail
from portal.mail.compose import link
from portal.mail.letters import Letter
from portal.newsletter.models import Subscriber
from portal.settings import settings

LIST_NAME = "newsletter"  # with our host, the List-Id (RFC 2919), fixed for ever


def secret(purpose: str, handle: str) -> str:
    """The one secret of a person for a purpose."""
    return tokens.derive(handle, f"newsletter/{purpose}", "")


def leave_path(subscriber: Subscriber) -> str:
    """The address, below BASE_URL, where this person leaves."""
    return addresses.UNSUBSCRIBE.of(token=secret("leave", subscriber.handle))


def preferences_path(subscriber: Subscriber) -> str:
    """The address, below BASE_URL, where this person chooses."""
    return addresses.PREFERENCES.of(token=secret("preferences", subscriber.handle))


def write_to(subscriber: Subscriber, message: str, *, at: datetime, message_id: str = "") -> None:
    """Promise a mail to somebody on the list, with all that a list's mail must carry."""
    mail.promise(
        f"newsletter/{message}",
        to=subscriber.address,
        facts={
            "preferences_path": preferences_path(subscriber),
            "leave_path": leave_path(subscriber),
            "paused_until": subscriber.paused_until,
        },
        cause=f"subscriber:{subscriber.id}",
        at=at,
        language=subscriber.language,
        headers={
            "List-Unsubscribe": f"<{link(leave_path(subscriber))}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        },
        message_id=message_id,
    )


def list_headers() -> dict[str, str]:
    """RFC 2369 and 2919: how a mail program shows what this is; how to leave (RFC 8058) is each one's own."""
    host = urlsplit(link("")).hostname or "localhost"
    return {
        "List-Id": f"<{LIST_NAME}.{host}>",
        "List-Help": f"<{link(addresses.NEWSLETTER)}>",
        "List-Owner": f"<mailto:{settings().MAIL_FROM}>",
        "List-Archive": f"<{link(addresses.EDITIONS)}>",
        "List-Post": "NO",
    }


def _confirm(facts: Mapping[str, Any]) -> Mapping[str, Any]:
    """Of a sign-up, but for those that say otherwise."""
    return {"imported": False, **facts}


LETTERS = (
    Letter(message="newsletter/confirm", label="Newsletter: please confirm", context=_confirm),
    Letter(message="newsletter/reminder", label="Newsletter: reminder to confirm"),
    Letter(message="newsletter/erase", label="Newsletter: please confirm the erasure"),
    Letter(message="newsletter/leave", label="Newsletter: link to stop", headers=list_headers),
    Letter(message="newsletter/already", label="Newsletter: signed up already", headers=list_headers),
    Letter(message="newsletter/welcome", label="Newsletter: welcome", headers=list_headers),
)
