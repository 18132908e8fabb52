"""What one member of staff may see of a request, and in which words: in a line of the list, and on its page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from portal import audit, tokens
from portal.audit import AuditEntry
from portal.clock import now
from portal.db import db, transaction
from portal.desk import asking, away, drafts, finding, perform, prescribers
from portal.desk.acts import ANSWER, Act
from portal.desk.identity import ON_NPI
from portal.desk.letters import joined_to, signature, untold
from portal.desk.table import ALL_ACTS, ROOM_ACTS
from portal.intake import kinds
from portal.intake.models import Request, Status
from portal.mail import lanes
from portal.npi import number as npi
from portal.people.models import User
from portal.people.rights import Right
from portal.settings import settings
from portal.staff import provider, redacting, thread, ways
from portal.staff.forms import InsertForm, form_of
from portal.staff.lines import flags as flags_of
from portal.staff.lines import label, with_credential

PASS_FOR = timedelta(hours=24)  # how long a page that is open may still hand in a draft without a session
OPENED, LAST = "request.opened", 5  # so many of them are named
OTHERS = 5  # requests of the same NPI beside this one

ACTIONS = {
    "request.received": "Received",
    OPENED: "Opened",
    "request.handed_over": "Handed over",
    "request.card_written": "Written on the prescriber’s card",
    "request.unlocked": "Opened by whoever asked, with a code",
    **{act.audit: act.told for act in ALL_ACTS},
}
SIGNALS = {
    "honeypot": "filled in a field that people do not see",
    "quick": "sent sooner than a person can type",
    "links": "holds many links",
}
REASONS: dict[str, str] = {
    **{str(word): label for act in ROOM_ACTS for word, label in act.reasons.items()},
    **prescribers.KIND_LABELS,
}


def pass_purpose(user: User, asked: Request) -> str:
    """What the pass of a page is for: to keep this person's draft about this request, and nothing else."""
    return f"draft/{user.id}/{tokens.digest(user.session_key)}/{asked.reference}"


