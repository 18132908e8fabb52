"""What the desk mails: an answer, whose words are read when it is written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from portal.db import db
from portal.intake import receipts
from portal.intake.models import Message, Request
from portal.mail.letters import Letter
from portal.settings import settings


def _answer(facts: Mapping[str, Any]) -> Mapping[str, Any]:
    """The answer with this number, and the request it is about."""
    message = db.session.get_one(Message, facts["answer"])
    request = db.session.get_one(Request, message.request_id)
    return {
        "asked": request,
        "answer": message.text,
        "author": message.author_name,
        "status_path": receipts.path_of(receipts.token_of(request, settings().keys)),
    }


LETTERS = (
    Letter(message="intake/answer", label="Answer", context=_answer),
    Letter(message="desk/handed_back", label="Notice of work given back"),
)
