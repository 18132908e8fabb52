"""One deterministic, believable world: for a first look, for screenshots, for tests. Never for production.

Everything is done by the same verbs that people cause, so the world keeps every rule; only its times are set. Names
and addresses are made up (example domains), the NPI numbers have the right check digit and belong to nobody we know.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime, timedelta

from flask import current_app
from sqlalchemy import select, update

from portal import audit
from portal.accounts import service as accounts
from portal.accounts.models import Role, User
from portal.clock import now
from portal.db import db, transaction
from portal.errors import Refused
from portal.intake import desk, submissions
from portal.intake.models import CloseReason, Request, SpamReason
from portal.mail.models import Outbox, State
from portal.mail.render import link
from portal.newsletter import consent, subscriptions
from portal.newsletter import service as newsletter
from portal.newsletter.models import Means, Signup, Source
from portal.newsletter.models import State as SubscriberState
from portal.npi import number

STAFF = (
    ("grace@pharmacy.example", "Grace Lindqvist", Role.MANAGER),
    ("ada@pharmacy.example", "Ada Okafor, PharmD", Role.PHARMACIST),
    ("dee@pharmacy.example", "Dee Ramos", Role.DESK),
)
# Who asks: name, credential, practice, state, address, NPI without its check digit.
PRESCRIBERS = (
    ("Ana Ruiz", "NP", "Diablo Family Practice", "CA", "ana.ruiz@diablofamily.example", "123456789"),
    ("Lee Park", "MD", "Bay Rheumatology Group", "CA", "lee.park@bayrheum.example", "199399999"),
    ("Samira Haddad", "DO", "Iron Horse Pain Clinic", "CA", "s.haddad@ironhorse.example", "145678912"),
    ("Tom O’Neill", "PA", "Alcosta Internal Medicine", "CA", "toneill@alcosta.example", "178912345"),
    ("Mei-Ling Zhao", "MD", "Crow Canyon Neurology", "CA", "mzhao@crowcanyon.example", "132435465"),
    ("Björn Åkesson", "MD", "Sierra Gastroenterology", "NV", "bakesson@sierragi.example", "165432198"),
    ("Priya Natarajan", "MD", "Dougherty Valley Clinic", "CA", "priya.n@dvclinic.example", "110022334"),
    ("Walter Osei", "DDS", "Bollinger Dental", "CA", "wosei@bollinger.example", "187654321"),
)
QUESTIONS = (
    (["dosing"], "What starting dose do you usually see, and how fast do prescribers step it up?"),
    (
        ["interactions"],
        "An adult in my practice takes tramadol as needed. How long an opioid-free interval do you advise?",
    ),
    (
        ["formulation", "compounding"],
        "Can you make 0.5 mg capsules without lactose, and which filler would you use instead?",
    ),
    (
        ["safety"],
        "Sleep is disturbed at 3 mg taken at bedtime. Is a morning dose reasonable, or a step down to 1.5 mg?",
    ),
    (["evidence"], "Which placebo-controlled trials are larger than 50 people? I would like the references."),
    (
        ["dosing", "other"],
        "Is a liquid at 1 mg/mL practical for titration in 0.25 mg steps, and how long does it keep?",
    ),
    (
        ["safety", "interactions"],
        "Elective knee surgery is planned with opioids afterwards. When should the dose be held?",
    ),
    (["compounding"], "What exactly should the prescription say so that you need not call back?"),
)
ANSWER = (
    "Thank you for your question.\n\nThe label asks for at least 7 to 10 days without short-acting opioids before "
    "naltrexone, at any dose. The references are on our page for prescribers.\n\nCall us if you want to talk."
)


def plant() -> Iterator[str]:
    """Fill an empty portal; yields lines to print. Raises Refused when anybody or anything is there already."""
    at = now()
    if accounts.has_staff() or db.session.scalar(select(Request.id).limit(1)):
        raise Refused("The portal is not empty: nothing was changed.")
    with transaction():
        staff = [_employ(email, name, role, at) for email, name, role in STAFF]
        _requests(at, *staff)
        links = [(person, accounts.renew(person, by=None, at=at)) for person in staff]
        _settle(at)
    yield f"{len(STAFF)} members of staff, {_count()} requests."
    for person, token in links:
        yield f"  {person.name} ({person.role}) signs in first here: {link(f'/staff/invite/{token}')}"
    yield f"{_subscribers(at)} newsletter sign-ups in every state."


def _employ(email: str, name: str, role: str, at: datetime) -> User:
    """An account without a password: nobody can sign in before using a link."""
    user = User(
        email=email,
        name=name,
        role=role,
        active=True,
        password=None,
        fs_uniquifier=hashlib.sha256(email.encode()).hexdigest(),
        created_at=at - timedelta(days=40),
    )
    db.session.add(user)
    db.session.flush()
    audit.record(user, "staff.joined", user.subject, at=user.created_at, detail=role)
    return user


def _requests(at: datetime, manager: User, pharmacist: User, clerk: User) -> None:
    """A queue with something in every state, of the last days and weeks."""
    keys = _keys()
    for index in range(26):
        received = at - timedelta(hours=5 * index + index % 3, minutes=7 * index)
        request = _consultation(index, received) if index % 3 else _resource(index, received)
        by = pharmacist if index % 3 else clerk
        if index in (25, 16):
            desk.mark_spam(
                request, reason=next(iter(SpamReason)), by=clerk, at=received, version=request.version
            )
        if index < 6 or index in (16, 25):
            continue
        seen = received + timedelta(hours=1)
        desk.claim(request.reference, by=by, at=seen)
        if index % 5 == 0:
            note = "Called the practice; they prefer an answer by email."
            desk.add_note(request, text=note, form_token=f"seed-note-{index}", by=by, at=seen)
        if index < 10:
            continue
        desk.answer(
            request,
            text=ANSWER,
            form_token=f"seed-answer-{index}",
            close=index % 2 == 0,
            by=by,
            at=received + timedelta(hours=3),
            version=request.version,
            keys=keys,
        )
        if index == 21:
            reason = next(iter(CloseReason))
            later = received + timedelta(days=2)
            desk.close(request, reason=reason, by=manager, at=later, version=request.version)


def _consultation(index: int, at: datetime) -> Request:
    topics, question = QUESTIONS[index % len(QUESTIONS)]
    wants_call = index % 4 == 1
    request, _ = submissions.submit_consultation(
        **_identity(index),
        phone="925-555-01" + f"{index:02}" if wants_call else "",
        on_behalf=index == 4,
        delegate_name="Jo Delgado" if index == 4 else "",
        delegate_email="jo.delgado@bayrheum.example" if index == 4 else "",
        topics=topics,
        question=question,
        contact_method="phone" if wants_call else "email",
        contact_window="morning" if wants_call else "any",
        leave_message=wants_call,
        patient_data=[],
        form_token=f"seed-consultation-{index}",
        signals=["quick"] if index == 2 else [],
        keys=_keys(),
        org=current_app.config["ORG"],
        at=at,
    )
    return request


def _resource(index: int, at: datetime) -> Request:
    by_post = index % 2 == 0
    request, _ = submissions.submit_resource(
        **_identity(index),
        phone="",
        items=["prescriber-guide", "patient-leaflet-es"] if by_post else ["prescriber-summary"],
        delivery="post" if by_post else "email",
        address="400 Example Street\nSan Ramon, CA 94583" if by_post else "",
        note="Two copies, for the waiting room." if by_post else "",
        patient_data=[],
        form_token=f"seed-resource-{index}",
        signals=[],
        keys=_keys(),
        org=current_app.config["ORG"],
        at=at,
    )
    return request


def _identity(index: int) -> dict[str, str]:
    name, credential, practice, state, email, nine = PRESCRIBERS[index % len(PRESCRIBERS)]
    digit = next(last for last in "0123456789" if number.is_valid(nine + last))
    return {
        "name": name,
        "credential": credential,
        "npi": nine + digit,
        "practice": practice,
        "state": state,
        "email": email,
    }


def _subscribers(at: datetime) -> int:
    """Sign-ups of made-up people, most of them confirmed, in both languages."""
    keys = _keys()
    with transaction():
        for index in range(12):
            newsletter.sign_up(
                email=f"reader{index:02}@mail.example",
                topics=["news", "research", "pharmacy"][: index % 3 + 1],
                language="es" if index % 4 == 3 else "en",
                words=consent.current("es" if index % 4 == 3 else "en"),
                source=Source.FORM,
                page="/newsletter",
                network=f"198.51.{index}.0/24",
                signals=[],
                form_token=f"seed-signup-{index}",
                at=at - timedelta(days=3, hours=index),
            )
    newsletter.answer_signups(keys=keys, at=at - timedelta(days=3))
    with transaction():
        _settle(at)
        for index, signup in enumerate(db.session.scalars(select(Signup).order_by(Signup.id)).all()):
            if index >= 9:
                continue
            moment = at - timedelta(days=2, hours=index)
            subscriber = subscriptions.enrol(
                signup.address, signup.language, at=moment, state=SubscriberState.ACTIVE
            )
            if index == 7:
                subscriptions.pause(subscriber, 30, network="198.51.7.0/24", at=moment)
            if index == 8:
                subscriptions.leave(subscriber, means=Means.PAGE, network="198.51.8.0/24", at=moment)
    return 12


def _settle(at: datetime) -> None:
    """The world's mails are long gone: nothing of it is sent to anybody."""
    db.session.flush()
    db.session.execute(
        update(Outbox).where(Outbox.state == State.QUEUED).values(state=State.SENT, sent_at=at, attempts=1)
    )


def _count() -> int:
    return len(db.session.scalars(select(Request.id)).all())


def _keys() -> tuple[str, ...]:
    config = current_app.config
    return (config["SECRET_KEY"], *config["SECRET_KEY_FALLBACKS"])
