"""What `flask doctor` sees of the place where the portal runs, beside the portal itself."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from portal.backup import files, generations
from portal.clock import now
from portal.ops.checks import Finding
from portal.settings import settings

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


ALL: tuple[Callable[[], Finding], ...] = (backup,)
