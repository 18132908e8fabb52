"""One request as whoever asked may read it, after the code: what they wrote, what we answered, what they can do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from portal.asker import anew
from portal.asker.forms import WithdrawForm, WordsForm
from portal.clock import now
from portal.db import db
from portal.desk import perform
from portal.desk.actors import ASKER
from portal.desk.acts import Act
from portal.desk.asking import ADD, ASK_AGAIN, REPLY, WITHDRAW
from portal.desk.models import Addition, AdditionKind, Contact, ContactKind
from portal.intake import kinds, submissions
from portal.intake.models import Message, MessageKind, Request
from portal.settings import settings

POSTED, FAXED, CALLED = "We sent it to you by mail.", "We sent you a fax.", "We called you."
WRITES = (ADD, REPLY, ASK_AGAIN)


@dataclass(frozen=True)
class Part:
    """One piece: what they wrote (`in`) or what we did (`out`)."""

    kind: str
    who: str
    at: datetime
    text: str


class Story:
    """Everything is asked anew when it is used: a page shown again shows how it stands then."""

    def __init__(self, asked: Request, token: str) -> None:
        self.request, self.token = asked, token
        self.words, self.withdrawal = WordsForm(), WithdrawForm()
        self.has_signs = False

    @property
    def asked_rows(self) -> list[dict[str, str]]:
        """What was asked, answer by answer."""
        facts = [fact for fact in kinds.of(self.request).facts if fact.asked]
        values = kinds.answers_of(self.request)
        return [
            {"key": fact.label, "value": said}
            for fact in facts
            if not fact.private and (said := fact.in_words(values[fact.field]))
        ]

    @property
    def stands(self) -> Request:
        """Which one is answered: this, or the one of the same person that it was joined to."""
        other = submissions.answered_for(self.request)
        return other if other and submissions.is_of_the_same(self.request, other) else self.request

    @property
    def question(self) -> str:
        """What they typed at first."""
        return "\n\n".join(
            words for name in kinds.of(self.request).typed if (words := getattr(self.request, name))
        )

    @property
    def parts(self) -> list[Part]:
        """What was said since, oldest first: no note, and no answer that may still be taken back."""
        both = dict.fromkeys((self.request, self.stands))
        found = [part for one in both for said in perform.thread(one) if (part := _part(said)) is not None]
        return sorted([*found, *(self._of_the_other() if len(both) == 1 else ())], key=lambda part: part.at)

    def _of_the_other(self) -> Sequence[Part]:
        """Of a request of somebody else that is answered for this one, the answer that went to both."""
        other = submissions.answered_for(self.request)
        part = _part(answer) if other is not None and (answer := submissions.latest(other)) else None
        return [part] if part is not None else []

    @property
    def is_untold(self) -> bool:
        """Whether it is joined to a request whose answer told nobody but whoever asked that one."""
        other = submissions.answered_for(self.request)
        return other is not None and submissions.is_untold(self.request, other)

    @property
    def is_past(self) -> bool:
        """Whether what is asked again is a new request."""
        return anew.is_past(self.stands)

    @property
    def follows(self) -> str:
        """The reference of the request of theirs that it asks again; its page is gone by then."""
        one = db.session.get(Request, self.request.follows) if self.request.follows else None
        return one.reference if one and submissions.is_of_the_same(one, self.request) else ""

    @property
    def writes(self) -> Act | None:
        """What they can do with words, as it stands."""
        if self.is_past:
            return ASK_AGAIN
        return next((act for act in WRITES if perform.may(ASKER, act, self.stands)), None)

    @property
    def may_withdraw(self) -> bool:
        """Whether it can be withdrawn."""
        return perform.may(ASKER, WITHDRAW, self.stands)


def _part(said: Message | Contact | Addition) -> Part | None:
    if isinstance(said, Addition):
        return None if said.kind == AdditionKind.AWAY else Part("in", "You", said.written_at, said.text)
    if isinstance(said, Contact):
        words = {ContactKind.POST: POSTED, ContactKind.FAX: FAXED}.get(said.kind, CALLED)
        return Part("out", settings().ORG.name, said.written_at, words)
    goes = said.written_at + timedelta(seconds=settings().UNDO_SECONDS)
    if said.kind != MessageKind.ANSWER or now() < goes:
        return None
    return Part("out", said.author_name, said.written_at, said.text)
