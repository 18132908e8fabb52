"""What a manager changes without a deploy: hours, holidays, promise, and what is offered; each save is a version.

The environment gives the first values. What a manager has saved holds from then on, until a version without it is put
back. A version is the whole of what is saved, as JSON by name; `laid_over` is the one place where it meets the
settings, and the same functions judge it that judge the environment. Every process looks at the newest number at most
once a second and never within a request's own work (decision 0059).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from flask import Flask, current_app
from sqlalchemy import JSON, String, Table, func, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Mapped, mapped_column

from portal import audit
from portal.audit import Actor
from portal.db import Base, UTCDateTime, db, insert_new
from portal.errors import Conflict, NotFound, Refused
from portal.intake.catalogue import CATALOGUE
from portal.intake.kinds import ROOM_KINDS
from portal.intake.models import TOPIC_LABELS
from portal.keeping import Kept
from portal.organisation import Organisation, parse_holidays, parse_hours, spell_hours
from portal.settings import Settings, settings

log = logging.getLogger(__name__)

LOOK_EVERY = 1.0  # seconds
MOST_DAYS = 10  # of the promise
HOURS, HOLIDAYS, ANSWER_DAYS, MATERIALS, TOPICS = "hours", "holidays", "answer_days", "materials", "topics"
NAMES = (HOURS, HOLIDAYS, ANSWER_DAYS, MATERIALS, TOPICS)
LABELS = {
    HOURS: "Opening hours",
    HOLIDAYS: "Holidays",
    ANSWER_DAYS: "Promise",
    MATERIALS: "Materials",
    TOPICS: "Topics",
}
FROM = {
    HOURS: "ORG_HOURS",
    HOLIDAYS: "ORG_HOLIDAYS",
}  # where a first value stands, if it is in the environment
NO_HOURS = "Enter the opening hours: the promise counts them"
BAD_DAYS = f"Enter a whole number of business days, from 1 to {MOST_DAYS}"
OFFER_ONE = "Leave at least one on the list"
CHANGED = (
    "Somebody saved other settings while you had this page open. Look at theirs, then save yours again. "
    "What you entered is still here."
)
NO_SUCH_VERSION = "There is no such version of the settings."
OFFERS = {
    MATERIALS: tuple(material.slug for material in CATALOGUE),
    TOPICS: tuple(topic.value for topic in TOPIC_LABELS),
}

Values = Mapping[str, Any]


class OfficeVersion(Base):
    """All that was saved, as one save left it. Never changed; the one with the highest number holds."""

    __tablename__ = "office_version"

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(UTCDateTime)
    by_name: Mapped[str] = mapped_column(String(200))
    what: Mapped[str] = mapped_column(String(200))  # the names that this save changed
    values: Mapped[dict[str, Any]] = mapped_column(JSON)


_VERSIONS = cast(Table, OfficeVersion.__table__)
_NEWEST = select(func.max(OfficeVersion.id))


@dataclass(frozen=True)
class Seen:
    """The number that a form carries."""

    version: int


def laid_over(org: Organisation, values: Values) -> Organisation:
    """The pharmacy as the environment has it, with what is saved in place of it. Raises Refused for what is no value.

    What is withheld is kept rather than what is offered, so what a new release adds is offered by itself.
    """
    found: dict[str, Any] = {}
    if HOURS in values:
        found["hours"] = _read(parse_hours, values[HOURS], HOURS)
    if HOLIDAYS in values:
        found["holidays"] = _read(parse_holidays, values[HOLIDAYS], HOLIDAYS)
    if ANSWER_DAYS in values:
        days = values[ANSWER_DAYS]
        if any(type(each) is not int or not 1 <= each <= MOST_DAYS for each in days.values()):
            raise Refused(BAD_DAYS, field=ANSWER_DAYS)
        found["answer_days"] = tuple(sorted(days.items()))
    for name, words in OFFERS.items():
        if set(words) <= set(values.get(name, ())):
            raise Refused(OFFER_ONE, field=name)
    found["withheld"] = frozenset(values.get(MATERIALS, ())) | frozenset(values.get(TOPICS, ()))
    return replace(org, **found)


def _read(parse: Callable[[str], Any], text: str, name: str) -> Any:
    try:
        return parse(text)
    except ValueError as fault:
        raise Refused(str(fault), field=name) from None


def now_held(org: Organisation) -> dict[str, Any]:
    """What holds for the pharmacy, by name, as it would be saved."""
    return {
        HOURS: spell_hours(org.hours),
        HOLIDAYS: ", ".join(sorted(day.isoformat() for day in org.holidays)),
        ANSWER_DAYS: {
            str(kind.word): org.days_to_answer(kind.word, kind.business_days) for kind in ROOM_KINDS
        },
        **{name: [word for word in words if word in org.withheld] for name, words in OFFERS.items()},
    }


def newest() -> OfficeVersion | None:
    """The version that holds; None before anybody saved one."""
    return db.session.scalar(select(OfficeVersion).order_by(OfficeVersion.id.desc()).limit(1))


def versions() -> Sequence[OfficeVersion]:
    """All of them, the newest first."""
    return db.session.scalars(select(OfficeVersion).order_by(OfficeVersion.id.desc())).all()


def get(number: int) -> OfficeVersion:
    """One of them; raises NotFound."""
    if (found := db.session.get(OfficeVersion, number)) is None:
        raise NotFound(NO_SUCH_VERSION)
    return found


def of_the_environment() -> Organisation:
    """The pharmacy as the settings of the machine have it."""
    return _desk().first.ORG


def told() -> str:
    """Which values a manager has saved and which the environment says, in a line."""
    last = newest()
    saved = last.values if last else {}
    said = [f"{LABELS[name].lower()} saved" for name in NAMES if name in saved]
    said += [f"{where} of the environment" for name, where in FROM.items() if name not in saved]
    if last:
        said.append(f"version {last.id} by {last.by_name}, {last.at:%Y-%m-%d}")
    return ", ".join(said)


def save(typed: Values, *, seen: int, by: Actor, at: datetime) -> OfficeVersion | None:
    """Keep what differs from what holds, as a version; None where nothing does. `seen` is what it was typed over.

    Raises Refused, naming the field, and Conflict where somebody saved since.
    """
    last = newest()
    values = dict(last.values) if last else {}
    first = of_the_environment()
    held = now_held(laid_over(first, values))
    if settings().is_production and not parse_or_none(typed[HOURS]):
        raise Refused(NO_HOURS, field=HOURS)
    meant = now_held(laid_over(first, typed))
    changed = [name for name in NAMES if meant[name] != held[name]]
    if seen != (last.id if last else 0):
        raise Conflict(CHANGED)
    if not changed:
        return None
    made = _add(last, {**values, **{name: meant[name] for name in changed}}, changed, by=by, at=at)
    audit.record(by, "settings.saved", f"settings:{made.id}", at=at, detail=made.what)
    return made


def put_back(number: int, *, seen: int, by: Actor, at: datetime) -> OfficeVersion:
    """Let an earlier version hold again, as a new one; 0 is what the environment says. Raises Refused, Conflict."""
    values = dict(get(number).values) if number else {}
    laid_over(of_the_environment(), values)  # today's rules judge it too
    last = newest()
    if last is None or seen != last.id or number >= last.id:
        raise Conflict(CHANGED)
    changed = [name for name in NAMES if values.get(name) != last.values.get(name)]
    made = _add(last, values, changed, by=by, at=at)
    audit.record(
        by, "settings.put-back", f"settings:{made.id}", at=at, detail=f"version {number}: {made.what}"
    )
    return made


def _add(
    last: OfficeVersion | None, values: Values, changed: Iterable[str], *, by: Actor, at: datetime
) -> OfficeVersion:
    number, what = (last.id if last else 0) + 1, ", ".join(changed)
    row = {"id": number, "at": at, "by_name": by.name, "what": what, "values": dict(values)}
    if db.session.execute(insert_new(_VERSIONS).values(**row)).scalar() is None:
        raise Conflict(CHANGED)  # another was first by a hair
    return OfficeVersion(**row)


def parse_or_none(hours: str) -> object:
    """The hours, or None where the text holds none or is not understood: other words say that."""
    try:
        return parse_hours(hours) or None
    except ValueError:
        return True


@dataclass
class Office:
    """What one process knows of the saved settings: `keep_up` looks, at most once a second, and lays them over."""

    first: Settings
    faces: tuple[Flask, ...]  # the public one first, which has the documents to print

    def __post_init__(self) -> None:
        self.number = 0  # of the version that holds here; 0: the environment
        self._next_look, self._lock, self._is_away = 0.0, threading.Lock(), False

    def keep_up(self) -> int:
        """Look if it is time; returns the number of the version that holds here."""
        if time.monotonic() >= self._next_look:
            self.look()
        return self.number

    def look(self) -> int:
        """Look now. A database that is away leaves what was seen last."""
        with self._lock:
            self._next_look = time.monotonic() + LOOK_EVERY
            try:
                self._look()
            except (DBAPIError, Refused) as error:
                if not self._is_away:
                    log.warning("the saved settings cannot be read", extra={"reason": type(error).__name__})
                self._is_away = True
            else:
                self._is_away = False
            return self.number

    def _look(self) -> None:
        file = db_file(self.first)
        if file is not None and not file.exists():
            return  # to look would make it
        with self.faces[0].app_context(), db.engine.connect() as connection:
            number = connection.scalar(_NEWEST) or 0
            if number == self.number:
                return
            query = select(_VERSIONS.c["values"]).where(_VERSIONS.c.id == number)
            self.hold(number, connection.scalar(query) or {})

    def hold(self, number: int, values: Values) -> None:
        """Let these values hold in this process."""
        org = laid_over(self.first.ORG, values)
        for face in self.faces:
            face.extensions["settings"] = replace(face.extensions["settings"], ORG=org)
        printed = self.faces[0].extensions
        for document in (printed["guide"], *printed["leaflets"].values()):
            document.tell(org)
        self.number = number


def db_file(config: Settings) -> Path | None:
    """The file of a SQLite database."""
    path = config.SQLALCHEMY_DATABASE_URI.removeprefix("sqlite:///").partition("?")[0]
    return Path(path) if config.is_sqlite and path not in ("", ":memory:") else None


def _desk() -> Office:
    found: Office = current_app.extensions["office"]
    return found


def keep_up(*, at_once: bool = False) -> None:
    """Let this process know what is saved: what works without visitors calls it, and whoever has just saved."""
    _desk().look() if at_once else _desk().keep_up()


KEPT = (
    Kept(
        table="office_version",
        personal=("by_name",),
        rule="always: what was promised, and offered, can be read later",
        hidden="the pharmacy's own settings, and who saved them",
    ),
)
