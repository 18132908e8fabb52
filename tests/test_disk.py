"""A file is there whole or not at all: the order of what is asked of the disk, and what a failure leaves."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from portal import disk

Keep = Callable[[Path, bytes], None]


@pytest.mark.parametrize("keep", [disk.keep, disk.keep_first])
def test_the_bytes_reach_the_disk_before_the_name_and_the_name_before_we_go_on(
    keep: Keep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    sync, replace, link = os.fsync, os.replace, os.link
    monkeypatch.setattr(os, "fsync", lambda handle: (asked.append("sync"), sync(handle)))
    monkeypatch.setattr(os, "replace", lambda *words: (asked.append("name"), replace(*words)))
    monkeypatch.setattr(os, "link", lambda *words: (asked.append("name"), link(*words)))

    keep(tmp_path / "file", b"whole")

    assert asked == ["sync", "name", "sync"]
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("keep", [disk.keep, disk.keep_first])
def test_a_full_disk_leaves_what_was(keep: Keep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk.keep(tmp_path / "file", b"before")

    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        keep(tmp_path / "file", b"after")

    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_bytes() == b"before"


def test_of_several_the_first_stays(tmp_path: Path) -> None:
    writers = [
        threading.Thread(target=disk.keep_first, args=(tmp_path / "file", b"%d" % n * 1000)) for n in range(8)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    body = (tmp_path / "file").read_bytes()
    disk.keep_first(tmp_path / "file", b"too late")

    assert len(body) == 1000 and len(set(body)) == 1
    assert (tmp_path / "file").read_bytes() == body
