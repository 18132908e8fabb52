"""What one member of staff may see of a request, and in which words: in a line of the list, and on its page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from textwrap import shorten
from typing import Any

from portal import audit, tokens
from portal.audit import AuditEntry
from portal.clock import now
from portal.db import db, transaction
from portal.desk import drafts, perform
from portal.desk import search as queue
from portal.desk.acts import ANSWER, CLAIM, ON_NPI, ROOM_ACTS, Act, Staff
from portal.desk.letters import signature
from portal.intake import kinds, patient_data
from portal.intake.models import Kind as KindWord
from portal.intake.models import Message, Request, Status
from portal.mail import lanes
from portal.npi import number
from portal.people.models import Role, User
from portal.settings import settings
from portal.staff import provider
from portal.staff.forms import form_of

SNIPPET = 60  # characters of a question in the list, whole words
PASS_FOR = timedelta(hours=24)  # how long a page that is open may still hand in a draft without a session
OTHERS = 5  # requests of the same NPI beside this one

ACTIONS = {
    "request.received": "Received",
    "request.opened": "Opened",
    **{act.audit: act.told for act in ROOM_ACTS},
}
SIGNALS = {
    "honeypot": "filled in a field that people do not see",
    "quick": "sent sooner than a person can type",
    "links": "holds many links",
}
REASONS: dict[str, str] = {str(word): label for act in ROOM_ACTS for word, label in act.reasons.items()}


@dataclass(frozen=True)
class Line:
    """One row of the list."""

    request: Request
    asked_by: str
    owner_name: str
    is_late: bool
    subject: str
    flags: tuple[str, ...]
    may_claim: bool
    writers: str  # who else writes about it at the moment
    verdict: tuple[str, str] | None  # its words and their tone; None: nobody gave an NPI
    remark: str


def line(row: queue.Row, by: Staff, writers: Sequence[str] = ()) -> Line:
    """The row as this member of staff may see it."""
    return Line(
        request=row.request,
        asked_by=_with_credential(row.request),
        owner_name=row.owner_name,
        is_late=row.is_late,
        subject=_subject(row.request, by),
        flags=_flags(row.request),
        may_claim=perform.may(by, CLAIM, row.request),
        writers=" and ".join(writers),
        verdict=provider.tag(row.request.verdict) if row.request.npi else None,
        remark=provider.remark(row.request.verdict),
    )


def _subject(asked: Request, by: Staff) -> str:
    """First topic or material, and the beginning of the question for those who may read it.

    Where a patient may be named in it, nobody reads the question here, where reading is not recorded.
    """
    kind = kinds.of(asked)
    chosen = next((fact for fact in kind.facts if fact.asked and fact.labels), None)
    words = (
        [label for word, label in chosen.labels.items() if word in getattr(asked, chosen.field)]
        if chosen
        else []
    )
    if asked.kind == KindWord.RESOURCE:
        more = f" and {len(words) - 1} more" if len(words) > 1 else ""
        return f"{kind.label} · {words[0] if words else ''}{more}"
    parts = words[:1] or [kind.label]
    if kind.typed and perform.may_read(by, asked) and not asked.patient_data:
        typed = getattr(asked, kind.typed[0])
        parts.append(shorten(typed, SNIPPET, placeholder="\N{NO-BREAK SPACE}…", break_on_hyphens=False))
    return " · ".join(parts)


def _label(labels: Mapping[Any, str], word: str) -> str:
    """The words for a stored word; one that the lists of today no longer hold stands for itself."""
    return labels.get(word, word)


def _with_credential(asked: Request) -> str:
    return ", ".join(part for part in (asked.name, asked.credential) if part)


def _flags(asked: Request) -> tuple[str, ...]:
    flags = [] if kinds.is_known(asked) else ["Not of this version"]
    if asked.signals and not asked.is_spam:
        flags.append("Possible spam")
    if asked.patient_data:
        flags.append("Patient data")
    if asked.possible_duplicate_of:
        flags.append("Possible duplicate")
    return tuple(flags)


def pass_purpose(user: User, asked: Request) -> str:
    """What the pass of a page is for: to keep this person's draft about this request, and nothing else."""
    return f"draft/{user.id}/{tokens.digest(user.session_key)}/{asked.reference}"


