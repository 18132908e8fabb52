"""Mails to a subscriber and the links in them: HMACs under the subscriber's secret handle, one purpose each.

They need no storing, outlive a change of SECRET_KEY, and the link that leaves cannot open the preferences. The
database finds the person by the link's hash.
"""

from __future__ import annotations

from datetime import datetime
from urllib.parse import urlsplit

from portal import addresses, tokens
from portal.mail import render
from portal.mail import service as mail
from portal.mail.models import Outbox
from portal.newsletter.models import Subscriber

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


def write_to(subscriber: Subscriber, message: str, *, at: datetime, message_id: str = "") -> Outbox:
    """Promise a mail to somebody on the list, with all that a list's mail must carry."""
    context = {
        "preferences_path": preferences_path(subscriber),
        "leave_path": leave_path(subscriber),
        "paused_until": subscriber.paused_until,
    }
    return mail.queue(
        f"newsletter/{message}",
        to=subscriber.address,
        context=context,
        cause=f"subscriber:{subscriber.id}",
        at=at,
        language=subscriber.language,
        headers=list_headers(subscriber),
        message_id=message_id,
    )


def list_headers(subscriber: Subscriber) -> dict[str, str]:
    """RFC 2369, 2919 and 8058: how a mail program shows what this is and offers to leave."""
    host = urlsplit(render.link("")).hostname or "localhost"
    return {
        "List-Id": f"<{LIST_NAME}.{host}>",
        "List-Unsubscribe": f"<{render.link(leave_path(subscriber))}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "List-Help": f"<{render.link(addresses.NEWSLETTER)}>",
        "List-Owner": f"<mailto:{render.sender()}>",
        "List-Archive": f"<{render.link(addresses.EDITIONS)}>",
        "List-Post": "NO",
    }
