"""One list of checks serves `/readyz` and `flask doctor`: each says what is wrong and what to do about it.

A fault is what keeps a promise from being kept; advice is what could be better, and no alarm.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from flask import current_app
from sqlalchemy import inspect, text, update
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from portal import jobs
from portal.clock import now
from portal.db import db, transaction
from portal.errors import Unavailable
from portal.intake import kinds
from portal.mail import lanes
from portal.ops import migrations
from portal.ops.finding import Finding
from portal.ops.pharmacy import chosen, facts, holidays
from portal.people import accounts
from portal.people.rights import Role
from portal.settings import is_loose, settings

GUIDE_SECONDS = 90.0  # longer than the press may take
LATE_MAIL = timedelta(minutes=15)
RESTING = 20  # that one line names
RESTORE = "If this portal ran before, restore its last backup (docs/runbook.md)."
NEEDED = {Role.PHARMACIST: "consultations stay unanswered", Role.MANAGER: "nobody can be let in on a page"}
LEAST_FREE_BYTES = 256 * 1024 * 1024


def database() -> Finding:
    """The database answers and can be written: a turn of the writer, taken and given back."""
    if found := _no_file():
        return Finding("database", False, *found)
    try:
        with transaction():
            db.session.execute(update(jobs.JobRow).where(jobs.JobRow.name == "").values(failures=0))
    except (Unavailable, SQLAlchemyError) as error:
        reason = _is_read_only(error.__cause__ or error) or type(error).__name__
        remedy = "Pages can be read and nothing can be sent. See that DATABASE_URL names what can be written."
        return Finding("database", False, reason, remedy)
    return Finding("database", True, db.engine.dialect.name)


def _is_read_only(error: BaseException) -> str:
    words = str(getattr(error, "orig", error))
    return "it is read-only, or a stand-by" if "read-only" in words or "readonly" in words else ""


def _no_file() -> tuple[str, str] | None:
    """What to say where SQLite would make a new file instead of opening the one that was meant."""
    path = Path(db.engine.url.database or "")
    if db.engine.dialect.name != "sqlite" or (path.exists() and path.stat().st_size):
        return None
    said = f"{path} is {'empty' if path.exists() else 'not there'}"
    return said, f"{RESTORE} Only the very first start makes a new one."


def integrity() -> Finding:
    """The database's pages hold together: a walk over all of it, so neither for strangers nor for every minute."""
    if db.engine.dialect.name != "sqlite":
        return Finding("integrity", True, "PostgreSQL's own to keep", serving=False)
    try:
        db.session.rollback()
        verdict = str(db.session.scalar(text("PRAGMA quick_check(1)")))
    except SQLAlchemyError as error:
        verdict = type(error).__name__
    if verdict != "ok":
        return Finding(
            "integrity", False, verdict, "Restore the last backup (docs/runbook.md).", serving=False
        )
    return Finding("integrity", True, "every page is whole", serving=False)


def schema() -> Finding:
    """The tables are those of this version."""
    if found := _no_file():
        return Finding("schema", False, *found)
    try:
        with db.engine.connect() as connection:
            tables = set(inspect(connection).get_table_names())
            known = "alembic_version" in tables
            current = connection.scalar(text("SELECT version_num FROM alembic_version")) if known else None
    except SQLAlchemyError as error:
        if type(error.orig if isinstance(error, DBAPIError) else error) is sqlite3.DatabaseError:
            return Finding("schema", False, "the file is no database, or is damaged", RESTORE)
        return Finding(
            "schema", False, type(error).__name__, "See that DATABASE_URL is right and can be reached."
        )
    tables -= {"alembic_version"}
    if current == migrations.head():
        return Finding("schema", True, f"at {current}")
    remedy = "Run `flask db upgrade`."
    if current is None and tables and not tables & db.metadata.tables.keys():
        return Finding(
            "schema", False, "the database is another program's", "See that DATABASE_URL is right."
        )
    if current is None and not tables:
        return Finding(
            "schema", False, "the database has no tables", f"{RESTORE} Only the very first start makes them."
        )
    if current and current not in migrations.revisions():
        remedy = "It is of a newer version: start that one, or let it go back first (docs/runbook.md)."
    return Finding("schema", False, f"at {current}", remedy)


