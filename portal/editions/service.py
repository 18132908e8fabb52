"""What may be done with an edition, and by whom it is read: written, tested, scheduled, frozen, paused, stopped.

An edition moves from one state to another by one conditional UPDATE, so that of two who act one is told so. When it
begins, in one transaction, its bytes are kept and each person who gets it has a delivery; nobody is chosen again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import CursorResult, select, update
from sqlalchemy.exc import IntegrityError

from portal import audit
from portal.audit import Actor
from portal.db import db
from portal.editions import letters, pictures, rendering, spam
from portal.editions.models import ALLOWED, Edition, EditionText, State
from portal.editions.progress import progress, trouble_of
from portal.errors import Conflict, NotFound, Refused
from portal.mail import promise as mail
from portal.mail import wire
from portal.mail.compose import compose
from portal.mail.models import Body, Lane
from portal.newsletter.models import Language, Subscriber, Subscription, TopicState
from portal.newsletter.models import State as Person
from portal.people.models import User, holding
from portal.people.rights import RIGHTS, Right
from portal.settings import settings

SEND_NOW_IN = timedelta(minutes=10)
SOONEST, LATEST = timedelta(minutes=5), timedelta(days=366)
TOO_LATE = timedelta(hours=2)
LANGUAGES = {Language.EN: "English", Language.ES: "Spanish"}
SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
CHANGED = "Somebody else changed this edition meanwhile. Open it again and see what they did."
TAKEN = "Another edition has this address"
TOPIC, LANGUAGE = "topic not chosen", "language missing"


@dataclass(frozen=True)
class Audience:
    """Who gets an edition: addresses by language, and how many were left out by reason."""

    people: Mapping[Language, Sequence[str]]
    left_out: Mapping[str, int]

    @property
    def count(self) -> int:
        """How many get it."""
        return sum(len(addresses) for addresses in self.people.values())


def get(edition_id: int) -> Edition:
    """One edition; raises NotFound."""
    if (edition := db.session.get(Edition, edition_id)) is None:
        raise NotFound
    return edition


def all_editions() -> Sequence[Edition]:
    """Every edition, newest first."""
    return db.session.scalars(select(Edition).order_by(Edition.id.desc())).all()


def write(
    edition: Edition | None, values: Mapping[str, Any], *, version: int, by: Actor, at: datetime
) -> Edition:
    """Keep a draft. Raises Conflict when somebody changed it since this version, or it is no draft any more, and
    Refused for an address that another edition has or that is none."""
    slug = values["slug"]
    if not SLUG.fullmatch(slug):
        raise Refused("Use small letters, digits and hyphens, such as march-2027", field="slug")
    if rendering.ILLNESSES.search(slug.replace("-", " ")):
        raise Refused("Name no illness in the address", field="slug")
    other = db.session.scalar(select(Edition.id).where(Edition.slug == slug))
    if other is not None and (edition is None or other != edition.id):
        raise Refused(TAKEN, field="slug")
    if edition is None:
        edition = Edition(
            created_at=at, version=1, state=State.DRAFT, left_out={}, reason="", due_at=None, frame={}
        )
        edition.texts = [EditionText(language=language, tested="") for language in Language]
    else:
        _claim(edition, version, {State.DRAFT})
    edition.slug, edition.topics = slug, ",".join(values["topics"])
    edition.only_english, edition.is_public = values["only_english"], values["is_public"]
    _say_who_pays(edition, values)
    for text in edition.texts:
        for name in ("subject", "preview", "source"):
            setattr(text, name, values[f"{name}_{text.language}"] or "")
    db.session.add(edition)
    try:
        db.session.flush()
    except IntegrityError as fault:  # of two who took the same address in this moment
        raise Refused(TAKEN, field="slug") from fault
    if version:
        audit.record(by, "edition.changed", edition.cause, at=at)
    else:
        audit.record(by, "edition.written", edition.cause, at=at)
    return edition


def _say_who_pays(edition: Edition, values: Mapping[str, Any]) -> None:
    paid = values["paid"] or ""
    told = {"paid": paid, "paid_by": (values["paid_by"] or "").strip() if paid == "yes" else ""}
    if edition.paid_by != told["paid_by"]:
        for text in edition.texts:
            text.tested = ""  # the mail says it
    edition.frame = told


def obstacles(edition: Edition) -> list[str]:
    """Why it cannot be scheduled yet, in words; nothing when it can."""
    found = [] if edition.wanted else ["Choose at least one topic."]
    if not edition.paid:
        found.append("Say whether a third party pays for this edition.")
    elif edition.paid == "yes" and not edition.paid_by:
        found.append("Name who pays for this edition.")
    if not settings().ORG.address:
        found.append("The pharmacy's postal address is not set (ORG_ADDRESS): a newsletter must show it.")
    if word := rendering.ILLNESSES.search(settings().ORG.name):
        found.append(f"Whom every mail is from names an illness: “{word[0]}” (ORG_NAME).")
    for language in edition.languages:
        text, name = edition.text_in(language), LANGUAGES[language]
        found += [f"{name}: {finding}." for finding in check(text) if not finding.warns]
        if text.tested != text.digest:
            found.append(f"{name}: send yourself a test of the text as it is now.")
    return found


def check(text: EditionText) -> list[rendering.Finding]:
    """What is wrong or doubtful with what it says in one language."""
    known = pictures.known(rendering.pictures(text.source))
    return rendering.findings(text.subject, text.preview, text.source, known)


def send_test(edition: Edition, *, to: str, by: Actor, at: datetime) -> None:
    """Promise the edition in each of its languages to a member of staff, marked as a test."""
    if edition.state != State.DRAFT:
        raise Conflict("Only a draft is tested.")
    for language in edition.languages:
        text = edition.text_in(language)
        facts = {"text": text.id}
        mail.promise(
            letters.TEST, to=to, facts=facts, cause=f"edition-test:{edition.id}", at=at, language=language
        )
        text.tested = text.digest
    audit.record(by, "edition.tested", edition.cause, at=at)


def schedule(edition: Edition, *, due_at: datetime | None, version: int, by: Actor, at: datetime) -> None:
    """Let it be sent at a time, or in ten minutes. Raises Refused while something stands in the way, and for a time
    that is not five minutes to a year ahead."""
    if found := obstacles(edition):
        raise Refused(found[0])
    if due_at is not None and due_at < at + SOONEST:
        raise Refused("Choose a time at least 5 minutes from now", field="due")
    if due_at is not None and due_at > at + LATEST:
        raise Refused("Choose a time within a year from now", field="due")
    _claim(edition, version, {State.DRAFT, State.HELD}, to=State.SCHEDULED)
    edition.due_at, edition.reason = due_at or at + SEND_NOW_IN, ""
    audit.record(by, "edition.scheduled", edition.cause, at=at)


def stop(edition: Edition, *, by: Actor, at: datetime) -> None:
    """Take a scheduled edition back to be a draft: nothing was sent."""
    _move(edition, {State.SCHEDULED, State.HELD}, State.DRAFT)
    edition.due_at, edition.reason = None, ""
    audit.record(by, "edition.stopped", edition.cause, at=at)


def pause(edition: Edition, *, by: Actor | None, at: datetime, reason: str = "") -> None:
    """Send no further mail until a person lets it go on; what a worker has begun is finished."""
    _move(edition, {State.SENDING}, State.PAUSED)
    edition.reason = reason
    if by is None:
        tell_managers(edition, at=at)
    mail.hold(edition.cause, at=at)
    audit.record(by, "edition.paused", edition.cause, at=at)


def tell_managers(edition: Edition, *, at: datetime) -> None:
    """Mail those who can look at it that the portal paused it."""
    managers = select(User.email).where(holding(*RIGHTS[Right.SEND_EDITIONS]), User.active).order_by(User.id)
    to, facts = db.session.scalars(managers).all(), {"edition": edition.id}
    mail.promise(letters.PAUSED, to=to, facts=facts, cause=f"edition-paused:{edition.id}", at=at)


def resume(edition: Edition, *, by: Actor, at: datetime) -> None:
    """Go on."""
    _move(edition, {State.PAUSED}, State.SENDING)
    edition.reason, edition.excused = "", progress(edition).failures
    mail.release(edition.cause, at=at)
    audit.record(by, "edition.resumed", edition.cause, at=at)


def cancel(edition: Edition, *, by: Actor, at: datetime) -> None:
    """Never send (the rest of) it."""
    _move(edition, {State.DRAFT, State.SCHEDULED, State.HELD, State.SENDING, State.PAUSED}, State.CANCELLED)
    edition.over_at = at
    mail.withdraw(edition.cause, at=at)
    audit.record(by, "edition.cancelled", edition.cause, at=at)


def audience(edition: Edition) -> Audience:
    """Who would get it now; with the left out that is everybody who ever was on the list."""
    chosen = select(Subscription.subscriber_id).where(
        Subscription.state == TopicState.CHOSEN, Subscription.topic.in_(edition.wanted)
    )
    query = select(Subscriber.address, Subscriber.language, Subscriber.state, Subscriber.id.in_(chosen))
    people: dict[Language, list[str]] = {language: [] for language in edition.languages}
    left_out: dict[str, int] = {}
    query = query.order_by(Subscriber.id).execution_options(yield_per=2000)
    for address, language, state, wants in db.session.execute(query):
        if state != Person.ACTIVE:
            reason = letters.SKIPPED[Person(state)]
        elif not wants:
            reason = TOPIC
        elif language not in people:
            reason = LANGUAGE
        else:
            people[language].append(address)
            continue
        left_out[reason] = left_out.get(reason, 0) + 1
    return Audience(people, left_out)


def written(edition: Edition, at: datetime) -> dict[Language, bytes]:
    """The bytes of each language's body, with that Date; outside any transaction."""
    return {
        language: compose(
            Body(
                message=letters.MESSAGE,
                language=language,
                facts={"text": edition.text_in(language).id},
                created_at=at,
            )
        )
        for language in edition.languages
    }


