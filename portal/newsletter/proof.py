"""Evidence of consent: what was agreed to, when, where, by what means. Rows are only ever added."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select

from portal import tokens
from portal.db import db
from portal.newsletter.models import ConsentEvent, ConsentKind, Means, Signup, Subscriber


def events(subscriber: Subscriber) -> Sequence[ConsentEvent]:
    """The evidence about one person, oldest first."""
    query = select(ConsentEvent).where(ConsentEvent.subject == tokens.digest(subscriber.handle))
    return db.session.scalars(query.order_by(ConsentEvent.id)).all()


def agreement(subscriber: Subscriber) -> ConsentEvent | None:
    """The latest by which they said yes to words."""
    theirs = select(ConsentEvent).where(ConsentEvent.subject == tokens.digest(subscriber.handle))
    said = theirs.where(ConsentEvent.kind == ConsentKind.REQUESTED)
    return db.session.scalars(said.order_by(ConsentEvent.id.desc()).limit(1)).first()


def record_act(
    subscriber: Subscriber, kind: ConsentKind, *, at: datetime, network: str, means: Means = Means.PAGE
) -> None:
    """Keep the evidence of an act that shows no consent words of its own."""
    db.session.add(
        ConsentEvent(
            subject=tokens.digest(subscriber.handle),
            kind=kind,
            at=at,
            language=subscriber.language,
            topics=",".join(subscriber.topics),
            means=means,
            network=prefix_of(network),
        )
    )


def prefix_of(network: str) -> str:
    """A network block cut to what evidence may hold: /24 of IPv4, /48 of IPv6."""
    try:
        block = ipaddress.ip_network(network)
    except ValueError:
        return ""
    widest = 24 if block.version == 4 else 48
    return str(block.supernet(new_prefix=widest) if block.prefixlen > widest else block)


def record_agreement(
    signup: Signup, subscriber: Subscriber, kind: ConsentKind, *, at: datetime, network: str, page: str
) -> None:
    """Keep the evidence of an act that shows consent words: those of the sign-up."""
    db.session.add(
        ConsentEvent(
            subject=tokens.digest(subscriber.handle),
            kind=kind,
            at=at,
            text_id=signup.text_id,
            text_version=signup.text_version,
            text_sha256=signup.text_sha256,
            foreign_text=signup.foreign_text,
            language=signup.language,
            topics=signup.topics,
            source=signup.source,
            page=page,
            means=Means.PAGE,
            network=prefix_of(network),
        )
    )
