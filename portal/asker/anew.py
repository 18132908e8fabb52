"""What is asked again too long after the end: a new request of the same person, which names the one before."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from portal.desk import asking, perform
from portal.desk.asking import ASK_AGAIN
from portal.desk.endings import is_recent
from portal.desk.models import AdditionKind
from portal.intake import kinds, submissions
from portal.intake.models import Request
from portal.intake.submissions import Submitted
from portal.settings import settings


def is_past(request: Request) -> bool:
    """Whether what is asked again about it is a new request."""
    return request.status in ASK_AGAIN.starts and not is_recent(request)


def ask(
    of: Request,
    follows: Request,
    words: str,
    *,
    patient_data: Sequence[str],
    form_token: str,
    at: datetime,
    whole: str = "",
) -> Submitted:
    """Keep it, with all that whoever asked `of` said of themselves, and promise its mails as for any request.

    `follows` is the one that was answered: `of`, or what that was joined to. In its thread stands the `whole` mail
    that brought the words, if it says more, and what finds no room elsewhere. The same `form_token` twice is one
    request.
    """
    kind, answers = kinds.of(of), kinds.answers_of(of)
    for name in kind.typed:
        answers[name] = words[: kinds.most(kind, name)]
    sent = submissions.submit(
        kind,
        answers,
        patient_data=[str(sign) for sign in patient_data],
        form_token=form_token,
        keys=settings().keys,
        org=settings().ORG,
        at=at,
        follows=follows.id,
        answer_email=of.answer_email,
    )
    kept = whole or words
    if sent.is_new and not any(answers[name].strip() == kept.strip() for name in kind.typed):
        given = {"text": kept, "form_token": form_token, "by_mail": bool(whole)}
        asking.keep(AdditionKind.ADDED, perform.get(sent.reference), at, given)
    return sent
