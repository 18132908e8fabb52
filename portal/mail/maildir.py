"""Where a mail server puts what came back (maildir): each file leaves only after its row is committed.

What nobody understands stays 30 days, for a person to read, among what was seen.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from portal.clock import now
from portal.db import transaction
from portal.jobs import NotNow
from portal.mail import dsn, returns

AT_ONCE = 200
KEPT = timedelta(days=30)
_CHUNK = 64 * 1024


def read(file: BinaryIO) -> tuple[bytes, str]:
    """A message, no more of it than is ever judged, and the digest of it all."""
    kept, digest = b"", sha256()
    while chunk := file.read(_CHUNK):
        digest.update(chunk)
        if len(kept) <= dsn.MOST_BYTES:
            kept += chunk
    return kept, digest.hexdigest()


def poll(folder: Path) -> bool:
    """Hear what is new; whether there may be more. Raises NotNow for a folder that cannot be read."""
    try:
        found = sorted(path for path in (folder / "new").iterdir() if path.is_file())
        (folder / "cur").mkdir(mode=0o700, exist_ok=True)  # who fills `new` may leave it to who reads
        for path in found[:AT_ONCE]:
            _hear(path, folder / "cur")
        for path in _old(folder / "cur"):
            path.unlink(missing_ok=True)
    except OSError as error:
        raise NotNow(f"BOUNCE_MAILDIR cannot be read: {error.strerror}") from error
    return len(found) > AT_ONCE


def _hear(path: Path, seen: Path) -> None:
    try:
        with path.open("rb") as file:
            raw, digest = read(file)
    except FileNotFoundError:
        return  # another worker was first
    with transaction():
        heard = returns.hear(raw, at=now(), digest=digest)
    if heard.kind == dsn.Kind.UNKNOWN:
        path.rename(seen / f"{path.name.partition(':')[0]}:2,S")
    else:
        path.unlink(missing_ok=True)


def _old(seen: Path) -> Iterator[Path]:
    limit = time.time() - KEPT.total_seconds()
    return (path for path in seen.iterdir() if path.is_file() and path.stat().st_mtime < limit)
