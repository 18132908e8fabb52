"""What was sent, for everybody to read: taken out of the frozen bytes, never written anew; and what was said about it
afterwards."""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes, policy
from hashlib import sha256

from markupsafe import Markup
from sqlalchemy import select
from sqlalchemy.orm import selectinload, undefer

from portal import addresses, audit
from portal.audit import Actor
from portal.db import db
from portal.editions.models import Edition, EditionNote, EditionText
from portal.errors import Conflict, Expired, NotFound, Refused
from portal.newsletter.models import Language

IN_FEED = 20
NOTE_MAX = 2000
# What of the mail's HTML is the edition itself: between these (`templates/mail/editions/edition.html`).
BEGIN, END = "<!-- edition -->", "<!-- /edition -->"
_PICTURES = f"{addresses.EDITION_PICTURE.root}/"
# What compose.py puts on tags, and on them alone: an author may write the same as text, where a < is &lt;.
_TAG, _STYLE = re.compile(r'<[a-z](?:[^"<>]|"[^"]*")*>'), re.compile(r' style="[^"]*"')


@dataclass(frozen=True)
class Page:
    """One edition in one language, as it was sent."""

    slug: str
    language: Language
    twins: Sequence[Language]  # in which it can be read, this one too
    subject: str
    preview: str
    at: datetime
    notes: Sequence[tuple[datetime, str]]
    html: Markup
    id: str  # of the very bytes (RFC 4287, 4.2.6): it stays the same wherever the portal moves

    def html_at(self, base_url: str) -> Markup:
        """Its HTML where no address is understood that is not whole."""
        whole = str(self.html).replace(f'src="{_PICTURES}', f'src="{base_url}{_PICTURES}')
        return Markup(whole)  # noqa: S704 - as `html`

    @property
    def changed_at(self) -> datetime:
        """When something was last said about it."""
        return max([self.at, *(at for at, _words in self.notes)])


def pages(language: Language, limit: int | None = None) -> list[Page]:
    """All that can be read in a language, newest first."""
    query = _SENT.where(Edition.is_public, Edition.withdrawn_at.is_(None)).order_by(Edition.began_at.desc())
    found = []
    for edition in db.session.scalars(query.where(EditionText.language == language).limit(limit)):
        found.append(_page(edition, language))
    return found


def page(slug: str, language: Language) -> Page:
    """One of them; raises NotFound, and Expired for one that was taken out."""
    query = _SENT.where(Edition.slug == slug, Edition.is_public, EditionText.language == language)
    edition = db.session.scalars(query).one_or_none()
    if edition is None:
        raise NotFound
    if edition.withdrawn_at is not None:
        raise Expired
    return _page(edition, language)


def is_in(edition: Edition) -> bool:
    """Whether everybody may read it."""
    return edition.began_at is not None and edition.is_public and edition.withdrawn_at is None


def add_note(edition: Edition, words_en: str, words_es: str, *, by: Actor, at: datetime) -> None:
    """Say something about it, for ever. Raises Conflict before anybody got it, Refused when a language is missing."""
    if edition.began_at is None:
        raise Conflict("Nobody has got it yet: change the text itself.")
    if not words_en.strip():
        raise Refused("Write the note in English", field="words_en")
    if not edition.only_english and not words_es.strip():
        raise Refused("Write the note in Spanish too", field="words_es")
    edition.notes.append(EditionNote(at=at, words_en=words_en, words_es=words_es))
    audit.record(by, "edition.note", edition.cause, at=at)


def withdraw(edition: Edition, *, by: Actor, at: datetime) -> None:
    """Take it out of the archive; its address then says so."""
    if not is_in(edition):
        raise Conflict("It is not in the archive.")
    edition.withdrawn_at = at
    audit.record(by, "edition.withdrawn", edition.cause, at=at)


def put_back(edition: Edition, *, by: Actor, at: datetime) -> None:
    """Let everybody read it (again)."""
    if edition.began_at is None:
        raise Conflict("Nobody has got it yet.")
    edition.is_public, edition.withdrawn_at = True, None
    audit.record(by, "edition.published", edition.cause, at=at)


# Whose sending began, and what was frozen then of each language.
_SENT = (
    select(Edition)
    .join(EditionText)
    .where(Edition.began_at.is_not(None), EditionText.content.is_not(None))
    .options(selectinload(Edition.texts).options(undefer(EditionText.content)), selectinload(Edition.notes))
)


def _page(edition: Edition, language: Language) -> Page:
    text = edition.text_in(language)
    content = text.content or b""
    part = message_from_bytes(content, policy=policy.default).get_body(preferencelist=("html",))
    html = part.get_content() if part is not None else ""
    words = html.partition(BEGIN)[2].partition(END)[0].strip()
    # Wherever the portal is now: a picture's address in a mail is whole.
    words = words.replace(f'src="{edition.frame.get("base", "")}{_PICTURES}', f'src="{_PICTURES}')
    return Page(
        slug=edition.slug,
        language=language,
        twins=[Language(one.language) for one in edition.texts if one.content is not None],
        subject=text.subject,
        preview=text.preview,
        at=edition.began_at or edition.created_at,
        notes=[(note.at, note.words_in(language)) for note in edition.notes],
        html=Markup(_TAG.sub(lambda tag: _STYLE.sub("", tag[0]), words)),  # noqa: S704 - what we sent; HTML that was typed is text in it
        id=uuid.UUID(bytes=sha256(content).digest()[:16], version=5).urn,
    )
