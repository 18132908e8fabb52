"""One deterministic, believable world: for a first look, for screenshots, for tests. Never for production.

Everything is done by the same verbs that people cause, so the world keeps every rule; only its times are set. Names
and addresses are made up (example domains), the NPI numbers have the right check digit and belong to nobody we know.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import Any

from sqlalchemy import func, select

from portal import addresses, demo, hours, seed_desk
from portal.clock import now
from portal.db import db, transaction
from portal.desk import actors, acts, asking, contact, more_time, perform
from portal.desk.acts import Act
from portal.errors import Refused
from portal.intake import checks, patient_data, submissions
from portal.intake.kinds import CONSULTATION, RESOURCE, Kind
from portal.intake.models import OPEN, Request, SpamReason
from portal.mail import promise as mail
from portal.mail.compose import link
from portal.newsletter import consent, subscriptions
from portal.newsletter import service as newsletter
from portal.newsletter.models import Means, Signup, Source
from portal.newsletter.models import State as SubscriberState
from portal.npi import importing
from portal.npi import index as registry
from portal.npi.facts import line
from portal.npi.verdicts import NOBODY_ASKED
from portal.people import accounts, invitations
from portal.people.models import User
from portal.settings import settings

MORNING = time(9)  # of the made-up people
CONFIRMED = 9  # of the sign-ups: the rest came today, so nobody is due a reminder
STEP = timedelta(minutes=30)

NOT_EMPTY = (
    "The portal is not empty: nothing was changed. "
    "For a second one beside it: INSTANCE_DIR=instance-demo PORT=8001 make seed run"
)


def plant() -> Iterator[str]:
    """Fill an empty portal; yields lines to print. Raises Refused when anybody or anything is there already."""
    at = now()
    if accounts.has_staff() or db.session.scalar(select(Request.id).limit(1)):
        raise Refused(NOT_EMPTY)
    with transaction():
        staff = [seed_desk.employ(email, name, role, at) for email, name, role in demo.STAFF]
        _manager, pharmacist, clerk = staff
        _requests(at, pharmacist, clerk)
        links = [(person, invitations.renew(person, by=None, at=at)) for person in staff]
        seed_desk.furnish(at, pharmacist, clerk)
        mail.settle(at)
    _check(at)
    yield f"{len(demo.STAFF)} members of staff, {db.session.scalar(select(func.count(Request.id)))} requests."
    for person, token in links:
        address = link(addresses.STAFF_INVITE.of(token=token))
        yield f"  {person.name} ({person.role_label.lower()}) signs in first here: {address}"
    yield f"{_subscribers(at)} newsletter sign-ups in every state."


@dataclass
class _World:
    """What is asked and what staff do, kept until it is done in the order of time, so that histories read true."""

    at: datetime
    todo: list[tuple[datetime, Callable[[], object]]] = field(default_factory=list)
    wishes: int = 0

    def ask(
        self,
        received: datetime,
        who: tuple[str, ...],
        question: tuple[list[str], str] | None,
        *,
        by: User | None = None,
        note: str = "",
        answered: datetime | None = None,
        closes: bool = False,
        spam: SpamReason | None = None,
        delegate: bool = False,
        call: bool = False,
        also: tuple[Act, Mapping[str, Any]] | None = None,
        more: tuple[datetime, Act, str] | None = None,
    ) -> None:
        """One request, for materials if there is no question; `by` is who claims it, `more` what the asker writes."""
        self.wishes += 1
        name = f"seed-{self.wishes}"
        by_post = bool(also) or self.wishes % 2 == 0
        sent: list[Request] = []

        def then(moment: datetime, act: Act, who: Any = by, **given: object) -> None:
            if who is not None:
                at = min(moment, self.at)
                self.todo.append((at, lambda: _perform(act, sent[0], who, at, given)))

        def send() -> None:
            kind, answers = _question(question, delegate, call) if question else _order(by_post)
            sent.append(_send(kind, name, received, who, answers))

        self.todo.append((received, send))
        seen = received + timedelta(minutes=25)
        then(seen, acts.SPAM, reason=spam) if spam else then(seen, acts.CLAIM)
        if note:
            then(seen + timedelta(minutes=10), acts.NOTE, text=note, form_token=f"{name}-note")
        if also:
            then(seen + timedelta(minutes=15), also[0], form_token=f"{name}-also", **also[1])
        if answered:
            then(answered, acts.ANSWER, text=_answer(question), form_token=f"{name}-answer", close=closes)
        if more:
            then(more[0], more[1], actors.ASKER, text=more[2], form_token=f"{name}-more")

    def happen(self) -> None:
        """Let everything happen."""
        for _, do in sorted(self.todo, key=lambda one: one[0]):
            do()


def _requests(at: datetime, pharmacist: User, clerk: User) -> None:
    """A queue with something in every state: late, due next, just in, claimed, answered, closed, spam.

    At any hour, open or closed, what is late was promised for before now, and what is due next comes next.
    """
    world = _World(at)

    def ago(hours: float) -> datetime:
        return at - timedelta(hours=hours)

    late = _received(CONSULTATION, ago(2))
    world.ask(late, demo.SAMIRA, demo.SURGERY)
    world.ask(late - STEP, demo.WALTER, demo.SLEEP, by=pharmacist, note=demo.NOTE)
    next_due = _received(CONSULTATION, at) + STEP
    world.ask(next_due, demo.LEE, demo.TRAMADOL, call=True)
    world.ask(next_due + 2 * STEP, demo.ANA, demo.START, by=pharmacist)
    world.ask(_received(RESOURCE, at) + STEP, demo.PRIYA, None, by=clerk)
    world.ask(ago(9), demo.ANA, None)
    world.ask(ago(7.5), demo.HANA, demo.WORDING, by=pharmacist, more=(ago(1.2), asking.ADD, demo.MORE))
    world.ask(ago(6.2), demo.MEI, demo.TRIALS)
    world.ask(ago(4.6), demo.DIEGO, demo.LIQUID)
    world.ask(ago(4.4), demo.DIEGO, demo.LIQUID)
    world.ask(ago(3.1), demo.NOOR, demo.LACTOSE, delegate=True)
    world.ask(ago(2.3), demo.TOM, None)
    world.ask(ago(1.7), demo.BJORN, demo.NAMED)
    world.ask(ago(0.4), demo.MEI, demo.TRIALS)  # the second time today: a possible duplicate
    world.ask(ago(10), demo.TOM, demo.START, by=pharmacist, call=True, also=(contact.CALL, demo.TRIED))
    world.ask(
        ago(40), demo.HANA, demo.LACTOSE, by=pharmacist, call=True, also=(contact.CALL_ANSWERED, demo.SPOKE)
    )
    world.ask(ago(11), demo.PRIYA, demo.SLEEP, by=pharmacist, also=(contact.ASK, demo.BACK))
    world.ask(ago(52), demo.NOOR, None, by=clerk, also=(contact.POSTED, {}))
    world.ask(ago(5), demo.ADVERTISER, demo.ADVERTISING)
    world.ask(ago(48), demo.ADVERTISER, demo.ADVERTISING, by=clerk, spam=SpamReason.ADVERTISING)
    for index, (who, opening) in enumerate(zip(demo.ANSWERED, _openings_before(at), strict=False)):
        received = opening + timedelta(minutes=35 + 97 * index % 240)
        question = demo.QUESTIONS[index % len(demo.QUESTIONS)] if index % 3 else None
        world.ask(
            received,
            who,
            question,
            by=pharmacist if question else clerk,
            note=demo.NOTE if index % 5 == 1 else "",
            answered=received + timedelta(minutes=60 + 41 * index % 120),
            closes=index % 3 != 1,
            call=index % 4 == 1,
        )
    again = (ago(3.5), asking.ASK_AGAIN, demo.AGAIN)
    world.ask(ago(75), demo.DIEGO, demo.LIQUID, by=pharmacist, answered=ago(72), more=again)
    world.happen()
    for soon in more_time.due(at, settings().ORG):
        _perform(more_time.MORE_TIME, soon, actors.PORTAL, at, {})


def _check(at: datetime) -> None:
    """Give every request its verdict, by a small made-up registry unless there is one."""
    folder = settings().INSTANCE_DIR
    if not (folder / registry.NAME).exists():
        name, day = demo.REGISTRY_NAME, at.date() - timedelta(days=10)
        lines = (line([demo.npi(who), *facts]) for who, facts in demo.REGISTERED.items())
        source = registry.Source(name, name, "full", day, len(demo.REGISTERED), 0, at.isoformat())
        importing.make(folder, lines, source)
    before = (Request.name == demo.UNCHECKED[0], Request.status.not_in(OPEN))
    checks.check_new(lambda _npi, _again: NOBODY_ASKED, at, *before)
    made = registry.Index(folder / registry.NAME)
    while checks.check_new(lambda npi, _again: made.ask(npi), at):
        pass


def _answer(question: tuple[list[str], str] | None) -> str:
    if question is None:
        return demo.SENT
    chapter = demo.CHAPTERS[question[0][0]]
    return demo.ANSWER.format(chapter=chapter, link=link(f"{addresses.PRESCRIBERS}/{chapter}"))


def _received(kind: Kind, promised: datetime) -> datetime:
    """When a request came in that was promised for no later than this: the last such moment, in half hours."""
    org = settings().ORG
    moment = promised
    while submissions.promise(kind, org=org, at=moment) > promised:
        moment -= STEP
    return moment


def _openings_before(at: datetime) -> Iterator[datetime]:
    """When the desk was at work on each working day before this one, the last first."""
    org = hours.working(settings().ORG)
    day = at.astimezone(org.timezone).date()
    while True:
        day -= timedelta(days=1)
        if opening := org.opening(day):
            yield datetime.combine(day, max(opening[0], MORNING), tzinfo=org.timezone).astimezone(UTC)


def _perform(act: Act, asked: Request, by: User, at: datetime, given: Mapping[str, Any]) -> None:
    perform.perform(act, asked, by=by, at=at, version=asked.version, **given)


def _question(question: tuple[list[str], str], delegate: bool, call: bool) -> tuple[Kind, dict[str, Any]]:
    topics, words = question
    answers: dict[str, Any] = {"topics": topics, "question": words, "contact_method": "email"}
    answers["contact_window"] = "any"
    if delegate:
        answers |= {
            "on_behalf": True,
            "delegate_name": "Jo Delgado",
            "delegate_email": "jo.delgado@twincreeks.example",
        }
    if call:
        answers |= {"contact_method": "phone", "phone": "925-555-0147", "leave_message": True}
        answers["contact_window"] = "morning"
    return CONSULTATION, answers


def _order(by_post: bool) -> tuple[Kind, dict[str, Any]]:
    if not by_post:
        return RESOURCE, {"items": ["prescriber-summary"], "delivery": "email"}
    return RESOURCE, {
        "items": ["prescriber-guide", "patient-leaflet-es"],
        "delivery": "post",
        "address": "400 Example Street\nSan Ramon, CA 94583",
        "note": "Two copies, for the waiting room.",
    }


def _send(kind: Kind, name: str, at: datetime, who: tuple[str, ...], answers: dict[str, Any]) -> Request:
    sent = submissions.submit(
        kind,
        {**_identity(who), **answers},
        patient_data=[sign.value for sign in patient_data.find(answers.get("question", ""))],
        form_token=name,
        keys=settings().keys,
        org=settings().ORG,
        at=at,
    )
    return db.session.scalars(select(Request).where(Request.reference == sent.reference)).one()


def _identity(who: tuple[str, ...]) -> dict[str, str]:
    given = dict(zip(("name", "credential", "practice", "state", "email"), who[:-1], strict=True))
    return {**given, "npi": demo.npi(who)}


def _subscribers(at: datetime) -> int:
    """Sign-ups of made-up people, most of them confirmed, in both languages."""
    with transaction():
        newsletter.sign_up(
            *(
                newsletter.as_row(
                    email=f"reader{index:02}@mail.example",
                    topics=["news", "research", "pharmacy"][: index % 3 + 1],
                    language="es" if index % 4 == 3 else "en",
                    words=consent.current("es" if index % 4 == 3 else "en"),
                    source=Source.FORM,
                    page=str(addresses.NEWSLETTER),
                    network=f"198.51.{index}.0/24",
                    form_token=f"seed-signup-{index}",
                    at=at - timedelta(days=3 if index < CONFIRMED else 0, hours=index),
                )
                for index in range(12)
            )
        )
    newsletter.answer_signups(keys=settings().keys, at=at)
    with transaction():
        mail.settle(at)
        confirmed = select(Signup).order_by(Signup.id).limit(CONFIRMED)
        for index, signup in enumerate(db.session.scalars(confirmed).all()):
            moment = at - timedelta(days=2, hours=index)
            subscriber = subscriptions.enrol(
                signup.address, signup.language, at=moment, state=SubscriberState.ACTIVE
            )
            if index == 7:
                subscriptions.pause(subscriber, 30, network="198.51.7.0/24", at=moment)
            if index == 8:
                subscriptions.leave(subscriber, means=Means.PAGE, network="198.51.8.0/24", at=moment)
    return 12
