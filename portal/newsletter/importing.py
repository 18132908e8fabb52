"""Addresses that people gave elsewhere, from a file: our own export, listmonk's, Ghost's, Mailchimp's, or any CSV.

A file proves nothing by itself: whoever is in it is asked once, slowly, by the mail with the button, like everybody
who signs up. Only rows with full proof (when, to which words, and when they confirmed) go on the list at once, and
only if whoever imports says so. Who left, complained, was erased or asked not to be written to is never brought back.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import select

from portal import audit, tokens
from portal.audit import Actor
from portal.db import db
from portal.errors import Refused
from portal.newsletter import proof, service, subscriptions, tombstones
from portal.newsletter.consent import FOREIGN, Words
from portal.newsletter.models import (
    ON_THE_LIST,
    ConsentKind,
    Language,
    Signup,
    Source,
    State,
    Subscriber,
    Topic,
    key_of,
)
from portal.text import TextFault, email_address

MOST_ROWS = 50_000
EVERY = timedelta(
    seconds=36
)  # between two mails to people of a file: half of what sign-ups may cause in an hour
ASKED = timedelta(days=30)  # as long as a sign-up is kept
_AT_ONCE = 500

# What others call a column, in small letters.
_COLUMNS = {
    "email": ("email", "email address", "e-mail", "e-mail address", "correo"),
    "language": ("language", "lang", "idioma"),
    "topics": ("topics",),
    "state": ("state", "status"),
    "wants": ("subscribed_to_emails",),
    "left": ("left_at", "unsub_time", "clean_time", "deleted_at"),
    "agreed": ("consent_at", "optin_time"),
    "confirmed": ("confirmed_at", "confirm_time"),
    "words": ("consent_words", "consent_text"),
    "source": ("consent_source", "source"),
}
# Columns of what is no list of subscribers: patients and requests never become one.
_NEVER = {"npi", "reference", "question", "patient", "diagnosis", "date of birth", "dob"}
_ON = {"", "enabled", "active", "subscribed", "confirmed", "true", "1", "yes"}

_SEP = re.compile(r"\s*\"?sep=([,;\t])\"?[\r\n]", re.IGNORECASE)

UNCLOSED = "A quotation mark in row {} is not closed: all that follows would be one cell."
NO_TEXT = "The file is not text in UTF-8. Save it as “CSV UTF-8” and send it again."
TOO_MANY = f"The file has more than {MOST_ROWS:,} rows. Cut it and send the parts."
NO_ADDRESS = "The file has no column for the address. Name one “email”."
NOT_SUBSCRIBERS = (
    "This is a table of requests or patients, not of subscribers. Nobody in it asked for a newsletter."
)
NO_WORDS = "Say what these people agreed to, in the words that they saw, or give each row its own."

NO_REASON = "Say why these people are taken in."
REASONS = {
    "moved": "They are on our list in another program",
    "paper": "They signed up on paper, or by telephone",
    "event": "They signed up at an event",
}
MAIL, ADDED = "gets a confirmation mail", "is on the list at once"
NONE, TWICE = "no email address", "twice in this file"
THERE, WAITING = "on the list already", "was asked already"
LEFT_THERE = "left there: the file says so"
NEVER_BACK = "left, complained or was erased: never brought back"


@dataclass(frozen=True)
class Row:
    """One person of a file."""

    number: int
    email: str
    language: str
    topics: Sequence[str]
    has_left: bool
    agreed_at: datetime | None
    confirmed_at: datetime | None
    words: str
    source: str


@dataclass
class Report:
    """What became, or would become, of each row."""

    counts: Counter[str] = field(default_factory=Counter)
    refused: list[tuple[int, str]] = field(default_factory=list)

    def add(self, number: int, verdict: str) -> None:
        """Keep one row's."""
        self.counts[verdict] += 1
        if verdict not in (MAIL, ADDED):
            self.refused.append((number, verdict))


@dataclass(frozen=True)
class Terms:
    """What holds for all rows that say nothing else."""

    words: str
    source: str
    topics: Sequence[str]
    language: str
    reason: str = ""  # why they are taken in, one of REASONS
    has_proof: bool = False  # whoever imports says that the file proves what people agreed to


