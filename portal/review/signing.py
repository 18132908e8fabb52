"""Agreeing to the statements of a text, and what that makes of the text.

A text is signed when a pharmacist has agreed to each of its statements as it stands now. Nothing is signed by its
page: whoever agrees to many at once agrees to those that the page showed them, by their digests.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from portal import addresses, audit
from portal.db import db
from portal.errors import Conflict, Forbidden, Refused
from portal.library.pages import Library, Page
from portal.library.statements import Risk, Statement, statements, translated
from portal.people.rights import Right
from portal.review import sheets
from portal.review.models import TextVerdict, Verdict

REVIEW_AFTER = timedelta(days=365)
KEYS_IN_ENTRY = 30  # what one entry of the trail has room for
ONLY_PHARMACISTS = "Only a pharmacist may sign a text."
CHANGED = "The text is another than the one you were shown. Nothing was signed; what is new is marked below."
FASTER = "A colleague signed at the same moment. Nothing of yours was kept: look again."
SAY_WHAT = "Say what it should say instead"
NAME_TRANSLATOR = "Name the qualified translator who read the Spanish beside the English"

Cut = Mapping[str, tuple[Statement, ...]]


class Signer(Protocol):
    """Whoever signs."""

    id: int
    name: str

    def may(self, right: str) -> bool:
        """Whether they have this right."""


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How far a page is: its statements, what was said of each, and what was said of words that are gone."""

    page: Page
    statements: tuple[Statement, ...]
    verdicts: Mapping[str, TextVerdict]  # by digest, of what stands there now
    gone: tuple[TextVerdict, ...]

    @property
    def to_read(self) -> tuple[Statement, ...]:
        """What nobody has said a word of, in the text's order."""
        return tuple(one for one in self.statements if one.digest not in self.verdicts)

    @property
    def changed(self) -> dict[str, tuple[TextVerdict, ...]]:
        """Of what is to be read, by digest: what was agreed to under that heading and no longer stands there."""
        before: dict[str, list[TextVerdict]] = {}
        for verdict in self.gone:
            if verdict.verdict == Verdict.AGREE:
                before.setdefault(verdict.anchor, []).append(verdict)
        return {one.digest: tuple(before[one.anchor]) for one in self.to_read if one.anchor in before}

    @property
    def rest(self) -> tuple[Statement, ...]:
        """What is to be read and replaces nothing that was signed: it can be agreed to at once."""
        changed = self.changed
        return tuple(one for one in self.to_read if one.digest not in changed)

    @property
    def objections(self) -> tuple[tuple[Statement, TextVerdict], ...]:
        """What a pharmacist wants changed or gone."""
        found = ((one, self.verdicts.get(one.digest)) for one in self.statements)
        return tuple((one, said) for one, said in found if said and said.verdict != Verdict.AGREE)

    @property
    def agreed(self) -> tuple[tuple[Statement, TextVerdict], ...]:
        """What is signed."""
        found = ((one, self.verdicts.get(one.digest)) for one in self.statements)
        return tuple((one, said) for one, said in found if said and said.verdict == Verdict.AGREE)

    @property
    def is_signed(self) -> bool:
        """Whether each statement is agreed to as it stands."""
        return bool(self.statements) and len(self.agreed) == len(self.statements)

    @property
    def is_translation(self) -> bool:
        """Whether a signature needs a translator's name."""
        return self.page.language != addresses.USUAL

    @property
    def translator(self) -> str:
        """Who read what was signed last."""
        named = [said for said in self.verdicts.values() if said.translator]
        return max(named, key=lambda said: said.at).translator if named else ""

    @property
    def said(self) -> str:
        """How far it is, in a few words."""
        asked = f", {len(self.objections)} to change" if self.objections else ""
        return f"{len(self.agreed)} of {len(self.statements)} statements signed{asked}"

    def left(self, risk: Risk) -> int:
        """How many of one class nobody has agreed to."""
        signed = {one.digest for one, _ in self.agreed}
        return sum(one.risk == risk and one.digest not in signed for one in self.statements)


def signable(library: Library) -> tuple[Page, ...]:
    """The texts that wait to be signed, in the order of the site, translations last."""
    found = (page for page in library.pages.values() if page.waits_for)
    sections = {"prescribers": 0, "patients": 1}

    def place(page: Page) -> tuple[bool, int, int, str]:
        return page.language != addresses.USUAL, sections.get(page.section, 2), page.order, page.path

    return tuple(sorted(found, key=place))


def cut(library: Library) -> dict[str, tuple[Statement, ...]]:
    """The statements of every text that waits, by its address; a translation's beside its original's.

    The wallet card is signed with the patients' page, the dose plan with the dosing chapter, the prescription's words
    with compounding: they are printed under the marks of these.
    """
    return {page.path: _cut(page, library) for page in signable(library)}


def _cut(page: Page, library: Library) -> tuple[Statement, ...]:
    own = statements(page, library.references, sheets.under(page, library))
    original = library.pages.get(page.twin)
    if page.language == addresses.USUAL or original is None:
        return own
    return translated(own, statements(original, library.references, sheets.originals(page, library)))


