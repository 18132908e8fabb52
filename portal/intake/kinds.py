"""The kinds of request and their facts: one register that forms' pages, the desk, the export and mails read.

A field of a form is a fact. Whoever adds one writes it in the model, the migration, the form, here and on the form's
page; the check page, the desk and the export show it by themselves, or it says why not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from dataclasses import field as given
from functools import cached_property
from typing import Any

from sqlalchemy import JSON, Boolean, or_, select

from portal import addresses
from portal.addresses import Address
from portal.db import db
from portal.intake import catalogue
from portal.intake.forms import ConsultationForm, IntakeForm, ResourceForm
from portal.intake.models import (
    CONTACT_METHOD_LABELS,
    CONTACT_WINDOW_LABELS,
    DELIVERY_LABELS,
    KIND_LABELS,
    STATUS_LABELS,
    TOPIC_LABELS,
    ContactMethod,
    ContactWindow,
    Delivery,
    Request,
    Status,
)
from portal.intake.models import Kind as KindWord
from portal.npi import number
from portal.people.rights import RIGHTS, Right, Role
from portal.places import STATES
from portal.register import Register

Answers = Mapping[str, Any]
CHECK, STAFF = "check", "staff"  # places where a fact may be hidden


def _always(_answers: Answers) -> bool:
    return True


@dataclass(frozen=True, kw_only=True)
class Fact:
    """One answer: its field and column, its label for staff, and how it is shown.

    `labels` are the words for stored words. `asked` facts are what was asked, the others who asks and how to answer.
    What is `private` was typed freely: a patient might be named in it. `hidden` says, for a place, why not there.
    """

    field: str
    label: str
    labels: Mapping[Any, str] = given(default_factory=dict)
    asked: bool = False
    private: bool = False
    applies: Callable[[Answers], bool] = _always  # else it is left out where it is as at first
    at_first: str = ""
    words: Callable[[Any], str] | None = None  # for staff, where the common words will not do
    hidden: Mapping[str, str] = given(default_factory=dict)

    def is_given(self, answers: Answers) -> bool:
        """Whether it was asked or, all the same, answered: nothing that somebody sent is shown to nobody."""
        value = answers[self.field]
        return self.applies(answers) or bool(value and value != self.at_first)

    def in_words(self, value: Any) -> str:
        """An answer as a person reads it; a stored word that no list holds any more stands for itself."""
        if isinstance(value, bool):
            return "Yes" if value else "No"
        if isinstance(value, list):
            return ", ".join(self.labels.get(word, word) for word in value)
        return self.labels.get(value, value or "")

    def for_staff(self, value: Any) -> str:
        """The same for the desk, where "no" and nothing are left out."""
        return (self.words or self.in_words)(value) if value else ""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of request: what it is called and promises, its form and facts, and who may answer it."""

    word: str
    label: str
    business_days: int  # the promise (`portal/hours.py` counts them)
    address: Address
    page: str  # its form's endpoint and template
    form: type[IntakeForm]
    facts: tuple[Fact, ...]
    answered_by: frozenset[str]
    send: str  # the button under the checked answers
    hints: Mapping[str, str] = given(default_factory=dict)

    @cached_property
    def typed(self) -> tuple[str, ...]:
        """The fields that are typed freely, where the guard against patient data looks."""
        return tuple(fact.field for fact in self.facts if fact.private and fact.asked)

    @cached_property
    def chosen(self) -> Fact | None:
        """What was asked by choosing words of a list, if anything."""
        return next((fact for fact in self.facts if fact.asked and fact.labels), None)

    def blank(self) -> dict[str, Any]:
        """Every answer as it is when nothing was given."""
        return {fact.field: _blank(fact.field) for fact in self.facts}


def _is_by_phone(answers: Answers) -> bool:
    """Whether a call is wanted."""
    return bool(answers.get("contact_method") == ContactMethod.PHONE)


def _is_on_behalf(answers: Answers) -> bool:
    return bool(answers.get("on_behalf"))


def _is_by_post(answers: Answers) -> bool:
    return bool(answers.get("delivery") == Delivery.POST)


def _npi(value: str) -> str:
    return f"{value} ({'the check digit fits' if number.is_valid(value) else 'the check digit does not fit'})"


def _by(value: str) -> str:
    return f"By {CONTACT_METHOD_LABELS[ContactMethod(value)].lower()}"


WHO = (
    Fact(field="name", label="Name"),
    Fact(field="credential", label="Credential"),
    Fact(field="npi", label="NPI", words=_npi),
    Fact(field="practice", label="Practice"),
    Fact(field="state", label="State", labels=dict(STATES)),
)
EMAIL, PHONE = Fact(field="email", label="Email"), Fact(field="phone", label="Phone")

