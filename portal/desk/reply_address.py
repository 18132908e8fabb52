"""Where a reply to an answer goes: REPLY_TO with the request's number in it (plus-addressing, RFC 5233), sealed.

`desk+q.<number>.<seal>@pharmacy.example`: small letters and digits alone, for servers change capitals. The seal says
that the address came out of a mail of ours about this request; it opens nothing to read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from portal.db import db
from portal.intake.models import Request
from portal.mail import verp
from portal.settings import settings

LETTER = "q"
_TAGGED = re.compile(r"\+q\.([a-z2-7]{1,13}\.[a-z2-7]{8})@", re.IGNORECASE)


def of(request: Request) -> str:
    """The address for replies about this request; REPLY_TO itself where its server takes no plus-addresses."""
    config = settings()
    local, _, domain = config.REPLY_TO.rpartition("@")
    if not local or not config.REPLY_TO_PLUS:
        return config.REPLY_TO
    made = verp.make(LETTER, request.id, config.SECRET_KEY, request.form_token, domain=domain)
    return f"{local}+{made.replace('+', '.', 1)}"


def request_in(addresses: Iterable[str]) -> Request | None:
    """The request that one of these addresses names, if we sealed it."""
    for one in addresses:
        tagged = _TAGGED.search(one)
        found = verp.read(f"{LETTER}+{tagged[1]}@") if tagged else None
        request = db.session.get(Request, found.number) if found else None
        if found and request and found.is_sealed(settings().keys, request.form_token):
            return request
    return None
