"""What the desk mails: an answer, whose words are read when it is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from babel.dates import format_date
from sqlalchemy import select

from portal import audit
from portal.db import db
from portal.desk import reply_address
from portal.intake import receipts
from portal.intake.models import TOPIC_LABELS, Kind, Message, Request, Status
from portal.intake.submissions import answered_for, is_untold
from portal.mail import promise as mail
from portal.mail.letters import Letter
from portal.settings import settings


def signature(author: str) -> list[str]:
    """What stands under every answer, line by line."""
    org = settings().ORG
    license_ = f"Pharmacy license {org.license}" if org.license else ""
    return [line for line in (author, org.name, license_, org.phone) if line]


def _answer(facts: Mapping[str, Any]) -> Mapping[str, Any]:
    """The answer with this number, and the request it is about."""
    message = db.session.get_one(Message, facts["answer"])
    request = db.session.get_one(Request, facts.get("asked", message.request_id))
    return {
        "asked": request,
        "about": _about(request),
        "answer": message.text,
        "signature": signature(message.author_name),
        "ask_back": _ask_back(),
        "status_path": receipts.path_of(receipts.token_of(request, settings().keys)),
    }


def _about(request: Request) -> str:
    """Which request, never in the words that were typed."""
    sent = format_date(request.received_at.astimezone(settings().ORG.timezone), "MMMM d, y", locale="en")
    if request.kind != Kind.CONSULTATION:
        return f"This is about your request for materials of {sent} ({request.reference})."
    labels: dict[str, str] = {topic.value: label for topic, label in TOPIC_LABELS.items()}
    topics = ", ".join(labels.get(topic, topic) for topic in request.topics)
    return f"This answers your question of {sent} ({request.reference}). Topics: {topics}."


def _ask_back() -> str:
    """How to go on: nothing is offered that nobody reads."""
    config = settings()
    ways = [
        *(["reply to this email"] if config.REPLY_TO else []),
        *([f"call {config.ORG.phone}"] if config.ORG.phone else []),
    ]
    if not ways:
        return "Do you want to ask back? Send us another question and name this reference."
    said = f"Do you want to ask back? You can {' or '.join(ways)}; the reference helps us find your request."
    if config.ORG.phone:
        return f"{said} For anything that says who a patient is, call and do not write."
    return f"{said} Write nothing that says who a patient is."


def _more_time(facts: Mapping[str, Any]) -> Mapping[str, Any]:
    """The request with this number; no new promise is made."""
    request = db.session.get_one(Request, facts["asked"])
    return {
        "asked": request,
        "status_path": receipts.path_of(receipts.token_of(request, settings().keys)),
    }


def _replies(context: Mapping[str, Any]) -> str:
    return reply_address.of(context["asked"])


def joined_to(request: Request) -> Sequence[Request]:
    """The requests that are joined to this one, and answered with it."""
    joined = select(Request).where(Request.duplicate_of == request.id, Request.status == Status.DUPLICATE)
    return db.session.scalars(joined.order_by(Request.id)).all()


def untold(request: Request) -> Sequence[Request]:
    """Whom an answer by phone, fax or post told nothing: of those joined to it, or itself where it is joined."""
    other = answered_for(request)
    pairs = [(request, other)] if other else [(one, request) for one in joined_to(request)]
    return [one for one, answered in pairs if is_untold(one, answered)]


def letter_of(request: Request, words: Message) -> str:
    """By which letter its latest words to whoever asked went: the answer, or a question back."""
    asked = audit.latest(request.subject, "request.asked_back", 1)
    is_question = bool(asked) and asked[0].at == words.written_at != request.answered_at
    return "desk/question" if is_question else "intake/answer"


def send_words(letter: str, request: Request, message: Message, at: datetime) -> None:
    """Promise what was written to whoever asked, and to those whose requests were joined to this one."""
    wait = at + timedelta(seconds=settings().UNDO_SECONDS)
    told = {request.reply_email.casefold()}
    same: dict[str, Any] = {"cause": request.subject, "at": at, "not_before": wait}
    mail.promise(letter, to=request.reply_email, facts={"answer": message.id}, **same)
    for other in joined_to(request):
        if other.reply_email.casefold() not in told:
            told.add(other.reply_email.casefold())
            facts = {"answer": message.id, "asked": other.id}
            mail.promise(letter, to=other.reply_email, facts=facts, **same)


LETTERS = (
    Letter(message="desk/more_time", label="We need more time", context=_more_time, reply_to=_replies),
    Letter(message="intake/answer", label="Answer", context=_answer, is_personal=True, reply_to=_replies),
    Letter(
        message="desk/question", label="Question back", context=_answer, is_personal=True, reply_to=_replies
    ),
    Letter(message="desk/morning", label="Morning mail to staff"),
    Letter(message="desk/handed_back", label="Notice of work given back"),
    Letter(message="desk/heard", label="Notice that whoever asked wrote more"),
    Letter(message="desk/refused", label="Notice that a mail was refused"),
)