def decode(raw: bytes) -> str:
    """The text of a file; raises Refused."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        raise Refused(NO_TEXT, field="file") from fault
    if "\0" in text:
        raise Refused(NO_TEXT, field="file")
    return text


def read(text: str) -> list[Row]:
    """Every row with something in it; raises Refused, in one sentence, for what is no list of subscribers."""
    said = _SEP.match(text)  # what Excel writes for itself
    first = re.sub(r'"[^"]*"', "", re.split(r"[\r\n]", text.lstrip("\r\n"), maxsplit=1)[0])
    mark = said[1] if said else max(",;\t", key=first.count)
    try:
        lines = list(_lines(csv.reader(io.StringIO(text, newline=""), delimiter=mark, skipinitialspace=True)))
    except csv.Error as fault:
        raise Refused(f"The file cannot be read as CSV: {fault}.", field="file") from fault
    lines = lines[1:] if said else lines
    if lines and text.count('"') % 2 and any("\n" in cell for cell in lines[-1][1]):
        raise Refused(UNCLOSED.format(lines[-1][0]), field="file")
    names = [cell.strip().casefold() for cell in lines[0][1]] if lines else []
    if _NEVER & set(names):
        raise Refused(NOT_SUBSCRIBERS, field="file")
    places = {ours: [names.index(one) for one in theirs if one in names] for ours, theirs in _COLUMNS.items()}
    if not places["email"]:
        raise Refused(NO_ADDRESS, field="file")
    if len(lines) - 1 > MOST_ROWS:
        raise Refused(TOO_MANY, field="file")
    return [_row(number, cells, places) for number, cells in lines[1:]]


def judge(
    rows: Iterable[Row], terms: Terms, *, keys: Sequence[str], at: datetime
) -> Iterator[tuple[Row, str]]:
    """What becomes of each row; reads and changes nothing."""
    waiting, seen = list(rows), set[str]()
    for start in range(0, len(waiting), _AT_ONCE):
        some = waiting[start : start + _AT_ONCE]
        wanted = [key_of(row.email) for row in some]
        people = select(Subscriber.address_key, Subscriber.state).where(Subscriber.address_key.in_(wanted))
        states = dict(db.session.execute(people).all())
        recent = Signup.address_key.in_(wanted), Signup.at > at - ASKED
        asked = set(db.session.scalars(select(Signup.address_key).where(*recent)))
        buried = tombstones.among([row.email for row in some], keys=keys, at=at)
        for row in some:
            key = key_of(row.email)
            verdict = _verdict(row, states.get(key), key in asked, key in buried, key in seen, terms)
            seen.add(key)
            yield row, verdict


def apply(
    rows: Iterable[Row],
    terms: Terms,
    *,
    keys: Sequence[str],
    by: Actor | None,
    at: datetime,
    dry_run: bool = False,
) -> Report:
    """Take a file in, in the caller's transaction, or only say what would become of it. Raises Refused when it is
    not said what people agreed to, or why they are taken in."""
    rows = list(rows)
    if not terms.words.strip() and not all(row.words for row in rows):
        raise Refused(NO_WORDS, field="words")
    if terms.reason not in REASONS:
        raise Refused(NO_REASON, field="reason")
    report, signups = Report(), list[dict[str, Any]]()
    for row, verdict in judge(rows, terms, keys=keys, at=at):
        report.add(row.number, verdict)
        if dry_run or verdict not in (MAIL, ADDED):
            continue
        signup = _signup(row, terms, at + EVERY * len(signups))
        if verdict == MAIL:
            signups.append(signup)
        else:
            _enrol(row, signup, at)
    if not dry_run:
        if signups:
            service.sign_up(*signups)
        added, mailed = report.counts[ADDED], report.counts[MAIL]
        told = f"{terms.reason}: {mailed} to ask, {added} at once"
        audit.record(by, "newsletter.imported", "newsletter", at=at, detail=told)
    return report


def _verdict(row: Row, state: str | None, asked: bool, buried: bool, twice: bool, terms: Terms) -> str:
    if not row.email:
        return NONE
    if twice:
        return TWICE
    if buried or (state is not None and state not in (*ON_THE_LIST, State.PENDING)):
        return NEVER_BACK
    if state in ON_THE_LIST:
        return THERE
    if row.has_left:
        return LEFT_THERE
    if terms.has_proof and row.agreed_at and row.confirmed_at and (row.words or terms.words.strip()):
        return ADDED
    return WAITING if asked else MAIL


def _lines(reader: Iterable[list[str]]) -> Iterator[tuple[int, list[str]]]:
    for number, cells in enumerate(reader, 1):
        if any(cell.strip() for cell in cells):
            yield number, cells
            if number > MOST_ROWS + 1000:
                return


def _row(number: int, cells: Sequence[str], places: Mapping[str, Sequence[int]]) -> Row:
    said = {
        name: next((cell for one in those if one < len(cells) and (cell := cells[one].strip())), "")
        for name, those in places.items()
    }
    try:
        email = email_address(said["email"])
    except TextFault:
        email = ""
    is_off = said["state"].casefold() not in _ON or said["wants"].casefold() not in _ON
    topics = [
        topic.value
        for topic in Topic
        if topic.value in said["topics"].casefold().replace(";", ",").split(",")
    ]
    return Row(
        number=number,
        email=email,
        language=said["language"].casefold()[:2],
        topics=topics,
        has_left=is_off or bool(said["left"]),
        agreed_at=_moment(said["agreed"]),
        confirmed_at=_moment(said["confirmed"]),
        words=said["words"],
        source=said["source"],
    )


def _moment(said: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(said.replace("Z", "+00:00"))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _signup(row: Row, terms: Terms, due_at: datetime) -> dict[str, Any]:
    language = row.language if row.language in set(Language) else terms.language
    when = f", {row.agreed_at.isoformat()}" if row.agreed_at else ""
    text = f"{row.words or terms.words}\n[{row.source or terms.source}{when}]"
    return service.as_row(
        email=row.email,
        topics=row.topics or terms.topics,
        language=language,
        words=Words(FOREIGN, 1, language, text),
        source=Source.IMPORT,
        page="",
        network="",
        form_token=f"import.{tokens.new_token()}",
        at=due_at,
    )


def _enrol(row: Row, values: Mapping[str, object], at: datetime) -> None:
    """Put somebody on the list whose agreement is proved, with that evidence."""
    signup = Signup(**values)
    subscriber = subscriptions.find(row.email) or subscriptions.enrol(
        row.email, Language(signup.language), at=at
    )
    subscriptions.move(subscriber, State.ACTIVE)
    subscriber.confirmed_at = row.confirmed_at
    subscriptions.choose(subscriber, [Topic(word) for word in signup.topics.split(",")], at)
    for kind, moment in ((ConsentKind.REQUESTED, row.agreed_at), (ConsentKind.CONFIRMED, row.confirmed_at)):
        proof.record_agreement(signup, subscriber, kind, at=moment or at, network="", page="")
    db.session.flush()