CONSULTATION = Kind(
    word=KindWord.CONSULTATION.value,
    label=KIND_LABELS[KindWord.CONSULTATION],
    business_days=1,
    address=addresses.CONSULTATION,
    page="consultation",
    form=ConsultationForm,
    answered_by=RIGHTS[Right.ANSWER_CONSULTATIONS],
    send="Send my question",
    facts=(
        Fact(field="topics", label="Topics", labels=TOPIC_LABELS, asked=True),
        Fact(field="question", label="Question", asked=True, private=True),
        *WHO,
        Fact(field="on_behalf", label="Asked on behalf", hidden={STAFF: "the name of whoever asks says it"}),
        Fact(field="delegate_name", label="Asked by", applies=_is_on_behalf),
        Fact(field="delegate_email", label="Their email", applies=_is_on_behalf),
        EMAIL,
        Fact(field="contact_method", label="Wants to be answered", labels=CONTACT_METHOD_LABELS, words=_by),
        PHONE,
        Fact(
            field="contact_window",
            label="Best time to call",
            labels=CONTACT_WINDOW_LABELS,
            applies=_is_by_phone,
            at_first=ContactWindow.ANY,
        ),
        Fact(
            field="leave_message",
            label="Message on the phone",
            applies=_is_by_phone,
            words=lambda _yes: "We may leave one",
        ),
    ),
)
RESOURCE = Kind(
    word=KindWord.RESOURCE.value,
    label=KIND_LABELS[KindWord.RESOURCE],
    business_days=2,
    address=addresses.MATERIALS,
    page="resources",
    form=ResourceForm,
    answered_by=RIGHTS[Right.ANSWER_MATERIALS],
    send="Send my request",
    hints={item.slug: item.hint for item in catalogue.CATALOGUE},
    facts=(
        Fact(field="items", label="Materials", labels=catalogue.LABELS, asked=True),
        Fact(field="delivery", label="Delivery", labels=DELIVERY_LABELS),
        Fact(field="address", label="Address", private=True, applies=_is_by_post),
        *WHO,
        EMAIL,
        PHONE,
        Fact(field="note", label="Note", asked=True, private=True),
    ),
)
KINDS: Register[Kind] = Register("kinds of request", lambda kind: kind.word)
ROOM_KINDS = (CONSULTATION, RESOURCE)
# After a roll-back: a request of a newer version rests. Nobody may answer it here, and it holds up nothing else.
UNKNOWN = replace(
    CONSULTATION, word="", label="Request", facts=(), answered_by=frozenset(), send="", hints={}
)


def of(request: Request) -> Kind:
    """The kind of a stored request; UNKNOWN where this version does not know its word."""
    return KINDS.get(request.kind) or UNKNOWN


def is_known(request: Request) -> bool:
    """Whether this version knows its kind and its status."""
    return KINDS.get(request.kind) is not None and request.status in STATUS_LABELS


def strangers(limit: int) -> Sequence[str]:
    """The references of the first requests whose kind or status this version does not know."""
    unknown = or_(Request.kind.not_in([kind.word for kind in KINDS]), Request.status.not_in([*Status]))
    query = select(Request.reference).where(unknown).order_by(Request.id).limit(limit)
    return db.session.scalars(query).all()


def answers_of(request: Request) -> dict[str, Any]:
    """Its answers, by field."""
    return {fact.field: getattr(request, fact.field) for fact in of(request).facts}


def export_columns(kind: Kind) -> list[str]:
    """The headings of `export_row`, in their order."""
    return [*("Reference", "Kind", "Status", "Received", "Answer by"), *(fact.label for fact in kind.facts)]


def export_row(request: Request) -> dict[str, str]:
    """One request for a spreadsheet: what it is, when, and every fact by its label."""
    row = {
        "Reference": request.reference,
        "Kind": of(request).label,
        "Status": request.status,
        "Received": request.received_at.isoformat(timespec="seconds"),
        "Answer by": request.answer_by.isoformat(timespec="seconds"),
    }
    return row | {fact.label: fact.in_words(getattr(request, fact.field)) for fact in of(request).facts}


def most(kind: Kind, name: str) -> int:
    """How many characters a fact that is typed may have."""
    return int(getattr(kind.form, name).kwargs["max_length"])


def faults() -> list[str]:
    """Where kinds, forms and the table contradict each other."""
    columns, found = Request.__table__.columns, []
    for kind in KINDS:
        named = [fact.field for fact in kind.facts]
        where = f"the kind {kind.word!r}"
        found += [f"{where}: the fact {name!r} names no column" for name in named if name not in columns]
        found += [f"{where}: the fact {name!r} is there twice" for name in {*named} if named.count(name) > 1]
        form = kind.form
        if not (isinstance(form, type) and issubclass(form, IntakeForm)):
            found.append(f"{where} has no form")
            continue
        fields = form.answer_names()
        found += [f"{where}: the form's field {name!r} is no fact" for name in fields if name not in named]
        found += [f"{where}: the fact {name!r} is in no form" for name in named if name not in fields]
        if not kind.answered_by <= set(Role):
            found.append(f"{where}: nobody has a role that may answer it")
    return found


def _blank(name: str) -> Any:
    kind = Request.__table__.columns[name].type
    return [] if isinstance(kind, JSON) else False if isinstance(kind, Boolean) else ""