def as_spam(edition: Edition, language: Language, *, to: str, at: datetime) -> spam.Verdict:
    """What a spam filter makes of the mail that this person would get. Raises Unavailable."""
    own = letters.links_of("in every body", 0, letters.frame_now())
    name = wire.new_message_id(settings().MAIL_FROM)
    return spam.verdict(
        wire.whole(written(edition, at)[language], to=to, message_id=name, headers={}, own=own)
    )


def begin(edition: Edition, contents: Mapping[Language, bytes], *, version: int, at: datetime) -> Audience:
    """Freeze it: its bytes, who gets it, and who does not; all in the caller's transaction, once."""
    _claim(edition, version, {State.SCHEDULED}, to=State.SENDING)
    edition.began_at, edition.frame = at, {**edition.frame, **letters.frame_now()}
    found = audience(edition)
    edition.left_out = dict(found.left_out)
    for language, content in contents.items():
        text = edition.text_in(language)
        text.content = content
        if people := found.people[language]:
            mail.promise(
                letters.MESSAGE,
                to=people,
                facts={"text": text.id},
                cause=edition.cause,
                at=at,
                language=language,
                lane=Lane.BULK,
                content=content,
            )
    audit.record(None, "edition.began", edition.cause, at=at, detail=str(found.count))
    return found