def is_begun() -> bool:
    """Whether anything was ever said of a text here."""
    return db.session.scalar(select(TextVerdict.id).limit(1)) is not None


def standings(library: Library, of: Cut) -> tuple[Standing, ...]:
    """How far each text is."""
    said: dict[str, list[TextVerdict]] = {}
    for verdict in db.session.scalars(select(TextVerdict).order_by(TextVerdict.id)):
        said.setdefault(verdict.page, []).append(verdict)
    return tuple(_standing(page, of[page.path], said.get(page.path, ())) for page in signable(library))


def _standing(page: Page, found: tuple[Statement, ...], said: Iterable[TextVerdict]) -> Standing:
    current = {one.digest for one in found}
    return Standing(
        page=page,
        statements=found,
        verdicts={verdict.digest: verdict for verdict in said if verdict.digest in current},
        gone=tuple(verdict for verdict in said if verdict.digest not in current),
    )


def as_signed(library: Library, found: Iterable[Standing], zone: ZoneInfo) -> Library:
    """The texts with the signatures of those that are signed as a whole: who, the last day, and the next."""
    signed = {}
    for standing in found:
        if standing.is_signed:
            said = [verdict for _, verdict in standing.agreed]
            first, last = min(one.at for one in said), max(one.at for one in said)
            signed[standing.page.path] = replace(
                standing.page,
                review="signed",
                reviewer=", ".join(dict.fromkeys(one.translator or one.by_name for one in said)),
                reviewed_on=last.astimezone(zone).date(),
                next_review_on=(first + REVIEW_AFTER).astimezone(zone).date(),
            )
    return replace(library, pages={**library.pages, **signed}) if signed else library


# What a pharmacist does


def agree(
    standing: Standing, digests: Collection[str], *, translator: str = "", by: Signer, at: datetime
) -> int:
    """Sign these statements; those of a translation for the translator who read them beside the original.

    Raises Forbidden, Refused without a translator's name, and Conflict, with nothing signed, where one stands there
    no more.
    """
    found = [one for one in standing.statements if one.digest in digests]
    if len(found) != len(set(digests)):
        raise Conflict(CHANGED)
    if standing.is_translation and not translator:
        raise Refused(NAME_TRANSLATOR, field="translator")
    _say(standing, found, Verdict.AGREE, "", translator=translator, by=by, at=at)
    return len(found)


def rest(standing: Standing, risk: Risk | None = None) -> tuple[Statement, ...]:
    """What can be agreed to at once, of one class alone if it is given."""
    return tuple(one for one in standing.rest if risk in (None, one.risk))


def mark(shown: Iterable[Statement]) -> str:
    """These statements and no others, in one word."""
    return hashlib.sha256(" ".join(one.digest for one in shown).encode()).hexdigest()


def agree_to_rest(
    standing: Standing,
    shown: str,
    *,
    risk: Risk | None = None,
    translator: str = "",
    by: Signer,
    at: datetime,
) -> int:
    """Sign all that is to be read (of that class) but what changed since it was signed: that is agreed to one by one.

    `shown` is the mark of what the page listed. Raises as `agree`, and Conflict where that is not what is there now.
    """
    listed = rest(standing, risk)
    if shown != mark(listed):
        raise Conflict(CHANGED)
    return agree(standing, [one.digest for one in listed], translator=translator, by=by, at=at)


def objected(
    standing: Standing, digest: str, verdict: Verdict, note: str, *, by: Signer, at: datetime
) -> None:
    """Ask for a change, or for the statement to go. Raises Forbidden, Conflict, and Refused for a change unsaid."""
    found = [one for one in standing.statements if one.digest == digest]
    if not found:
        raise Conflict(CHANGED)
    if verdict == Verdict.CHANGE and not note:
        raise Refused(SAY_WHAT, field="note")
    _say(standing, found, verdict, note, by=by, at=at)


def _say(
    standing: Standing,
    found: Sequence[Statement],
    verdict: Verdict,
    note: str,
    *,
    translator: str = "",
    by: Signer,
    at: datetime,
) -> None:
    if not by.may(Right.SIGN_TEXTS):
        raise Forbidden(ONLY_PHARMACISTS)
    said = select(TextVerdict).where(TextVerdict.page == standing.page.path)
    rows = {row.digest: row for row in db.session.scalars(said)}  # now that nobody else writes
    for one in found:
        row = rows.get(one.digest) or TextVerdict(page=one.page, digest=one.digest)
        row.anchor, row.words = one.anchor, one.words
        row.verdict, row.note, row.by_name, row.at = verdict.value, note, by.name, at
        row.translator = translator
        db.session.add(row)
    try:
        db.session.flush()
    except IntegrityError:
        raise Conflict(FASTER) from None
    subject = f"text:{standing.page.path}"
    for first in range(0, len(found), KEYS_IN_ENTRY):
        keys = " ".join(one.key for one in found[first : first + KEYS_IN_ENTRY])
        if verdict == Verdict.AGREE:
            audit.record(by, "text.agreed", subject, at=at, detail=keys)
        elif verdict == Verdict.CHANGE:
            audit.record(by, "text.change_asked", subject, at=at, detail=keys)
        else:
            audit.record(by, "text.removal_asked", subject, at=at, detail=keys)
