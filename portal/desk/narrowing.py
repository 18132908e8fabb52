"""What narrows a list of requests beside who has it and where it stands: days, topic, promise, calls.

The figures of the reports and the lists that they open are made from these same conditions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import ColumnElement, String, and_, cast, func, or_, select

from portal.desk.models import CALL_OUTCOME_LABELS, CallOutcome, Contact, ContactKind
from portal.intake.models import DUE, TOPIC_LABELS, Request, Topic
from portal.settings import settings

KEPT, MISSED, ANSWERED = "kept", "missed", "answered"
PROMISES = {
    KEPT: "Answered in time",
    MISSED: "Answered late, or late now",
    ANSWERED: "Answered, in time or not",
}
ANY = "any"
AWAY = "away"  # of an owner: whoever is out of office
CALLS = {ANY: "Called", **{word.value: label for word, label in CALL_OUTCOME_LABELS.items()}}


def day(typed: str) -> date | None:
    """A date as an address has it; None for what is none."""
    try:
        return date.fromisoformat(typed) if len(typed) == 10 and "1970" <= typed[:4] < "9999" else None
    except ValueError:
        return None


RULES: dict[str, Callable[[str], bool]] = {
    "since": lambda value: day(value) is not None,
    "until": lambda value: day(value) is not None,
    "topic": lambda value: value in set(Topic),
    "promise": lambda value: value in PROMISES,
    "call": lambda value: value in (ANY, *CallOutcome),
}


def conditions(filters: Any, at: datetime) -> list[ColumnElement[bool]]:
    """What the rows have to meet (of `search.Filters`, or what has these names)."""
    found: list[ColumnElement[bool]] = []
    if since := day(filters.since):
        found.append(Request.received_at >= midnight(since))
    if until := day(filters.until):
        found.append(Request.received_at < midnight(until + timedelta(days=1)))
    if filters.topic:
        # JSON on one database and text on the other: as text both say ["dosing", "safety"].
        found.append(cast(Request.topics, String).contains(f'"{filters.topic}"'))
    promised = func.coalesce(Request.first_answer_by, Request.answer_by)
    if filters.promise == KEPT:
        found.append(Request.first_answered_at <= promised)
    elif filters.promise == ANSWERED:
        found.append(Request.first_answered_at.is_not(None))
    elif filters.promise == MISSED:
        is_late = and_(Request.first_answered_at.is_(None), Request.status.in_(DUE), Request.answer_by < at)
        found.append(or_(Request.first_answered_at > promised, is_late))
    if filters.call:
        called = select(Contact.id).where(
            Contact.request_id == Request.id, Contact.kind == ContactKind.CALL.value
        )
        if filters.call != ANY:
            called = called.where(Contact.outcome == filters.call)
        found.append(called.exists())
    return found


def lead(filters: Any) -> str:
    """Which column leads a long list into its index: the one that keeps it shortest."""
    return "owner" if filters.owner not in ("", AWAY) else "verdict" if filters.verdict else "status"


def led(filters: Any) -> Any:
    """The same with that column and the days alone: all else is looked at row by row."""
    kept = {"status": "all", "owner": "", "verdict": "", lead(filters): getattr(filters, lead(filters))}
    if kept["status"] == "real":
        kept["status"] = "all"
    return replace(filters, kind="", topic="", promise="", call="", **kept)


def is_indexed(filters: Any) -> bool:
    """Whether an index holds all that narrows it."""
    return not (filters.topic or filters.promise or filters.call)


def told(filters: Any) -> dict[str, str]:
    """Each part that is there, in words."""
    words = {
        "since": f"Received from {filters.since}",
        "until": f"Received to {filters.until}",
        "topic": f"Topic: {TOPIC_LABELS[Topic(filters.topic)] if filters.topic else ''}",
        "promise": PROMISES.get(filters.promise, ""),
        "call": f"Call: {CALLS.get(filters.call, '')}",
    }
    return {name: said for name, said in words.items() if getattr(filters, name)}


def midnight(on: date) -> datetime:
    """When a day of the pharmacy begins."""
    return datetime.combine(on, time(), settings().ORG.timezone).astimezone(UTC)
