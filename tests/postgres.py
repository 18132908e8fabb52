"""`make test-postgres`: the suite on a PostgreSQL of its own, started for it and ended with it.

Needs Debian's packages (postgresql); where they cannot be had it says so and ends with status 0.
Set DATABASE_URL to use a server that runs already.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import psycopg

from tests.live import ROOT, free_port

MARKERS = "not browser and (not kill or postgres)"  # the others start the portal on SQLite, as it is shipped


def main() -> int:
    """Start, test, stop."""
    if os.environ.get("DATABASE_URL"):
        return suite(os.environ["DATABASE_URL"])
    tools = binaries()
    if tools is None and os.geteuid() == 0 and shutil.which("apt-get"):
        subprocess.run(["apt-get", "update", "-qq"], check=False)
        subprocess.run(["apt-get", "install", "-y", "-qq", "postgresql"], check=False)
        tools = binaries()
    if tools is None:
        sys.stdout.write("no PostgreSQL here (Debian's package postgresql): nothing was run\n")
        return 0
    with tempfile.TemporaryDirectory() as name:
        return with_server(tools, Path(name))


def binaries() -> Path | None:
    """Where Debian keeps initdb and postgres."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent if found else None


class Server:
    """A throw-away server on loopback, run by an ordinary user: PostgreSQL refuses root."""

    def __init__(
        self, tools: Path, folder: Path, *, commits: str = "off", follows: Server | None = None
    ) -> None:
        self.tools, self.folder, self.port, self.commits = tools, folder, free_port(), commits
        self.user: str | None = None
        if os.geteuid() == 0:
            self.user = "postgres"
            os.chown(folder, pwd.getpwnam(self.user).pw_uid, -1)
        self.url = f"postgresql+psycopg://portal@127.0.0.1:{self.port}/postgres"
        if follows is None:
            self._run("initdb", "-D", self._data, "-A", "trust", "-U", "portal", "-E", "UTF8", "--no-sync")
        else:
            source = f"host=127.0.0.1 port={follows.port} user=portal"
            self._run("pg_basebackup", "-D", self._data, "-d", source, "-R", "-c", "fast", "--no-sync")
        self.start()

    def start(self) -> None:
        """Start it, without the syncs that only a machine which loses its power needs."""
        settings = (
            *("listen_addresses=127.0.0.1", f"unix_socket_directories={self.folder}", "max_connections=60"),
            *("fsync=off", f"synchronous_commit={self.commits}", "full_page_writes=off"),  # it is thrown away
        )
        options = " ".join((f"-p {self.port}", *(f"-c {setting}" for setting in settings)))
        self._run("pg_ctl", "-D", self._data, "-w", "-l", str(self.folder / "log"), "-o", options, "start")

    def stop(self, how: str = "immediate") -> None:
        """Stop it: `immediate` ends all without a word, as a crash does."""
        self._run("pg_ctl", "-D", self._data, "-m", how, "stop")

    def promote(self) -> None:
        """Follow no more, and take writes."""
        self._run("pg_ctl", "-D", self._data, "-w", "promote")

    def waits_for_its_stand_by(self) -> None:
        """From now on say that something is written when the stand-by has it too."""
        with psycopg.connect(self.url.replace("+psycopg", ""), autocommit=True) as database:
            database.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
            database.execute("SELECT pg_reload_conf()")

    @property
    def _data(self) -> str:
        return str(self.folder / "data")

    def _run(self, program: str, *words: str) -> None:
        command = [str(self.tools / program), *words]
        subprocess.run(command, user=self.user, check=True, stdout=subprocess.DEVNULL, cwd=self.folder)


def with_server(tools: Path, folder: Path) -> int:
    """The suite on a server of its own."""
    server = Server(tools, folder)
    try:
        return suite(server.url)
    finally:
        server.stop()


def suite(url: str) -> int:
    """All tests that do not start a portal of their own, or of them those in the files that are named."""
    words = sys.argv[1:]
    files = [] if any((ROOT / word.partition("::")[0]).exists() for word in words) else ["tests"]
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-n",
        "2",
        "--dist",
        "loadgroup",
        "-m",
        MARKERS,
        *words,
        *files,
    ]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, "DATABASE_URL": url}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
