"""Files that are there whole, or not at all, whenever the power goes.

A rename keeps half a file from being seen by a process; only a sync keeps it from being seen after a power cut, when
a file may have its name and none of its bytes.
"""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path


def sync(path: Path) -> None:
    """Have the disk keep a file, or the names in a folder."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def keep(path: Path, body: bytes, *, lasting: bool = True) -> None:
    """Put these bytes in the place of what is there, for the owner alone. Raises OSError, and leaves what was.

    What is not `lasting` is whole for every process, but a power cut may spoil it.
    """
    aside = _aside(path, body, lasting=lasting)
    try:
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
    if lasting:
        sync(path.parent)


def keep_first(path: Path, body: bytes) -> None:
    """The same, unless there is a file already: of several who come at once, one wins. Raises OSError."""
    aside = _aside(path, body)
    try:
        with suppress(FileExistsError):
            os.link(aside, path)
    finally:
        aside.unlink(missing_ok=True)
    sync(path.parent)


def _aside(path: Path, body: bytes, *, lasting: bool = True) -> Path:
    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(body)
            file.flush()
            if lasting:
                os.fsync(file.fileno())
    except OSError:
        aside.unlink(missing_ok=True)
        raise
    return aside
