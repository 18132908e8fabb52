"""`make bench`: the portal against bare Flask, bare WSGI and bare SQLite, as medians and ratios of one run.

Load comes from wrk (Debian's package) on loopback. Every figure is the median of ROUNDS short runs, taken in turn, so
that a slow minute of the machine falls on all alike; and each round has new processes, since one with bad luck with
its place in memory stays so. Beside what came through in a second stands the processor time that the server spent on
one request, which the load's own share of the cores does not disturb.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import re
import shutil
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from portal import serve, tokens
from portal.newsletter import consent
from tests.journeys.test_kill import Sink, kill_rounds
from tests.live import ROOT, STARTS_WITHIN, Browserless, Live, free_port

ROUNDS = 5
SECONDS = 3
CONNECTIONS = 16
SIGN_UPS = 60_000
KILL_ROUNDS = 60
NAIVE_AGAINST_HELLO = 259 / 8000  # the simple way, as it was measured where hello is 8,000/s
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
    """One WSGI callable on the same server with the same settings."""

    def __init__(self, target: str, **env: str) -> None:
        self.port = free_port()
        self.command = [*serve.web_command("127.0.0.1", self.port, 1)[:-1], target]
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


def prepare_sign_ups(live: Live, folder: Path) -> tuple[Path, str]:
    """Many filled forms, each with its own token and place, as visitors would hold them."""
    visitor = Browserless(live.port, "10.9.9.9")
    csrf = visitor.hidden("/newsletter")["csrf_token"]
    key, at = live.env["SECRET_KEY"], time.time() - 60
    purpose = f"signup/{consent.current('en').name}"
    posts = folder / "posts.txt"
    with posts.open("w") as file:
        for number in range(SIGN_UPS):
            body = {
                "csrf_token": csrf,
                "form_token": tokens.stamp(key, purpose, at=at),
                "email": f"visitor{number}@clinic.example",
                "topics": "news",
                "language": "en",
            }
            file.write(f"10.{number // 250}.{number % 250}.7 {urlencode(body)}\n")
    return posts, visitor.cookie


def memory(live: Live) -> dict[str, float]:
    """MiB of proportional set size of each process, with its children."""
    return {
        name: sum(_pss(pid) for pid in _with_children(process)) / 1024
        for name, process in live.processes.items()
    }


def _with_children(process: subprocess.Popen[bytes]) -> list[int]:
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    return [process.pid, *map(int, children.split())]


def _worked(process: subprocess.Popen[bytes]) -> float:
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


def in_turn(measures: dict[str, Callable[[], Figure]], renew: Callable[[], None]) -> dict[str, Figure]:
    """The median of each, all measured in turn, with new processes for each round."""
    figures: dict[str, list[Figure]] = {name: [] for name in measures}
    for number in range(ROUNDS):
        if number:
            renew()
        for name, measure in measures.items():
            figures[name].append(measure())
    return {
        name: Figure(statistics.median(f.rate for f in found), statistics.median(f.cost for f in found))
        for name, found in figures.items()
    }


def main() -> None:
    """Measure and print."""
    if not shutil.which("wrk"):
        sys.exit("make bench needs wrk: apt-get install wrk")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        live = Live(folder / "instance", TRUSTED_PROXIES="1").migrate()
        try:
            run(live, folder)
        finally:
            live.stop()
        if "--quick" not in sys.argv:
            kills(folder)


def run(live: Live, folder: Path) -> None:
    """All that needs one portal."""
    starts = statistics.median(cold_start(live) for _ in range(3))
    live.start_web()
    live.start_worker()
    time.sleep(2)
    at_rest = memory(live)
    live.kill("worker")
    gate = {"Cookie": "professional=yes"}
    visitor = Browserless(live.port, "10.9.9.8")
    visitor.cookie = gate["Cookie"]
    page = visitor.ask("GET", "/prescribers")
    assert page.status == 200, page.text[:300]
    body = folder / "page.html"
    body.write_bytes(page.body)
    first_visit = _first_visit(visitor, page.text)
    hello = Yardstick("bench.hello:flask_hello")
    bare = Yardstick("bench.hello:bare", BENCH_BODY=str(body))
    sent = [[name, value] for name, value in page.headers.items() if name not in ("date", "server")]
    weighed = Yardstick("bench.hello:bare_with_headers", BENCH_BODY=str(body), BENCH_HEADERS=json.dumps(sent))
    naive = Yardstick("bench.naive:app", BENCH_NAIVE_DB=f"sqlite:///{folder / 'naive.db'}")
    yardsticks = (hello, bare, weighed, naive)
    posts, cookie = prepare_sign_ups(live, folder)
    naive_posts, naive_cookie = _naive_posts(naive, folder)
    script = folder / "post.lua"
    script.write_text(LUA)
    bad: list[int] = []

    def get(server: Yardstick | Live, path: str = "", **headers: str) -> Figure:
        process, url = _served(server)
        wrk(url + path, seconds=1, **headers)  # what is made at the first visit is made
        before = _worked(process)
        rate, wrong = wrk(url + path, **headers)
        assert not wrong, f"{wrong} answers of {url}{path} are not what was asked for"
        return Figure(rate, (_worked(process) - before) / (rate * SECONDS) * 1e6)

    def post(server: Yardstick | Live, path: str, posts: Path, cookie: str) -> Figure:
        # Each run goes on where a fresh token is: the same token twice would be the cheap, idempotent answer.
        process, url = _served(server)
        env = {"BENCH_POSTS": str(_slice(posts)), "BENCH_COOKIE": cookie}
        before = _worked(process)
        rate, wrong = wrk(url + path, script=script, env=env)
        bad.append(wrong)
        return Figure(rate, (_worked(process) - before) / (rate * SECONDS) * 1e6)

    def renew() -> None:
        live.kill("web")
        live.start_web()
        for yardstick in yardsticks:
            yardstick.stop()
            yardstick.start()

    try:
        figures = in_turn(
            {
                "Flask hello": lambda: get(hello),
                "bare WSGI, the page's body": lambda: get(bare, **gate),
                "bare WSGI, as many bytes": lambda: get(weighed, **gate),
                "resource page": lambda: get(live, "prescribers", **gate),
                "resource page, brotli": lambda: get(live, "prescribers", Accept_Encoding="br", **gate),
                "resource page, 304": lambda: get(
                    live, "prescribers", If_None_Match=page.headers["etag"], **gate
                ),
                "sign-up form page": lambda: get(live, "newsletter"),
                "raw SQLite commits": lambda: Figure(raw_commits(folder, 1.0)),
                "sign-up, simple Flask + ORM": lambda: post(naive, "", naive_posts, naive_cookie),
                "sign-up": lambda: post(live, "newsletter", posts, cookie),
            },
            renew,
        )
    finally:
        for yardstick in yardsticks:
            yardstick.stop()
    report(figures, starts, at_rest, first_visit, sum(bad), len(page.body))


def _served(server: Yardstick | Live) -> tuple[subprocess.Popen[bytes], str]:
    """The process to watch, and the address to ask."""
    if isinstance(server, Live):
        return server.processes["web"], f"{server.base}/"
    return server.process, server.url


def _slice(posts: Path) -> Path:
    """The next part of a file of prepared posts, in a file of its own."""
    lines = posts.read_text().splitlines(keepends=True)
    share = max(1, len(lines) // 2)
    part = posts.with_suffix(".part")
    part.write_text("".join(lines[:share]))
    posts.write_text("".join(lines[share:] or lines))
    return part


def _naive_posts(naive: Yardstick, folder: Path) -> tuple[Path, str]:
    visitor = Browserless(naive.port, "10.9.9.9")
    html = visitor.ask("GET", "/").text
    csrf = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', html)[1]  # type: ignore[index]
    posts = folder / "naive.txt"
    with posts.open("w") as file:
        for number in range(SIGN_UPS):
            body = {"csrf_token": csrf, "email": f"visitor{number}@clinic.example", "topics": "news"}
            file.write(f"10.0.0.1 {urlencode(body)}\n")
    return posts, visitor.cookie


def _first_visit(visitor: Browserless, html: str) -> tuple[int, int]:
    """Bytes over the wire (bodies, brotli) and requests of a first visit."""
    addresses = {"/prescribers", *re.findall(r'(?:href|src)="(/static/[^"]+)"', html)}
    total = 0
    for address in addresses:
        visitor.connection.request(
            "GET",
            address,
            headers={"Accept-Encoding": "br", "Cookie": visitor.cookie, "Host": f"127.0.0.1:{visitor.port}"},
        )
        total += len(visitor.connection.getresponse().read())
    return total, len(addresses)


def report(
    figures: dict[str, Figure],
    starts: float,
    at_rest: dict[str, float],
    first_visit: tuple[int, int],
    bad: int,
    page_bytes: int,
) -> None:
    """The table."""
    hello, bare = figures["Flask hello"].rate, figures["bare WSGI, as many bytes"].rate
    print(
        f"\nPython {platform.python_version()}, {os.cpu_count()} cores, {platform.machine()}; wrk -c{CONNECTIONS},"
    )
    print(
        f"median of {ROUNDS} runs of {SECONDS} s; resource page {page_bytes / 1024:.1f} KB before compression\n"
    )
    print(f"{'what':<32}{'a second':>10}{'÷ hello':>10}{'÷ bare':>10}{'µs each':>10}")
    for name, figure in figures.items():
        rate, cost = figure.rate, f"{figure.cost:,.0f}" if figure.cost else ""
        print(f"{name:<32}{rate:>10,.0f}{rate / hello:>10.2f}{rate / bare:>10.2f}{cost:>10}")
    sign_up = figures["sign-up"].rate
    against_before = sign_up / hello / NAIVE_AGAINST_HELLO
    print("µs each: processor time of the server for one request")
    print(f"\nsign-up ÷ the simple way, as measured before (0.0324 of hello): {against_before:.1f}")
    print(
        f"sign-up ÷ the simple way, in this run: {sign_up / figures['sign-up, simple Flask + ORM'].rate:.1f}"
    )
    print(f"sign-up ÷ raw durable SQLite commits: {sign_up / figures['raw SQLite commits'].rate:.2f}")
    print(f"answers to sign-ups that were not 303: {bad}")
    print(f"first visit of the resource page: {first_visit[0] / 1024:.1f} KB in {first_visit[1]} requests")
    print(f"memory at rest (PSS): {', '.join(f'{name} {mib:.0f} MiB' for name, mib in at_rest.items())}")
    print(f"cold start, command to first page: {starts:.2f} s (median of 3)")


def kills(folder: Path) -> None:
    """The long form of the kill test."""
    sink = Sink()
    sink.controller.start()
    live = Live(
        folder / "kills", TRUSTED_PROXIES="1", SMTP_URL=f"smtp://127.0.0.1:{sink.port}?tls=none"
    ).migrate()
    try:
        found = kill_rounds(live, sink, rounds=KILL_ROUNDS, seed=1)
    finally:
        live.stop()
        sink.controller.stop()
    print(
        f"kill -9, {KILL_ROUNDS} rounds: {', '.join(f'{count} {what}' for what, count in found.items())}; none lost"
    )


if __name__ == "__main__":
    main()
