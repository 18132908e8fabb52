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

from tests.live import ROOT, free_port

MARKERS = "not browser and not kill"  # those start the portal on SQLite, as it is shipped


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


def with_server(tools: Path, folder: Path) -> int:
    """A throw-away server on loopback, by an ordinary user: PostgreSQL refuses root."""
    port, data = free_port(), folder / "data"
    user: str | None = None
    if os.geteuid() == 0:
        user = "postgres"
        os.chown(folder, pwd.getpwnam(user).pw_uid, -1)
    settings = (
        *("listen_addresses=127.0.0.1", f"unix_socket_directories={folder}", "max_connections=60"),
        *("fsync=off", "synchronous_commit=off", "full_page_writes=off"),  # it is thrown away
    )
    options = " ".join((f"-p {port}", *(f"-c {setting}" for setting in settings)))
    start = [str(tools / "pg_ctl"), "-D", str(data), "-w", "-l", str(folder / "log"), "-o", options, "start"]
    steps = (
        [str(tools / "initdb"), "-D", str(data), "-A", "trust", "-U", "portal", "-E", "UTF8", "--no-sync"],
        start,
    )
    for step in steps:
        subprocess.run(step, user=user, check=True, stdout=subprocess.DEVNULL, cwd=folder)
    try:
        return suite(f"postgresql+psycopg://portal@127.0.0.1:{port}/postgres")
    finally:
        stop = [str(tools / "pg_ctl"), "-D", str(data), "-m", "immediate", "stop"]
        subprocess.run(stop, user=user, check=False, stdout=subprocess.DEVNULL, cwd=folder)


def suite(url: str) -> int:
    """All tests that do not start a portal of their own."""
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
        *sys.argv[1:],
        "tests",
    ]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, "DATABASE_URL": url}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
