"""The mail of an edition: one body for all who read a language; each one's own links are merged when it is sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import and_, bindparam, select

from portal import addresses
from portal.db import db
from portal.editions import rendering
from portal.editions.models import Edition, EditionText, State
from portal.mail.letters import Letter, NotToBeSent, Own, Wait
from portal.newsletter import bounces
from portal.newsletter.letters import LIST_NAME, list_headers, secret
from portal.newsletter.models import Language, Subscriber, Subscription, TopicState
from portal.newsletter.models import State as Person
from portal.settings import settings

MESSAGE = "editions/edition"
TEST = "editions/test"
PAUSED = "editions/paused"
# What stands in the body where each one's own secrets go: as long as they are, so that no line of it moves.
LEAVE, CHOOSE = secret("leave", "in every body"), secret("preferences", "in every body")
PICTURE = {Language.EN: "Picture", Language.ES: "Imagen"}  # before its words, in plain text
# Why nothing went to somebody who was on the list when the sending began.
SKIPPED = {
    Person.PENDING: "not confirmed",
    Person.PAUSED: "paused by choice",
    Person.UNSUBSCRIBED: "stopped",
    Person.BOUNCED: "bounced",
    Person.COMPLAINED: "complained",
}

# Once for each mail, so it is built once: the edition, its reader, and a row for each topic they chose.
_ASKED = (
    select(
        Edition.state, Edition.topics, Edition.frame,
        Subscriber.state, Subscriber.language, Subscriber.handle, Subscriber.id, Subscription.topic,
    )
    .select_from(Edition)
    .outerjoin(Subscriber, Subscriber.address_key == bindparam("key"))
    .outerjoin(
        Subscription,
        and_(Subscription.subscriber_id == Subscriber.id, Subscription.state == TopicState.CHOSEN),
    )
    .where(Edition.id == bindparam("edition"))
)  # fmt: skip


def said(facts: Mapping[str, Any]) -> dict[str, Any]:
    """What its templates need: its words, and made-up links in the place of each one's own."""
    text = db.session.get_one(EditionText, facts["text"])
    edition = db.session.get_one(Edition, text.edition_id)
    return {
        "subject": text.subject,
        "preview": text.preview,
        "paid_by": edition.paid_by,
        "html": rendering.html(text.source, settings().BASE_URL),
        "plain": rendering.plain(text.source, PICTURE[text.language]),
        "read_path": addresses.EDITION.speaking(text.language, slug=edition.slug)
        if edition.is_public
        else "",
        "leave_path": addresses.UNSUBSCRIBE.of(token=LEAVE),
        "preferences_path": addresses.PREFERENCES.of(token=CHOOSE),
    }


def _edition(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The same, with the headers that name the edition to whoever counts complaints, and no person."""
    told = said(facts)
    slug = db.session.get_one(Edition, db.session.get_one(EditionText, facts["text"]).edition_id).slug
    told["headers"] = {"Feedback-ID": f"{slug}:edition:{LIST_NAME}", "Precedence": "bulk"}
    return told


def _paused(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Which one, and why."""
    edition = db.session.get_one(Edition, facts["edition"])
    return {
        "slug": edition.slug,
        "why": edition.reason,
        "edition_path": f"{addresses.STAFF_EDITIONS}/{edition.id}",
    }


def of_person(cause: str, recipient_key: str, language: str) -> Own:
    """What is this person's alone, asked at the moment of sending. Raises NotToBeSent for somebody who may not get
    it (any more), Wait while the edition is paused."""
    asked = {"edition": int(cause.partition(":")[2]), "key": recipient_key}
    with db.engine.connect() as connection:  # a session would cost twice as much as the question itself
        found = connection.execute(_ASKED, asked).all()
    state, topics, frame, person, reads, handle, person_id, _topic = found[0]
    if state == State.CANCELLED:
        raise NotToBeSent("cancelled")
    if state not in (State.SENDING, State.SENT):  # sent, and one that was given up is sent again by staff
        raise Wait
    if person is None:
        raise NotToBeSent("erased")
    if person != Person.ACTIVE:
        raise NotToBeSent(SKIPPED[Person(person)])
    if set(topics.split(",")).isdisjoint(row.topic for row in found):
        raise NotToBeSent("topic no longer chosen")
    if reads != language:
        raise NotToBeSent("another language chosen")
    return links_of(handle, person_id, frame)


def links_of(handle: str, person_id: int, frame: Mapping[str, Any]) -> Own:
    """A person's own links, and the header by which their mail program lets them leave (RFC 8058)."""
    frame = frame if "base" in frame else frame_now()
    leave, choose = secret("leave", handle), secret("preferences", handle)
    mailbox = bounces.stop_address(person_id, handle, frame["bounces"])
    by_mail = f", <mailto:{mailbox}?subject=unsubscribe>" if mailbox else ""
    return Own(
        headers={
            "List-Unsubscribe": f"<{frame['base']}{addresses.UNSUBSCRIBE.of(token=leave)}>{by_mail}",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        },
        words={LEAVE: leave, CHOOSE: choose},
    )


def frame_now() -> dict[str, Any]:
    """What of our settings stands in the headers of each mail; frozen with an edition."""
    config = settings()
    return {"base": config.BASE_URL, "bounces": config.BOUNCE_DOMAIN}


LETTERS = (
    Letter(
        message=MESSAGE, label="Newsletter: an edition", context=_edition, headers=list_headers, own=of_person
    ),
    Letter(message=TEST, label="Newsletter: test of an edition", context=said),
    Letter(message=PAUSED, label="Newsletter: an edition was paused", context=_paused),
)
