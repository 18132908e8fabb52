"""What one member of staff may see of a request in a line of the list, and in which words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from babel.dates import format_timedelta
from markupsafe import Markup

from portal import web
from portal.clock import now
from portal.desk import finding, perform
from portal.desk import search as queue
from portal.desk.acts import CLAIM, Staff
from portal.desk.excerpts import Excerpt
from portal.intake import kinds
from portal.intake.models import DUE, ContactMethod, Request, Status
from portal.intake.models import Kind as KindWord
from portal.staff import provider

MORE = "\N{NO-BREAK SPACE}…"
SNIPPET = 60  # characters of a question in the list, whole words


@dataclass(frozen=True)
class Line:
    """One row of the list."""

    request: Request
    asked_by: str
    owner_name: str
    owner_away: date | None  # until when whoever has it is out of office
    snoozed_until: datetime | None  # until when it is set aside
    is_late: bool
    late_by: str  # how much, in words
    subject: str
    excerpt: Excerpt | None  # why a search found it, where its subject and names do not say
    flags: tuple[str, ...]
    may_claim: bool
    writers: str  # who else writes about it at the moment
    verdict: tuple[str, str] | None  # its words and their tone; None: nobody gave an NPI
    remark: str


def line(
    row: queue.Row,
    by: Staff,
    writers: Sequence[str] = (),
    absent: Mapping[int, date] = MappingProxyType({}),
    excerpt: Excerpt | None = None,
) -> Line:
    """The row as this member of staff may see it."""
    return Line(
        request=row.request,
        asked_by=with_credential(row.request),
        owner_name=row.owner_name,
        owner_away=absent.get(row.request.owner_id or 0),
        snoozed_until=row.request.snoozed_until if row.request.is_snoozed(now()) else None,
        is_late=row.is_late,
        late_by=_late_by(row.request.answer_by) if row.is_late else "",
        subject=_subject(row.request, by, begins=excerpt is None),
        excerpt=excerpt,
        flags=flags(row.request),
        may_claim=perform.may(by, CLAIM, row.request),
        writers=" and ".join(writers),
        verdict=provider.tag(row.request.verdict) if row.request.npi else None,
        remark=provider.remark(row.request.verdict),
    )


def _late_by(promised: datetime) -> str:
    minutes = int((now() - promised).total_seconds() // 60)
    return f"by {_in_words(minutes) if minutes else 'less than a minute'}"


@lru_cache(maxsize=1024)
def _in_words(minutes: int) -> str:
    return str(format_timedelta(timedelta(minutes=minutes), locale="en"))


def _beginning(typed: str) -> str:
    """The first words of a text, as many as have room (`textwrap.shorten`, which looks through all of it)."""
    words = " ".join(typed[: 8 * SNIPPET].split())
    if len(words) <= SNIPPET:
        return words
    room = SNIPPET - len(MORE)
    return f"{words[: room + 1].rpartition(' ')[0] or words[:room]}{MORE}"


def _subject(asked: Request, by: Staff, *, begins: bool) -> str:
    """First topic or material, and the beginning of the question for those who may read it, where that is wanted.

    Where a patient may be named in it, nobody reads the question here, where reading is not recorded.
    """
    kind = kinds.of(asked)
    chosen = getattr(asked, kind.chosen.field) if kind.chosen else ()
    words = [label for word, label in kind.chosen.labels.items() if word in chosen] if kind.chosen else []
    if asked.kind == KindWord.RESOURCE:
        more = f" and {len(words) - 1} more" if len(words) > 1 else ""
        return f"{kind.label} · {words[0] if words else ''}{more}"
    parts = words[:1] or [kind.label]
    if begins and kind.typed and finding.may_read(by, asked) and not asked.patient_data:
        typed = getattr(asked, kind.typed[0])
        parts.append(_beginning(typed))
    return " · ".join(parts)


def label(labels: Mapping[Any, str], word: str) -> str:
    """The words for a stored word; one that the lists of today no longer hold stands for itself."""
    return labels.get(word, word)


def with_credential(asked: Request) -> str:
    """Who asks."""
    return ", ".join(part for part in (asked.name, asked.credential) if part)


def flags(asked: Request) -> tuple[str, ...]:
    """What to look out for, in words."""
    found = [] if kinds.is_known(asked) else ["Not of this version"]
    if asked.more_time_at and asked.status in DUE:
        found.append("Told: more time")
    if asked.call_at and asked.status != Status.DUPLICATE:
        begin = "Call now: they said" if asked.call_at <= now() else "Call again"
        found.append(Markup("{} {}").format(begin, web.when(asked.call_at)))
    elif asked.contact_method == ContactMethod.PHONE and asked.status in DUE:
        found.append("Call wanted")
    if asked.heard_at and asked.status != Status.DUPLICATE:
        found.append("They wrote more")
    if asked.signals and not asked.is_spam:
        found.append("Possible spam")
    if asked.patient_data:
        found.append("Patient data")
    if asked.possible_duplicate_of and asked.is_open:
        found.append("Possible duplicate")
    return tuple(found)