def disk() -> Finding:
    """There is room to write."""
    free = shutil.disk_usage(_existing(settings().INSTANCE_DIR)).free
    if free < LEAST_FREE_BYTES:
        return Finding(
            "disk", False, f"{free >> 20} MiB free", "Make room on the disk that holds INSTANCE_DIR."
        )
    return Finding("disk", True, f"{free >> 20} MiB free")


def instance() -> Finding:
    """Only we may read what is kept, and the settings."""
    folder: Path = settings().INSTANCE_DIR
    key = settings().DKIM_KEY_FILE
    ours = (settings().ENV_FILE, *([key] if key else []), folder, *sorted(folder.glob("*")))
    loose = [path for path in ours if is_loose(path)]
    if loose:
        names = ", ".join(path.name for path in loose[:RESTING])
        return Finding("instance", False, f"others can read {names}", "chmod go= on each.", serving=False)
    if not os.access(_existing(folder), os.W_OK):
        return Finding(
            "instance", False, "not writable", "Give INSTANCE_DIR to the user that runs the portal."
        )
    return Finding("instance", True, "readable by us alone", serving=False)


def mail() -> Finding:
    """Mail goes out."""
    try:
        counts, oldest, faulty = lanes.counts(), lanes.oldest_due(now() - LATE_MAIL), lanes.resting(RESTING)
        refused = lanes.refused_by_policy()
    except SQLAlchemyError as error:
        return Finding("mail", False, type(error).__name__, "See the check named database.", serving=False)
    words = ", ".join(f"{count} {state}" for state, count in counts.items() if count) or "none yet"
    if oldest is not None:
        remedy = "See that `flask worker` runs and SMTP_URL is right."
        return Finding(
            "mail", False, f"{words}; the oldest waits since {oldest:%Y-%m-%d %H:%M} UTC", remedy, False
        )
    if faulty:
        remedy = (
            "Their letters are of another version, or faulty: they go as soon as a version runs that can."
        )
        names = ", ".join(sorted({f"{row.message} ({row.last_error})" for row in faulty}))
        return Finding("mail", False, f"{words}; cannot be written: {names}", remedy, serving=False)
    if refused:
        said = "; ".join(f"{row.count} wait: {row.last_error}" for row in refused)
        remedy = (
            "The server refuses what we are, not who gets it: see SMTP_URL, MAIL_FROM, and SPF of its domain."
        )
        return Finding("mail", False, f"{words}; {said}", remedy, serving=False)
    if counts["dead"]:
        remedy = "`flask mail dead` says why each was given up; mend that, then `flask mail revive --all`."
        return Finding("mail", False, words, remedy, serving=False)
    return Finding("mail", True, words, serving=False)


def work() -> Finding:
    """Every job of the worker runs."""
    try:
        ill = [job for job in jobs.standings() if not job.is_well]
    except SQLAlchemyError as error:
        return Finding("jobs", False, type(error).__name__, "See the check named database.", serving=False)
    known = [job for job in ill if job.label]
    strange = [f"{job.name} is not of this version and rests" for job in ill if not job.label]
    said = "; ".join(
        [
            f"{job.name} failed {job.failures} times ({job.last_error})"
            if job.failures
            else f"{job.name} waits ({job.last_error})"
            for job in known
        ]
        + strange
    )
    if known:
        remedy = "`flask jobs run NAME` tries one now; the log says where it failed."
        return Finding("jobs", False, said, remedy, serving=False)
    if strange:
        remedy = "Nothing to do here: it goes on when the version that knows it runs."
        return Finding("jobs", False, said, remedy, serving=False, advice=True)
    return Finding("jobs", True, f"{len(list(jobs.JOBS))} kinds, all well", serving=False)


