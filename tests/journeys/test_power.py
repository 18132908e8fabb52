"""The power goes: what was accepted is on the disk. An ext4 on a loop device is shut down without a flush."""

from __future__ import annotations

import fcntl
import os
import random
import shutil
import sqlite3
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.figures import Figure, amount
from tests.journeys.rounds import Sink, Tally
from tests.journeys.test_kill import held_in_the_file
from tests.live import Live, until

pytestmark = [pytest.mark.kill, pytest.mark.faults, pytest.mark.slow]

CUTS = amount(1, 30)
SHUTDOWN = 2 << 30 | 4 << 16 | ord("X") << 8 | 125  # FS_IOC_SHUTDOWN of linux/fs.h
WITHOUT_FLUSH = struct.pack("I", 2)  # FS_SHUTDOWN_FLAGS_NOLOGFLUSH: what the journal has not, is gone
WRITER = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("PRAGMA journal_mode = WAL")
database.execute("PRAGMA synchronous = " + sys.argv[2])
database.execute("CREATE TABLE written (number INTEGER)")
for number in range(1_000_000):
    database.execute("INSERT INTO written VALUES (?)", (number,))
    print(number, flush=True)
"""


class Disk:
    """An ext4 whose power can be cut."""

    def __init__(self, folder: Path) -> None:
        self.image, self.mounted = folder / "disk", folder / "mounted"
        self.mounted.mkdir()
        with self.image.open("wb") as file:
            file.truncate(192 << 20)
        subprocess.run(["mkfs.ext4", "-q", str(self.image)], check=True, capture_output=True)
        self.power_on()

    def power_on(self) -> None:
        """Mount it: ext4 plays its journal back."""
        command = ["mount", "-o", "loop", str(self.image), str(self.mounted)]
        subprocess.run(command, check=True, capture_output=True)

    def cut(self) -> None:
        """From now on nothing reaches it, and what only memory had never will."""
        at = os.open(self.mounted, os.O_RDONLY)
        try:
            fcntl.ioctl(at, SHUTDOWN, WITHOUT_FLUSH)
        finally:
            os.close(at)

    def power_off(self) -> None:
        """Unmount it, once nobody has a file open there."""
        until(lambda: subprocess.run(["umount", str(self.mounted)], capture_output=True).returncode == 0)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    if os.geteuid() != 0 or not shutil.which("mkfs.ext4"):
        pytest.skip("needs root, mkfs.ext4 and a loop device")
    try:
        made = Disk(tmp_path)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no loop device can be mounted here: {error.stderr.decode().strip()}")
    yield made
    subprocess.run(["umount", "--lazy", str(made.mounted)], capture_output=True, check=False)


@pytest.mark.xdist_group("kill")
def test_what_was_accepted_is_there_after_a_power_cut(disk: Disk, sink: Sink, figure: Figure) -> None:
    live = Live(disk.mounted, warm=True, TRUSTED_PROXIES="1", SMTP_URL=sink.url).migrate()
    chance, tally = random.Random(20260115), Tally()
    try:
        start(live)
        for _ in range(CUTS):
            with tally.sending(live.port):
                time.sleep(chance.uniform(0.0, 0.12))
                tally.counts = False  # a machine without power answers nobody
                disk.cut()
                live.kill("web")
                live.kill("worker")
            disk.power_off()
            disk.power_on()
            start(live)
            tally.counts = True
            tally.settle()
        held_in_the_file(live, sink, tally, cuts=CUTS)
    finally:
        live.stop()
    figure("power cuts", CUTS, f"{len(tally.accepted)} requests, nothing lost", how="sum")


def start(live: Live) -> None:
    live.start_web(wait=False)
    live.start_worker()
    live.wait_until_up()


@pytest.mark.parametrize(("synchronous", "loses"), [("FULL", False), ("NORMAL", True)])
def test_a_cut_takes_what_was_not_synced(disk: Disk, synchronous: str, loses: bool) -> None:
    """The control: with one pragma less than ours the same cut loses, so that this would be seen."""
    file = disk.mounted / "control.db"
    command = [sys.executable, "-c", WRITER, str(file), synchronous]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as writer:
        assert writer.stdout is not None
        acknowledged = [int(writer.stdout.readline()) for _ in range(50)]
        disk.cut()
        writer.stdout.read()
        writer.wait(20)
    disk.power_off()
    disk.power_on()

    with closing(sqlite3.connect(file)) as database:
        tables = database.execute("SELECT count(*) FROM sqlite_master WHERE name = 'written'").fetchone()[0]
        kept = database.execute("SELECT count(*) FROM written").fetchone()[0] if tables else 0
    assert (kept < len(acknowledged)) is loses