def hold_late(edition: Edition, *, at: datetime) -> None:
    """It was due long ago and nothing was sent: a person decides whether it is still news."""
    _move(edition, {State.SCHEDULED}, State.HELD)
    edition.reason = "It was due more than two hours ago and had not begun."
    audit.record(None, "edition.held", edition.cause, at=at)


def look_after(edition: Edition, *, at: datetime) -> None:
    """End what is sent, pause what fails too often."""
    now_at = progress(edition)
    if now_at.held:  # by a worker that saw the pause just before it was over
        mail.release(edition.cause, at=at)
    if now_at.waiting and (reason := trouble_of(edition, now_at)):
        pause(edition, by=None, at=at, reason=reason)
    elif not now_at.waiting:
        _move(edition, {State.SENDING}, State.SENT)
        edition.over_at = at
        audit.record(None, "edition.sent", edition.cause, at=at, detail=str(now_at.sent))


def _claim(edition: Edition, version: int, states: set[State], to: State | None = None) -> None:
    """Be the one who changes this version; raises Conflict."""
    if to is not None and any(to not in ALLOWED[state] for state in states):
        raise ValueError(f"no edition goes to {to}")
    mine = update(Edition).where(
        Edition.id == edition.id, Edition.version == version, Edition.state.in_(states)
    )
    values = {"version": version + 1, **({"state": to} if to else {})}
    done = cast("CursorResult[Any]", db.session.execute(mine.values(**values)))
    if not done.rowcount:
        raise Conflict(CHANGED)
    db.session.refresh(edition)


def _move(edition: Edition, states: set[State], to: State) -> None:
    """From one of these states, whoever changed it last."""
    db.session.refresh(edition)
    _claim(edition, edition.version, states, to)