def requests() -> Finding:
    """Every request is of a kind and a status that this version knows."""
    try:
        found = kinds.strangers(RESTING + 1)
    except SQLAlchemyError as error:
        return Finding(
            "requests", False, type(error).__name__, "See the check named database.", serving=False
        )
    if found:
        said = ", ".join(found[:RESTING]) + (" and more" if len(found) > RESTING else "")
        remedy = "They rest until a version runs that knows their kind and status."
        return Finding("requests", False, f"not of this version: {said}", remedy, serving=False)
    return Finding("requests", True, "all of known kinds", serving=False)


def staff() -> Finding:
    """Somebody can sign in; and advice, where nobody has a role without which work stays undone."""
    try:
        found, held = accounts.has_staff(), accounts.roles_held()
    except SQLAlchemyError as error:
        return Finding("staff", False, type(error).__name__, "See the check named database.", serving=False)
    if not found:
        remedy = "Run `flask staff invite EMAIL --role manager`."
        return Finding("staff", False, "nobody can sign in", remedy, serving=False)
    if lacking := [role for role in NEEDED if role not in held]:
        said = "; ".join(f"nobody is a {role}: {NEEDED[role]}" for role in lacking)
        roles = " ".join(f"--role {role}" for role in lacking)
        remedy = f"Run `flask staff invite EMAIL {roles}`; `flask staff roles` gives an account several."
        return Finding("staff", False, said, remedy, serving=False, advice=True)
    return Finding("staff", True, "there are accounts", serving=False)


def content() -> Finding:
    """What waits for a person's signature, or for the next one."""
    shelf, waiting = current_app.extensions["shelf"], dict[str, list[str]]()
    texts = shelf.look()
    try:
        left = {one.page.path: f"{one.page.path} ({one.said})" for one in shelf.standings()}
    except DBAPIError:
        left = {}  # another line says what ails the database
    for page in texts.unsigned():
        waiting.setdefault(page.waits_for, []).append(left.get(page.path, page.path))
    for page in texts.overdue(now().astimezone(settings().ORG.timezone).date()):
        waiting.setdefault("past its next review", []).append(page.path)
    if waiting:
        said = "; ".join(f"{whom}: {', '.join(paths)}" for whom, paths in sorted(waiting.items()))
        remedy = "Have each read and signed under /staff/texts (docs/content.md)."
        return Finding("content", False, said, remedy, serving=False, advice=True)
    return Finding("content", True, "all reviewed", serving=False)


def guide() -> Finding:
    """The prescribers' guide is there, or can be made now."""
    made, texts = current_app.extensions["guide"], current_app.extensions["library"]
    printed = made.printed(texts, wait=GUIDE_SECONDS)
    if printed is None:
        remedy = (
            "Install requirements.txt again (it holds Typst); a fault of a text is named here with its file."
        )
        return Finding("guide", False, made.fault or "still being made", remedy, serving=False)
    return Finding("guide", True, printed.facts, serving=False)


def processes() -> Finding:
    """Rate limits are shared by all who serve."""
    config = settings()
    if config.WEB_WORKERS > 1 and not config.REDIS_URL:
        said = f"{config.WEB_WORKERS} processes count apart"
        return Finding("limits", False, said, "Set REDIS_URL.", serving=False, advice=True)
    if not current_app.extensions["throttle"].is_whole():
        said, remedy = (
            "Redis does not answer: each process counts by itself",
            "Start Redis, or mend REDIS_URL.",
        )
        return Finding("limits", False, said, remedy, serving=False)
    return Finding("limits", True, "counted in one place", serving=False)


TOLD = (processes,)  # by /readyz too, though the portal serves without
SERVING: tuple[Callable[[], Finding], ...] = (database, schema, disk)
ALL = (
    *SERVING,
    integrity,
    instance,
    mail,
    work,
    requests,
    staff,
    chosen,
    holidays,
    facts,
    content,
    processes,
    guide,
)


def _existing(path: Path) -> Path:
    return path if path.exists() else _existing(path.parent)