class CaseFile:
    """One request as one member of staff may see it.

    Everything is asked anew when it is used: a page shown again, after somebody else was first, shows what is new.
    """

    def __init__(self, asked: Request, by: User, way: str = "") -> None:
        self.request = asked
        self.way, self.back = way, ways.back_to(way)  # to the list that they came from
        self.has_keys = away.habit_of(by.id).has_keys
        self.by = by
        self.kind = kinds.of(asked)
        self.is_recorded = False
        self.seen_at: datetime | None = None  # of a page that came too late: when it was opened
        self.forms = {act.box: form_of(act, asked) for act in ROOM_ACTS if act.asks and not act.shares}
        self.insert_form = InsertForm(prefix="insert")
        self.drafts = drafts.of(asked, by.id)
        for word, form in self.forms.items():
            form.version.of = asked
            # What was just typed is newer.
            if word in self.drafts and "text" in form and not form["text"].raw_data:
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
        return self.is_recorded and finding.may_read(self.by, self.request)

    @property
    def patient_data(self) -> redacting.PatientData:
        """What in it may say who a patient is, and what was taken out."""
        return redacting.PatientData(self.request)

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
    def undo_seconds(self) -> int:
        """How long an answer can be taken back."""
        return settings().UNDO_SECONDS

    @property
    def asked_by(self) -> str:
        """Who asks."""
        return with_credential(self.request)

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
        found = [act for act in ROOM_ACTS if act.reasons and not act.writes]
        return [act for act in found if perform.may(self.by, act, self.request)]

    @property
    def offered_forms(self) -> list[Any]:
        """The forms of the acts that are offered and ask something."""
        boxes = {act.box for act in ROOM_ACTS if act.asks and perform.may(self.by, act, self.request)}
        return [self.insert_form] + [form for box, form in self.forms.items() if box in boxes]

    @property
    def registry(self) -> provider.Registry | None:
        """What the national registry says; nothing where no NPI was given, or is kept no longer."""
        is_kept = npi.is_valid(self.request.npi)
        return provider.Registry(self.request, now()) if is_kept else None

    @property
    def owner_name(self) -> str:
        """Whoever has it, or nobody."""
        owner = db.session.get(User, self.request.owner_id) if self.request.owner_id else None
        return owner.name if owner else ""

    @property
    def owner_away(self) -> date | None:
        """Until when whoever has it is out of office."""
        return away.until(self.request.owner_id, now()) if self.request.owner_id else None

    @property
    def is_snoozed(self) -> bool:
        """Whether it is set aside."""
        return self.request.is_snoozed(now())

    @property
    def is_late(self) -> bool:
        """Whether the promise is broken."""
        return self.request.is_late(now())

    @property
    def flags(self) -> tuple[str, ...]:
        """What to look out for, in words."""
        return flags_of(self.request)

    @property
    def thread(self) -> list[thread.Said]:
        """Notes, answers, calls and the rest, oldest first, each as this person may read it."""
        return thread.of(self.request, self.by, may_read=self.may_read, is_recorded=self.is_recorded)

    @property
    def materials(self) -> list[str]:
        """The materials that were asked for, each in words."""
        labels = next((fact.labels for fact in self.kind.facts if fact.field == "items"), {})
        return [label(labels, item) for item in self.request.items]

    @property
    def joined(self) -> Sequence[Request]:
        """The requests that are joined to this one as its duplicates."""
        return joined_to(self.request)

    @property
    def untold(self) -> Sequence[Request]:
        """Whom the answer, by phone, fax or post, told nothing: of these, or this one where it is joined."""
        return untold(self.request)

    @property
    def joined_to(self) -> Request | None:
        """The request that is answered for this one too."""
        other = self.request.duplicate_of
        return db.session.get(Request, other) if other else None

    @property
    def news(self) -> list[dict[str, Any]]:
        """What colleagues did since this page was opened; the pass that it sent back says when that was."""
        return self._told(self.seen_at) if self.seen_at else []

    @property
    def acts(self) -> list[dict[str, Any]]:
        """What was done, oldest first."""
        return self._told()

    def _told(self, since: datetime | None = None) -> list[dict[str, Any]]:
        return [
            {"text": action(entry), "by": entry.actor_name, "at": entry.at, "detail": detail(entry)}
            for entry in audit.trail(self.request.subject, but=OPENED)
            if since is None or (entry.at >= since and entry.actor_id != self.by.id)
        ]

    @property
    def openings(self) -> tuple[int, Sequence[AuditEntry]]:
        """How often somebody looked, and who did last, newest first; not for the desk."""
        about, is_told = self.request.subject, self.by.may(Right.LEAD)
        return (audit.count(about, OPENED), audit.latest(about, OPENED, LAST)) if is_told else (0, ())

    @property
    def others(self) -> Sequence[Request]:
        """The other requests with this NPI."""
        return prescribers.others_of(self.request, limit=OTHERS)

    @property
    def repeats(self) -> Sequence[Request]:
        """The requests that may repeat this one."""
        return prescribers.repeats_of(self.request)

    @property
    def kin(self) -> list[tuple[str, Request]]:
        """What this one follows, and what follows it, long after it was closed."""
        return asking.kin_of(self.request)

    @property
    def card_key(self) -> str:
        """Where the card of whoever asks is; nothing once nobody knows who it was."""
        return prescribers.key_of(self.request) if self.request.email else ""

    @property
    def no_contact(self) -> Any:
        """The mark that whoever asks wants to hear nothing but answers."""
        return prescribers.no_contact(self.request)

    @property
    def duplicate_of(self) -> Request | None:
        """The request that this one may repeat."""
        other = self.request.possible_duplicate_of
        return db.session.get(Request, other) if other else None

    @property
    def is_answerer(self) -> bool:
        """Whether a role of theirs lets them answer such a request; whose it is does not count here."""
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
    def unsent(self) -> list[tuple[str, str, str]]:
        """What was typed before somebody else's act took its form away: the box, what became of it, the words."""
        offered = {act.box for act in ROOM_ACTS if act.writes and perform.may(self.by, act, self.request)}
        return thread.left_over(self.forms, offered)

    @property
    def facts(self) -> list[tuple[str, Any]]:
        """Who asks, and how to reach them; what is empty, or was not asked, is left out by the page."""
        answers = kinds.answers_of(self.request)
        shown = [fact for fact in self.kind.facts if not fact.asked and kinds.STAFF not in fact.hidden]
        return [
            (fact.label, fact.for_staff(answers[fact.field]))
            for fact in shown
            if fact.is_given(answers) and (self.may_read or not fact.private)
        ] + [("May be from a robot", ", ".join(label(SIGNALS, signal) for signal in self.request.signals))]


def action(entry: AuditEntry) -> str:
    """What was done, in words."""
    return ACTIONS.get(entry.action, entry.action)


def detail(entry: Any) -> str:
    """The reason, what spoke for a robot, or who got it, in words."""
    kind, _, number = entry.detail.partition(":")
    if kind == "user" and number.isdigit():
        person = db.session.get(User, int(number))
        return f"To {person.name}" if person else ""
    if number.isdigit():  # the length of what was taken out
        return f"{label(REASONS, kind)}, {number} characters"
    return ", ".join(label(REASONS | SIGNALS, word) for word in entry.detail.split(", "))
