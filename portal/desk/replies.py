"""Stored replies: texts for the questions that come again and again, with holes that the request fills, and links.

A hole that nobody knows is refused when the text is saved, one that would stay empty when it is inserted. Clinical
texts bear the name of the pharmacist who saved them last, and are to be read again after a year.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import partial

from sqlalchemy import func, select

from portal import addresses, audit
from portal.db import db
from portal.desk.acts import Staff
from portal.desk.holes import HALF, HOLE, WHOLE
from portal.desk.models import Reply, ReplyVersion
from portal.errors import Conflict, Forbidden, NotFound, Refused
from portal.intake.models import TOPIC_LABELS, Request
from portal.mail.compose import link
from portal.people.rights import Right
from portal.settings import settings

REVIEW_AFTER = timedelta(days=365)
NO_SUCH_REPLY = "There is no such stored reply."
TITLE_TAKEN = "There is a stored reply with this title already"
ONLY_PHARMACISTS = "Only a pharmacist may save a clinical text."
CHANGED = "Somebody changed this reply while you were writing. Look at their text, then save again."


def _link_to(path: str, _asked: Request, _by: Staff) -> str:
    return link(path)


# What an answer can lead to, each as the address of one of our own pages.
LINKS: Mapping[str, tuple[str, str]] = {
    "guide": ("Prescriber guide", addresses.GUIDE),
    "summary": ("One-page summary for prescribers", addresses.SUMMARY),
    "dose_plan": ("Dose plan", addresses.DOSE_PLAN),
    "leaflet": ("Patient leaflet", addresses.LEAFLET),
    "leaflet_es": ("Patient leaflet in Spanish", addresses.LEAFLET.speaking("es")),
}
HOLES: Mapping[str, Callable[[Request, Staff], str]] = {
    "name": lambda asked, _by: asked.reply_name,
    "prescriber": lambda asked, _by: asked.name,
    "practice": lambda asked, _by: asked.practice,
    "reference": lambda asked, _by: asked.reference,
    "topics": lambda asked, _by: ", ".join(
        label.lower() for topic, label in TOPIC_LABELS.items() if topic in asked.topics
    ),
    "me": lambda _asked, by: by.name,
    "phone": lambda _asked, _by: settings().ORG.phone,
    **{word: partial(_link_to, path) for word, (_, path) in LINKS.items()},
}


def stored() -> Sequence[Reply]:
    """All of them, by title."""
    return db.session.scalars(select(Reply).order_by(func.lower(Reply.title), Reply.id)).all()


def get(reply_id: int) -> Reply:
    """One of them; raises NotFound."""
    found = db.session.get(Reply, reply_id)
    if found is None:
        raise NotFound(NO_SUCH_REPLY)
    return found


def save(
    reply: Reply | None, *, title: str, text: str, is_clinical: bool, version: int, by: Staff, at: datetime
) -> Reply:
    """Write one, or write it anew. Raises Refused, Forbidden, and Conflict where somebody was faster."""
    if unknown := [hole for hole in HOLE.findall(text) if hole not in HOLES]:
        known = ", ".join(f"{{{{{hole}}}}}" for hole in HOLES)
        raise Refused(f"Nothing fills {{{{{unknown[0]}}}}}. There are {known}.", field="text")
    if half := HALF.search(HOLE.sub("", text)):
        raise Refused(f"{half[0]} belongs to a place that is mistyped. {WHOLE}", field="text")
    if (is_clinical or (reply and reply.is_clinical)) and not by.may(Right.CLINICAL_REPLIES):
        raise Forbidden(ONLY_PHARMACISTS)
    same = select(Reply.id).where(
        func.lower(Reply.title) == title.lower(), Reply.id != (reply.id if reply else 0)
    )
    if db.session.scalar(same) is not None:
        raise Refused(TITLE_TAKEN, field="title")
    if reply is None:
        reply = Reply(version=0)
    elif reply.version != version:
        raise Conflict(CHANGED)
    reply.title, reply.text, reply.is_clinical = title, text, is_clinical
    reply.version += 1
    reply.changed_at, reply.changed_by = at, by.name
    reply.review_by = (at + REVIEW_AFTER).date() if is_clinical else None
    db.session.add(reply)
    db.session.flush()
    db.session.add(
        ReplyVersion(
            reply_id=reply.id,
            version=reply.version,
            title=title,
            text=text,
            is_clinical=is_clinical,
            changed_at=at,
            changed_by=by.name,
        )
    )
    audit.record(by, "reply.saved", f"reply:{reply.id}", at=at, detail=f"version {reply.version}")
    return reply


def versions(reply: Reply) -> Sequence[ReplyVersion]:
    """Its texts as they were saved, the newest first."""
    query = select(ReplyVersion).where(ReplyVersion.reply_id == reply.id)
    return db.session.scalars(query.order_by(ReplyVersion.version.desc())).all()


def linked(word: str) -> str:
    """A link as an answer holds it; raises NotFound."""
    if word not in LINKS:
        raise NotFound(NO_SUCH_REPLY)
    label, path = LINKS[word]
    return f"{label}: {link(path)}"


def delete(reply: Reply, *, by: Staff, at: datetime) -> None:
    """Offer it no more. Answers that were made of it stay."""
    if reply.is_clinical and not by.may(Right.CLINICAL_REPLIES):
        raise Forbidden(ONLY_PHARMACISTS)
    audit.record(by, "reply.deleted", f"reply:{reply.id}", at=at, detail=f"version {reply.version}")
    db.session.delete(reply)


def filled(reply: Reply, asked: Request, by: Staff) -> str:
    """The text with its holes filled. Raises Refused, naming one that would stay empty."""

    def fill(hole: re.Match[str]) -> str:
        words = HOLES[hole[1]](asked, by) if hole[1] in HOLES else ""
        if not words:
            raise Refused(
                f"{{{{{hole[1]}}}}} is empty for this request. Write the answer yourself.", field="reply"
            )
        return words

    return HOLE.sub(fill, reply.text)


def is_overdue(reply: Reply, on: date) -> bool:
    """Whether a clinical text is to be read again first."""
    return reply.review_by is not None and reply.review_by < on
