"""What the national registry says of whoever asks, as staff read it: in the list, and on a request's page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import select

from portal.audit import AuditEntry
from portal.db import db
from portal.desk import prescribers
from portal.desk.identity import CALL_BACK, LICENSE
from portal.intake import checks
from portal.intake.models import Request
from portal.npi import boards
from portal.npi.verdicts import CLOSE, SENTENCES, WORDS, Provider, Verdict, phone_in_words, profession
from portal.web import day

HOLDS = timedelta(days=365)  # how long what staff found out counts
OTHERS = 50  # requests with the same NPI whose proofs are looked at
TONES = {
    Verdict.MATCH: "ok",
    Verdict.UNCHECKED: "",
    Verdict.LIMITED_SCOPE: "warn",
    Verdict.CREDENTIAL_DIFFERS: "warn",
    Verdict.STATE_DIFFERS: "warn",
}
NOT_YET = ("Not checked yet", "")


@lru_cache(maxsize=64)
def tag(word: str) -> tuple[str, str]:
    """A verdict's words and the tone of their box."""
    known = next((verdict for verdict in Verdict if verdict == word), None)
    return (WORDS[known], TONES.get(known, "danger")) if known else NOT_YET


def remark(word: str) -> str:
    """The sentence to a verdict in a list, where the word alone does not say that all is well."""
    return SENTENCES[Verdict(word)] if word and word not in (Verdict.MATCH, Verdict.UNCHECKED) else ""


class Registry:
    """The latest check of one request's NPI, and what staff found out by themselves."""

    def __init__(self, asked: Request, at: datetime) -> None:
        self.asked, self.at = asked, at
        self.check = checks.latest(asked)
        self.known: Provider | None = self.check.known if self.check else None

    @property
    def is_running(self) -> bool:
        """Whether a check is still to come."""
        return not self.asked.verdict

    @property
    def tag(self) -> tuple[str, str]:
        """The verdict in a word or two, and its tone."""
        return tag(self.check.verdict if self.check else "")

    @property
    def sentence(self) -> str:
        """The verdict in a sentence."""
        return self.check.finding.sentence if self.check else ""

    @property
    def reasons(self) -> list[str]:
        """What else does not agree."""
        if self.check is None:
            return []
        found = self.check.finding
        more = [SENTENCES[reason] for reason in found.reasons if reason is not found.headline]
        if found.close and found.headline is not Verdict.MATCH:
            more.append(f"The name is close: {CLOSE[found.close]}.")
        return more

    @property
    def as_of(self) -> date | None:
        """The day the registry tells of."""
        return self.check.finding.as_of if self.check else None

    @property
    def facts(self) -> list[tuple[str, Any]]:
        """What the registry has, without what staff do not need."""
        if self.known is None:
            return []
        known, names = self.known, self.known.names
        return [
            ("Registered name", known.organisation or _name(names.first, names.middle, names.last)),
            (
                "Other name",
                _name(names.other_first or names.first, names.other_last) if _has_other(known) else "",
            ),
            ("Credential", known.credential),
            ("Profession", ", ".join(dict.fromkeys(profession(code) for code in known.taxonomies))),
            ("States", ", ".join(known.states)),
            ("Withdrawn", _day(known.deactivated)),
            ("Given back", _day(known.reactivated)),
            ("Replaced by", known.replacement),
        ]

    @property
    def phone(self) -> str:
        """The practice's number as the registry has it: for a call-back, rather than the one that was typed."""
        return phone_in_words(self.known.phone) if self.known else ""

    @property
    def look_ups(self) -> list[boards.LookUp]:
        """Where the licence can be looked up."""
        states = self.known.states if self.known else ()
        taxonomies = self.known.taxonomies if self.known else ()
        return boards.look_ups((self.asked.state, *states), taxonomies)

    @property
    def proofs(self) -> Sequence[AuditEntry]:
        """Who called back or looked up a licence for this NPI in the last twelve months, the latest first."""
        others = prescribers.others_of(self.asked, limit=OTHERS)
        query = select(AuditEntry).where(
            AuditEntry.subject.in_([one.subject for one in (self.asked, *others)]),
            AuditEntry.action.in_([CALL_BACK.audit, LICENSE.audit]),
            AuditEntry.at > self.at - HOLDS,
        )
        return db.session.scalars(query.order_by(AuditEntry.id.desc())).all()


@dataclass(frozen=True)
class Step:
    """One thing that makes surer who asks."""

    words: str
    holds: bool
    detail: str = ""


@dataclass(frozen=True)
class Trust:
    """How sure we are of somebody: 0 a number of the right shape, 1 the registry agrees, 2 the license was looked up,
    3 a call to the registry's number."""

    level: int
    steps: Sequence[Step]
    proofs: Sequence[AuditEntry]

    @property
    def words(self) -> str:
        """The level in words."""
        said = ("Nothing but a number", "Registry agrees", "License looked up", "Called back")
        return f"Trust {self.level} of 3: {said[self.level].lower()}" if self.steps[0].holds else "No NPI"

    @property
    def tone(self) -> str:
        """How its box looks."""
        return "ok" if self.level else "warn"


def trust(known: Registry | None) -> Trust:
    """What speaks for whoever gave this NPI; what staff found out counts for twelve months."""
    proofs = list(known.proofs) if known else []
    done = {entry.action for entry in proofs}
    agrees = bool(known and known.check and known.check.verdict == Verdict.MATCH)
    steps = (
        Step("The NPI has the shape of one", known is not None),
        Step("The registry agrees", agrees, f"{known.tag[0]}. {known.sentence}".strip() if known else ""),
        Step("The license was looked up", LICENSE.audit in done),
        Step("Called back, by the registry's number", CALL_BACK.audit in done),
    )
    level = max((number for number, step in enumerate(steps) if step.holds), default=0)
    return Trust(level, steps, proofs)


def _name(*parts: str) -> str:
    return " ".join(part for part in parts if part)


def _day(told: str) -> str:
    """A day of the registry's in words; where it gave none, what is said instead."""
    try:
        return day(date.fromisoformat(told))
    except ValueError:
        return told


def _has_other(known: Provider) -> bool:
    return bool(known.names.other_last or known.names.other_first)
