"""Which backups there are, which stay, and until when: their names say when each was made."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

from portal.errors import Refused

NAME = re.compile(r"portal-(\d{8}T\d{6}Z)\.backup(\.age)?")
STAMP = "%Y%m%dT%H%M%SZ"
# The newest of each of so many days, weeks and months stays.
GENERATIONS = (("%Y-%m-%d", 7), ("%G-%V", 5), ("%Y-%m", 12))


def listed(folder: Path) -> list[Path]:
    """The backups in a folder, the oldest first."""
    return sorted(path for path in folder.glob("portal-*") if NAME.fullmatch(path.name))


def made_at(path: Path) -> datetime:
    """When it was made, as its name says."""
    found = NAME.fullmatch(path.name)
    if found is None:
        raise ValueError(path.name)
    return datetime.strptime(found[1], STAMP).replace(tzinfo=UTC)


def forget(paths: list[Path]) -> None:
    """Delete backups."""
    for path in paths:
        try:
            path.unlink()
        except OSError as error:
            raise Refused(f"{path} could not be deleted: {error.strerror}.") from error


def over(folder: Path, *, at: datetime) -> list[Path]:
    """Those that no generation keeps any more: the newest of 7 days, 5 weeks and 12 months stay."""
    paths = listed(folder)
    kept = _kept(paths, at)
    return [path for path in paths if path not in kept]


def ends_at(path: Path) -> datetime:
    """The day by which a backup has ended at the latest: as the last of its month it may stay for a year."""
    return made_at(path) + timedelta(days=366 + 31)


def _kept(paths: list[Path], at: datetime) -> set[Path]:
    kept: set[Path] = set()
    for form, count in GENERATIONS:
        newest = {made_at(path).strftime(form): path for path in paths if made_at(path) <= at}
        kept.update(list(newest.values())[-count:])
    return kept | {
        path for path in paths if made_at(path) > at
    }  # by a clock that ran ahead: a person's to judge
