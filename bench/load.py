"""What puts load on a server and reads what that cost: wrk, the yardsticks, the figures of processes."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import sqlite3
import statistics
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.live import ROOT, STARTS_WITHIN, Live, free_port, wsgi_command

ROUNDS = 5
SECONDS = 3
CONNECTIONS = 16
LUA = """
local lines, at = {}, 0
for line in io.lines(os.getenv("BENCH_POSTS")) do lines[#lines + 1] = line end
request = function()
  at = at % #lines + 1
  local from, body = lines[at]:match("^(%S+) (.*)$")
  return wrk.format("POST", nil, {["Content-Type"] = "application/x-www-form-urlencoded",
    ["Cookie"] = os.getenv("BENCH_COOKIE"), ["X-Forwarded-For"] = from}, body)
end
threads = {}
function setup(thread) table.insert(threads, thread) end
done = function()
  local n = 0
  for _, t in ipairs(threads) do n = n + (t:get("bad") or 0) end
  print("not-303 " .. n)
end
bad = 0
response = function(status) if status ~= 303 then bad = bad + 1 end end
"""


def wrk(
    url: str,
    *,
    script: Path | None = None,
    seconds: int = SECONDS,
    env: dict[str, str] | None = None,
    **headers: str,
) -> tuple[float, int]:
    """Requests a second, and how many answers of a script were not 303."""
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s"]
    for name, value in headers.items():
        command += ["-H", f"{name.replace('_', '-')}: {value}"]
    if script:
        command += ["-s", str(script)]
    done = subprocess.run(
        [*command, url], capture_output=True, text=True, check=True, env={**os.environ, **(env or {})}
    )
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)[1])  # type: ignore[index]
    bad = re.search(r"not-303 (\d+)", done.stdout) or re.search(
        r"Non-2xx or 3xx responses: (\d+)", done.stdout
    )
    return rate, int(bad[1]) if bad else 0


@dataclass(frozen=True)
class Figure:
    """What one run showed."""

    rate: float  # a second
    cost: float = 0.0  # microseconds of the server's processor time for each


class Yardstick:
    """One WSGI callable on the same server."""

    def __init__(self, target: str, **env: str) -> None:
        self.port = free_port()
        self.command = wsgi_command(self.port, target)
        self.env = {**os.environ, **env}
        self.url = f"http://127.0.0.1:{self.port}/"
        self.start()

    def start(self) -> None:
        """Start it, and wait until it listens."""
        self.process = subprocess.Popen(self.command, cwd=ROOT, env=self.env, start_new_session=True)
        end = time.monotonic() + STARTS_WITHIN
        while time.monotonic() < end:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            time.sleep(0.05)
        raise AssertionError(f"{self.command[-1]} does not answer")

    def stop(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.wait(20)


def raw_commits(folder: Path, seconds: float) -> float:
    """Durable single-row commits a second, by the sqlite3 module alone."""
    database = sqlite3.connect(folder / f"raw-{time.time_ns()}.db", isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    database.execute("CREATE TABLE signup (id INTEGER PRIMARY KEY, token TEXT UNIQUE, address TEXT, at TEXT)")
    count, end = 0, time.perf_counter() + seconds
    while time.perf_counter() < end:
        database.execute("BEGIN IMMEDIATE")
        database.execute(
            "INSERT INTO signup (token, address, at) VALUES (?, ?, ?)", (str(count), "a@b.example", "now")
        )
        database.execute("COMMIT")
        count += 1
    database.close()
    return count / seconds


def memory(live: Live) -> dict[str, float]:
    """MiB of proportional set size of each process, with its children."""
    return {
        name: sum(_pss(pid) for pid in _with_children(process)) / 1024
        for name, process in live.processes.items()
    }


def _with_children(process: subprocess.Popen[bytes]) -> list[int]:
    found = [process.pid]
    for pid in found:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            found += map(int, (thread / "children").read_text().split())
    return found


def worked(process: subprocess.Popen[bytes]) -> float:
    """Seconds of processor time that a process and its children have spent (proc(5): utime and stime)."""
    ticks = 0
    for pid in _with_children(process):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _pss(pid: int) -> int:
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(r"^Pss:\s+(\d+)", text, re.MULTILINE)[1])  # type: ignore[index]


def cold_start(live: Live) -> float:
    """Seconds from the command to the first answered page."""
    began = time.perf_counter()
    live.start_web()
    took = time.perf_counter() - began
    live.kill("web")
    return took


def served(live: Live) -> tuple[float, float]:
    """`flask serve`: seconds from the command to the first page, and MiB of all its processes at rest (PSS)."""
    began = time.perf_counter()
    live.start_served()
    took = time.perf_counter() - began
    time.sleep(4)
    held = memory(live)["serve"]
    live.kill("serve", signal.SIGTERM)
    return took, held


def in_turn(
    measures: dict[str, Callable[[], Figure]], renew: Callable[[], None], *, rounds: int = ROUNDS
) -> dict[str, Figure]:
    """The median of each, all measured in turn, with new processes for each round."""
    figures: dict[str, list[Figure]] = {name: [] for name in measures}
    for number in range(rounds):
        if number:
            renew()
        for name, measure in measures.items():
            figures[name].append(measure())
    return {
        name: Figure(statistics.median(f.rate for f in found), statistics.median(f.cost for f in found))
        for name, found in figures.items()
    }
