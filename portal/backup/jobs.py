"""The backup of each day, its generations, and its way off the machine."""

from __future__ import annotations

import shlex
import subprocess
from datetime import timedelta
from pathlib import Path

from portal.backup import files, generations
from portal.clock import now
from portal.errors import Refused
from portal.jobs import Hand, Job, NotNow
from portal.settings import Settings, settings

EVERY = timedelta(days=1)
OFFSITE_SECONDS = 20 * 60


def create(config: Settings, folder: Path) -> Path:
    """Make a backup, send it off, and let go of what no generation keeps. Raises Refused.

    One that could not be sent off is kept all the same, and it is said.
    """
    made = files.make(config, folder, at=now())
    generations.forget(generations.over(folder, at=now()))
    if config.BACKUP_COMMAND:
        _send_off([*shlex.split(config.BACKUP_COMMAND), str(made)])
    return made


def _send_off(command: list[str]) -> None:
    try:
        done = subprocess.run(command, timeout=OFFSITE_SECONDS, stdout=subprocess.DEVNULL, check=False)  # noqa: S603 - the operator's own
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Refused(f"The backup is good, but BACKUP_COMMAND failed: {type(error).__name__}.") from error
    if done.returncode:
        raise Refused(f"The backup is good, but BACKUP_COMMAND ended with {done.returncode}.")


def _has_the_days(folder: Path) -> bool:
    """Whether one was made of late, by whomever."""
    return any(abs(now() - generations.made_at(path)) < EVERY * 0.8 for path in generations.listed(folder))


def _daily(_hand: Hand) -> bool:
    config = settings()
    if not _has_the_days(files.folder_of(config)):
        try:
            create(config, files.folder_of(config))
        except Refused as error:
            raise NotNow(error.message) from error
    return False


JOBS = (
    Job(
        name="backup.daily",
        label="The backup of the day",
        step=_daily,
        every=EVERY,
        within=timedelta(minutes=30),
    ),
)
