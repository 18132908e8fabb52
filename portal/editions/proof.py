"""What was sent, shown to be what was frozen."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import select

from portal.db import db
from portal.editions import letters
from portal.editions.models import Edition
from portal.mail import course, wire
from portal.newsletter.models import Subscriber

VERIFIED_AT_ONCE = 500


def verify(edition: Edition) -> Iterator[tuple[str, str]]:
    """Build every mail that was sent again, from what was frozen and its delivery: for each its Message-ID and
    `same`, `differs`, or `erased` when the person whose links it held is gone."""
    contents = {text.language: text.content for text in edition.texts}
    after = 0
    while rows := course.sent_for(edition.cause, after, VERIFIED_AT_ONCE):
        keys = [row.recipient_key for row in rows]
        people = select(Subscriber.address_key, Subscriber.handle, Subscriber.id)
        people = people.where(Subscriber.address_key.in_(keys))
        handles = {key: (handle, number) for key, handle, number in db.session.execute(people)}
        for row in rows:
            message_id = wire.message_id(row)
            content = contents[row.language]
            if row.recipient_key not in handles or content is None:
                yield message_id, "erased"
                continue
            own = letters.links_of(*handles[row.recipient_key], edition.frame)
            made = wire.whole(content, to=row.recipient, message_id=message_id, headers={}, own=own)
            yield message_id, "same" if wire.digest(made) == row.digest else "differs"
        after = rows[-1].id
