"""What `flask doctor` sees of the place where the portal runs, beside the portal itself."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from sqlalchemy.exc import SQLAlchemyError

from portal import jobs
from portal.backup import files, generations
from portal.clock import now
from portal.errors import Refused
from portal.ops.finding import Finding
from portal.seals import jobs as seals
from portal.seals import key
from portal.settings import is_loose, settings

OLD = timedelta(days=2)


def backup_age() -> timedelta | None:
    """How old the newest backup is; None when there is none."""
    found = generations.listed(files.folder_of(settings()))
    return now() - generations.made_at(found[-1]) if found else None


def backup() -> Finding:
    """There is a backup of yesterday or today."""
    age = backup_age()
    if age is None:
        said = "`flask backup create` makes one; the worker makes one each day."
        return Finding("backup", False, "there is none yet", said, serving=False, advice=True)
    hours = round(age / timedelta(hours=1))
    if age > OLD:
        remedy = "`flask backup create` says what stops it; see that `flask worker` runs (docs/backup.md)."
        return Finding("backup", False, f"the newest is {hours} hours old", remedy, serving=False)
    if not settings().BACKUP_AGE_RECIPIENT:
        remedy = "Set BACKUP_AGE_RECIPIENT: who takes the file then reads nothing (docs/backup.md)."
        said = f"the newest is {hours} hours old and not encrypted"
        return Finding("backup", False, said, remedy, serving=False, advice=True)
    return Finding("backup", True, f"the newest is {hours} hours old", serving=False)


def trail() -> Finding:
    """The audit trail is sealed, was looked through of late, and is whole."""
    try:
        found, rows = seals.last_look(), {job.name: job for job in jobs.standings()}
        keys = key.read(settings())
    except SQLAlchemyError as error:
        return Finding("audit", False, type(error).__name__, "See the check named database.", serving=False)
    except Refused as error:
        return Finding(
            "audit", False, error.message, "docs/audit.md says what the file holds.", serving=False
        )
    if is_loose(path := key.path_of(settings())):
        return Finding("audit", False, f"others can read {path.name}", f"chmod 600 {path}", serving=False)
    if found and found.fault:
        remedy = "`flask audit verify` looks again. Keep every backup; docs/audit.md says what next."
        return Finding("audit", False, found.fault, remedy, serving=False)
    sealed_at = rows[seals.SEAL].ran_at
    if found is None or sealed_at is None:
        remedy = "`flask worker` seals the trail and looks through it by itself."
        return Finding("audit", False, "not looked through yet", remedy, serving=False, advice=True)
    said = f"looked through on {found.at:%Y-%m-%d %H:%M} UTC, last sealed {sealed_at:%Y-%m-%d %H:%M} UTC"
    if now() - min(found.at, sealed_at) > OLD:
        remedy = "See that `flask worker` runs; `flask jobs list` names what stops it."
        return Finding("audit", False, said, remedy, serving=False)
    return Finding("audit", True, f"{said}, {len(keys)} key{'' if len(keys) == 1 else 's'}", serving=False)


ALL: tuple[Callable[[], Finding], ...] = (backup, trail)