class CaseFile:
    """One request as one member of staff may see it.

    Everything is asked anew when it is used: a page shown again, after somebody else was first, shows what is new.
    """

    def __init__(self, asked: Request, by: User) -> None:
        self.request = asked
        self.by = by
        self.kind = kinds.of(asked)
        self.is_recorded = False
        self.forms = {act.word: form_of(act, asked) for act in ROOM_ACTS if act.asks}
        self.drafts = drafts.of(asked, by.id)
        for word, form in self.forms.items():
            form.version.of = asked
            if word in self.drafts and not form["text"].raw_data:  # what was just typed is newer
                form["text"].data = self.drafts[word].text

    def record_opening(self, typed: Mapping[str, str] | None = None) -> None:
        """Put into the audit trail that this person sees it, and keep what they typed; raises Unavailable."""
        with transaction():
            perform.opened(self.request, by=self.by, at=now())
            drafts.keep(self.request, self.by.id, typed or {}, at=now())
        self.is_recorded = True

    def may(self, act: str) -> bool:
        """Whether this act is offered."""
        return perform.may(self.by, perform.act_of(act), self.request)

    @property
    def may_read(self) -> bool:
        """Whether what was typed freely is shown."""
        return self.is_recorded and perform.may_read(self.by, self.request)

    @property
    def draft_pass(self) -> str:
        """What lets this page keep a draft after its session ended."""
        stamp = tokens.stamp(settings().keys[0], pass_purpose(self.by, self.request), at=now().timestamp())
        return f"{self.by.id}.{stamp}"

    @property
    def writers(self) -> str:
        """Who else writes about this request at the moment."""
        found = drafts.writers([self.request.id], but=self.by.id, at=now())
        return " and ".join(found.get(self.request.id, ()))

    @property
    def signature(self) -> list[str]:
        """What will stand under this person's answer."""
        return signature(self.by.name)

    @property
    def answer_mail(self) -> str:
        """What became of the latest answer's mail; empty when there is none."""
        return lanes.became(self.request.subject, "intake/answer") or ""

    @property
    def kind_label(self) -> str:
        """What kind it is, in words."""
        return self.kind.label

    @property
    def asked_by(self) -> str:
        """Who asks."""
        return _with_credential(self.request)

    @property
    def asked_text(self) -> str:
        """What was asked: what was chosen, and what was typed."""
        said = [fact.in_words(getattr(self.request, fact.field)) for fact in self.kind.facts if fact.asked]
        return "\n\n".join(words for words in said if words)

    @property
    def plain_acts(self) -> list[tuple[Act, str]]:
        """The acts that ask nothing and are offered, each with the kind of its button."""
        offered = [
            act
            for act in ROOM_ACTS
            if not act.asks and act not in ON_NPI and perform.may(self.by, act, self.request)
        ]
        return [(act, act.button if self.is_answerer else "second") for act in offered]

    @property
    def reasoned_acts(self) -> list[Act]:
        """The acts that ask for a reason and are offered."""
        return [act for act in ROOM_ACTS if act.reasons and perform.may(self.by, act, self.request)]

    @property
    def offered_forms(self) -> list[Any]:
        """The forms of the acts that are offered and ask something."""
        return [form for word, form in self.forms.items() if self.may(word)]

    @property
    def registry(self) -> provider.Registry | None:
        """What the national registry says; nothing where no NPI was given, or is kept no longer."""
        is_kept = number.is_valid(self.request.npi)
        return provider.Registry(self.request, now()) if is_kept else None

    @property
    def owner_name(self) -> str:
        """Whoever has it, or nobody."""
        owner = db.session.get(User, self.request.owner_id) if self.request.owner_id else None
        return owner.name if owner else ""

    @property
    def is_late(self) -> bool:
        """Whether the promise is broken."""
        return self.request.is_late(now())

    @property
    def flags(self) -> tuple[str, ...]:
        """What to look out for, in words."""
        return _flags(self.request)

    @property
    def thread(self) -> list[tuple[Message, bool]]:
        """Notes and answers, oldest first, and whether this person may read each."""
        return [
            (message, self.may_read or (self.is_recorded and message.author_id == self.by.id))
            for message in perform.messages(self.request)
        ]

    @property
    def acts(self) -> list[dict[str, Any]]:
        """What was done, oldest first."""
        return [
            {"text": action(entry), "by": entry.actor_name, "at": entry.at, "detail": detail(entry)}
            for entry in audit.trail(self.request.subject)
            if entry.action != "request.opened"
        ]

    @property
    def openings(self) -> list[AuditEntry]:
        """Who looked, newest first; not for the desk."""
        if self.by.role == Role.DESK:
            return []
        return [e for e in reversed(audit.trail(self.request.subject)) if e.action == "request.opened"]

    @property
    def others(self) -> Sequence[Request]:
        """The other requests with this NPI."""
        return queue.others_of(self.request, limit=OTHERS)

    @property
    def duplicate_of(self) -> Request | None:
        """The request that this one may repeat."""
        other = self.request.possible_duplicate_of
        return db.session.get(Request, other) if other else None

    @property
    def is_answerer(self) -> bool:
        """Whether their role lets them answer such a request; whose it is does not count here."""
        return perform.is_permitted(self.by, ANSWER, self.request)

    @property
    def why_no_answer(self) -> str:
        """Who may answer, where this person may not yet."""
        if self.request.status not in (Status.NEW, Status.IN_PROGRESS) or not self.is_answerer:
            return ""
        if self.request.status == Status.NEW:
            return "Claim this request to answer it."
        return f"{self.owner_name or 'Nobody'} has this request, and only its owner may answer it."

    @property
    def unsent(self) -> str:
        """What was typed as an answer before somebody else's act took the form away."""
        return (self.forms["answer"]["text"].data or "") if not self.may(ANSWER.word) else ""

    @property
    def facts(self) -> list[tuple[str, Any]]:
        """Who asks, and how to reach them; what is empty, or was not asked, is left out by the page."""
        answers = kinds.answers_of(self.request)
        shown = [fact for fact in self.kind.facts if not fact.asked and kinds.STAFF not in fact.hidden]
        return [
            (fact.label, fact.for_staff(answers[fact.field]))
            for fact in shown
            if fact.is_given(answers) and (self.may_read or not fact.private)
        ] + self._signal_facts()

    def _signal_facts(self) -> list[tuple[str, Any]]:
        signs = [_label(patient_data.LABELS, sign) for sign in self.request.patient_data]
        return [
            ("May say who a patient is", ", ".join(signs)),
            ("May be from a robot", ", ".join(_label(SIGNALS, signal) for signal in self.request.signals)),
        ]


def action(entry: AuditEntry) -> str:
    """What was done, in words."""
    return ACTIONS.get(entry.action, entry.action)


def detail(entry: AuditEntry) -> str:
    """The reason, or what spoke for a robot, in words."""
    return ", ".join(_label(REASONS | SIGNALS, word) for word in entry.detail.split(", "))
