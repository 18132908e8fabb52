"""What one member of staff may see of a request, and in which words: in a line of the list, and on its page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from textwrap import shorten
from typing import Any

from portal import audit
from portal.audit import AuditEntry
from portal.clock import now
from portal.db import db, transaction
from portal.desk import acts as desk
from portal.desk import search as queue
from portal.desk.acts import Act, Staff
from portal.intake import catalogue, patient_data
from portal.intake.models import (
    CLOSE_REASON_LABELS,
    CONTACT_METHOD_LABELS,
    CONTACT_WINDOW_LABELS,
    DELIVERY_LABELS,
    KIND_LABELS,
    REOPEN_REASON_LABELS,
    SPAM_REASON_LABELS,
    TOPIC_LABELS,
    CloseReason,
    Kind,
    Message,
    Request,
    Status,
)
from portal.npi import number
from portal.people.models import Role, User
from portal.places import STATES
from portal.staff.forms import ActForm, AnswerForm, CloseForm, DeskForm, NoteForm, ReopenForm, SpamForm

SNIPPET = 60  # characters of a question in the list, whole words
OTHERS = 5  # requests of the same NPI beside this one

ACTIONS = {
    "request.received": "Received",
    "request.opened": "Opened",
    "request.claimed": "Claimed",
    "request.taken_over": "Taken over",
    "request.released": "Released",
    "request.noted": "Note written",
    "request.answered": "Answered",
    "request.closed": "Closed",
    "request.reopened": "Reopened",
    "request.marked_spam": "Marked as spam",
    "request.marked_not_spam": "Marked as not spam",
}
SIGNALS = {
    "honeypot": "filled in a field that people do not see",
    "quick": "sent sooner than a person can type",
    "links": "holds many links",
}
REASONS: dict[str, str] = {
    word.value: label
    for labels in (CLOSE_REASON_LABELS, REOPEN_REASON_LABELS, SPAM_REASON_LABELS)
    for word, label in labels.items()
}

SINGLE_ACTS = (
    (Act.CLAIM, "Claim", "request.claim", ""),
    (Act.TAKE_OVER, "Take over", "request.take_over", "second"),
    (Act.RELEASE, "Release", "request.release", "second"),
    (Act.NOT_SPAM, "Not spam", "request.not_spam", "second"),
)
REASONED_ACTS = (
    (Act.CLOSE, "Close request", "request.close", "second"),
    (Act.REOPEN, "Reopen request", "request.reopen", "second"),
    (Act.SPAM, "Mark as spam", "request.spam", "danger"),
)


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


def line(row: queue.Row, by: Staff) -> Line:
    """The row as this member of staff may see it."""
    return Line(
        request=row.request,
        asked_by=_with_credential(row.request),
        owner_name=row.owner_name,
        is_late=row.is_late,
        subject=_subject(row.request, by),
        flags=_flags(row.request),
        may_claim=desk.may(by, Act.CLAIM, row.request),
    )


def _subject(asked: Request, by: Staff) -> str:
    """First topic or material, and the beginning of the question for those who may read it.

    Where a patient may be named in it, nobody reads the question here, where reading is not recorded.
    """
    if asked.kind == Kind.RESOURCE:
        items = [_label(catalogue.LABELS, item) for item in asked.items]
        more = f" and {len(items) - 1} more" if len(items) > 1 else ""
        return f"{KIND_LABELS[Kind.RESOURCE]} · {items[0] if items else ''}{more}"
    parts = _topics(asked)[:1] or [KIND_LABELS[Kind.CONSULTATION]]
    if desk.may(by, Act.READ, asked) and not asked.patient_data:
        parts.append(
            shorten(asked.question, SNIPPET, placeholder="\N{NO-BREAK SPACE}…", break_on_hyphens=False)
        )
    return " · ".join(parts)


def _topics(asked: Request) -> list[str]:
    return [label for topic, label in TOPIC_LABELS.items() if topic in asked.topics]


def _label(labels: Mapping[Any, str], word: str) -> str:
    """The words for a stored word; one that the lists of today no longer hold stands for itself."""
    return labels.get(word, word)


def _with_credential(asked: Request) -> str:
    return ", ".join(part for part in (asked.name, asked.credential) if part)


def _flags(asked: Request) -> tuple[str, ...]:
    flags = []
    if asked.signals and not asked.is_spam:
        flags.append("Possible spam")
    if asked.patient_data:
        flags.append("Patient data")
    if asked.possible_duplicate_of:
        flags.append("Possible duplicate")
    return tuple(flags)


class Sheet:
    """One request as one member of staff may see it.

    Everything is asked anew when it is used: a page shown again, after somebody else was first, shows what is new.
    """

    def __init__(self, asked: Request, by: Staff, forms: dict[str, ActForm | DeskForm]) -> None:
        self.request = asked
        self.by = by
        self.is_recorded = False
        self.forms: dict[str, ActForm | DeskForm] = {
            "note": NoteForm(prefix="note"),
            "answer": AnswerForm(prefix="answer"),
            "close": CloseForm(prefix="close", data=_close_default(asked)),
            "reopen": ReopenForm(prefix="reopen"),
            "spam": SpamForm(prefix="spam"),
        } | forms
        for form in self.forms.values():
            form.version.of = asked

    def record_opening(self) -> None:
        """Put into the audit trail that this person sees the request; raises Unavailable."""
        with transaction():
            desk.opened(self.request, by=self.by, at=now())
        self.is_recorded = True

    def may(self, act: str) -> bool:
        """Whether this act is offered."""
        return desk.may(self.by, act, self.request)

    @property
    def may_read(self) -> bool:
        """Whether what was typed freely is shown."""
        return self.is_recorded and self.may(Act.READ)

    @property
    def kind_label(self) -> str:
        """What kind it is, in words."""
        return KIND_LABELS[Kind(self.request.kind)]

    @property
    def asked_by(self) -> str:
        """Who asks."""
        return _with_credential(self.request)

    @property
    def asked_text(self) -> str:
        """What was asked: topics or materials, and what was typed."""
        asked = self.request
        chosen = (
            [_label(catalogue.LABELS, item) for item in asked.items]
            if asked.kind == Kind.RESOURCE
            else _topics(asked)
        )
        return "\n\n".join(part for part in (", ".join(chosen), asked.free_text) if part)

    @property
    def single_acts(self) -> list[tuple[str, str, str, str]]:
        """The buttons that ask nothing: the act, its words, its endpoint, the kind of button."""
        return [
            (act, words, endpoint, kind if self.is_answerer else "second")
            for act, words, endpoint, kind in SINGLE_ACTS
            if self.may(act)
        ]

    @property
    def reasoned_acts(self) -> list[tuple[str, str, str, str]]:
        """The acts that ask for a reason, likewise."""
        return [each for each in REASONED_ACTS if self.may(each[0])]

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
            for message in desk.messages(self.request)
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
        return desk.PERMITTED[Act.ANSWER](self.by, self.request)

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
        return (self.forms["answer"]["text"].data or "") if not self.may(Act.ANSWER) else ""

    @property
    def facts(self) -> list[tuple[str, Any]]:
        """Who asks, and how to reach them; what is empty is left out."""
        asked = self.request
        npi = ""
        if asked.npi:
            fits = number.fault(asked.npi) is None
            npi = f"{asked.npi} ({'the check digit fits' if fits else 'the check digit does not fit'})"
        facts = [
            ("Name", asked.name),
            ("Credential", asked.credential),
            ("NPI", npi),
            ("Practice", asked.practice),
            ("State", _label(dict(STATES), asked.state)),
            ("Email", asked.email),
            ("Phone", asked.phone),
        ]
        if asked.on_behalf:
            facts += [("Asked by", asked.delegate_name), ("Their email", asked.delegate_email)]
        return facts + self._way_facts() + self._signal_facts()

    def _way_facts(self) -> list[tuple[str, Any]]:
        asked = self.request
        if asked.kind == Kind.RESOURCE:
            address = asked.address if self.may_read else ""
            return [("Delivery", _label(DELIVERY_LABELS, asked.delivery)), ("Address", address)]
        return [
            ("Wants to be answered", f"By {_label(CONTACT_METHOD_LABELS, asked.contact_method).lower()}"),
            ("Best time to call", _label(CONTACT_WINDOW_LABELS, asked.contact_window) if asked.phone else ""),
            ("Message on the phone", "We may leave one" if asked.leave_message else ""),
        ]

    def _signal_facts(self) -> list[tuple[str, Any]]:
        asked = self.request
        kinds = [_label(patient_data.LABELS, kind) for kind in asked.patient_data]
        return [
            ("May say who a patient is", ", ".join(kinds)),
            ("May be from a robot", ", ".join(_label(SIGNALS, signal) for signal in asked.signals)),
        ]


def action(entry: AuditEntry) -> str:
    """What was done, in words."""
    return ACTIONS.get(entry.action, entry.action)


def detail(entry: AuditEntry) -> str:
    """The reason, or what spoke for a robot, in words."""
    return ", ".join(_label(REASONS | SIGNALS, word) for word in entry.detail.split(", "))


def _close_default(asked: Request) -> dict[str, str]:
    """What is answered is closed because it is answered."""
    return {"reason": CloseReason.ANSWERED} if asked.status == Status.ANSWERED else {}
