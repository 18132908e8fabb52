"""`make bench`: the portal against bare Flask, WSGI and SQLite, and its own version 0.1.0, as ratios of one run.

Load comes from wrk (Debian's package) on loopback. Every figure is the median of ROUNDS short runs, taken in turn, so
that a slow minute of the machine falls on all alike; and each round has new processes, since one with bad luck with
its place in memory stays so. Beside what came through in a second stands the processor time that the server spent on
one request, which the load's own share of the cores does not disturb.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from urllib.parse import urlencode

from bench import aims, before, mails
from bench.load import (
    CONNECTIONS,
    LUA,
    ROUNDS,
    SECONDS,
    Figure,
    Yardstick,
    cold_start,
    in_turn,
    memory,
    raw_commits,
    served,
    worked,
    wrk,
)
from portal import tokens
from portal.newsletter import consent
from tests.journeys.rounds import Sink
from tests.journeys.test_kill import kill_rounds
from tests.live import ROOT, Browserless, Live
from tests.mta import NoServer

QUICK = "--short" in sys.argv  # one round and no kills
POSTS = 6_000 if QUICK else 60_000
LOCK_POSTS = 200
KILL_ROUNDS = 60
STAFF = 10
NAIVE_AGAINST_HELLO = 259 / 8000  # the simple way, as it was measured where hello is 8,000/s
QUESTION = "How slowly should the dose be raised in an adult who sleeps badly on 3 mg, and until when?"
CONSULTATION = {
    "name": "Ana Ruiz",
    "npi": "1234567893",
    "topics": "dosing",
    "question": QUESTION,
    "contact_method": "email",
    "confirmed": "1",
}


def prepare(live: Live, posts: Path, page: str, purpose: str, answers: dict[str, str]) -> tuple[Path, str]:
    """Many filled forms, each with its own token, address and place, as visitors would hold them."""
    visitor = Browserless(live.port, "10.9.9.9")
    csrf = visitor.hidden(page)["csrf_token"]
    key, at = live.env["SECRET_KEY"], time.time() - 60
    with posts.open("w") as file:
        for number in range(POSTS):
            body = {
                "csrf_token": csrf,
                "form_token": tokens.stamp(key, purpose, at=at),
                "email": f"visitor{number}@clinic.example",
                **answers,
            }
            file.write(f"10.{number // 250}.{number % 250}.7 {urlencode(body)}\n")
    return posts, visitor.cookie


def employ(live: Live, count: int) -> None:
    """So many members of staff who get a notice of each request, and no more."""
    with closing(sqlite3.connect(live.folder / "portal.db", timeout=20)) as database, database:
        columns = {row[1] for row in database.execute('PRAGMA table_info("user")')}
        database.execute('UPDATE "user" SET active = 0')
        for number in range(count):
            known = {
                "id": number + 1,
                "email": f"staff{number}@pharmacy.example",
                "name": f"Staff {number}",
                "role": "pharmacist",
                "roles": "pharmacist",
                "active": 1,
                "fs_uniquifier": f"{number:064}",
                "session_key": f"{number:064}",
                "created_at": "2026-01-15 18:00:00.000000",
            }
            row = {name: value for name, value in known.items() if name in columns}
            marks = ", ".join("?" for _ in row)
            database.execute(
                f'INSERT OR REPLACE INTO "user" ({", ".join(row)}) VALUES ({marks})', list(row.values())
            )


def lock_held(root: Path, python: str, staff: int) -> float:
    """Milliseconds that a consultation holds the write lock, in that checkout."""
    script = [python, str(ROOT / "bench" / "lock.py"), str(staff), str(LOCK_POSTS)]
    done = subprocess.run(script, cwd=root, stdout=subprocess.PIPE, text=True, check=True)  # faults are seen
    return float(done.stdout)


def main() -> None:
    """Measure and print."""
    if not shutil.which("wrk"):
        sys.exit("make bench needs wrk: apt-get install wrk")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        live = Live(folder / "instance", TRUSTED_PROXIES="1").migrate()
        old = Live(
            folder / "before", root=before.checkout(), python=before.python(), TRUSTED_PROXIES="1"
        ).migrate()
        try:
            run(live, old, folder)
        finally:
            live.stop()
            old.stop()
        try:
            mails.in_turn((before.checkout(), before.python()), rounds=1 if QUICK else mails.ROUNDS)
        except NoServer as why:
            print(f"mails: not measured: {why}")
        if not QUICK:
            kills(folder)


def run(live: Live, old: Live, folder: Path) -> None:
    """All that needs the two portals."""
    starts = {
        name: statistics.median(cold_start(one) for _ in range(3))
        for name, one in (("", live), ("0.1.0", old))
    }
    at_rest = {}
    for name, one in (("", live), ("0.1.0", old)):
        one.start_web()
        one.start_worker()
        time.sleep(3)
        at_rest[name] = memory(one)
        one.kill("worker")
        one.kill("web")
    wholes(live, old)
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
    script = folder / "post.lua"
    script.write_text(LUA)
    bad: list[int] = []
    sign_up = f"signup/{consent.current('en').name}"
    filled = {
        (name, what): prepare(one, folder / f"{name}-{what}.txt", path, purpose, answers)
        for name, one in (("now", live), ("old", old))
        for what, path, purpose, answers in (
            ("sign-up", "/newsletter", sign_up, {"topics": "news", "language": "en"}),
            ("consultation", "/requests/consultation", "ConsultationForm", CONSULTATION),
        )
    }
    filled["naive", "sign-up"] = _naive_posts(naive, folder)

    def get(server: Yardstick | Live, path: str = "", **headers: str) -> Figure:
        process, url = _served(server)
        wrk(url + path, seconds=1, **headers)  # what is made at the first visit is made
        spent = worked(process)
        rate, wrong = wrk(url + path, **headers)
        assert not wrong, f"{wrong} answers of {url}{path} are not what was asked for"
        return Figure(rate, (worked(process) - spent) / (rate * SECONDS) * 1e6)

    def post(server: Yardstick | Live, path: str, which: tuple[str, str]) -> Figure:
        # Each run goes on where a fresh token is: the same token twice would be the cheap, idempotent answer.
        process, url = _served(server)
        posts, cookie = filled[which]
        env = {"BENCH_POSTS": str(_slice(posts)), "BENCH_COOKIE": cookie}
        spent = worked(process)
        rate, wrong = wrk(url + path, script=script, env=env)
        bad.append(wrong)
        return Figure(rate, (worked(process) - spent) / (rate * SECONDS) * 1e6)

    def consult(server: Live, name: str, staff: int) -> Figure:
        employ(server, staff)
        return post(server, "requests/consultation", (name, "consultation"))

    def renew() -> None:
        for one in (live, old):
            one.kill("web")
            one.start_web()
        for yardstick in yardsticks:
            yardstick.stop()
            yardstick.start()

    measures = {
        "Flask hello": lambda: get(hello),
        "bare WSGI, the page's body": lambda: get(bare, **gate),
        "bare WSGI, as many bytes": lambda: get(weighed, **gate),
        "raw SQLite commits": lambda: Figure(raw_commits(folder, 1.0)),
        "sign-up, simple Flask + ORM": lambda: post(naive, "", ("naive", "sign-up")),
    }
    for name, one in (("now", live), ("old", old)):
        tail = " (0.1.0)" if one is old else ""
        measures |= {
            f"{what}{tail}": measure
            for what, measure in {
                "resource page": lambda one=one: get(one, "prescribers", **gate),
                "resource page, brotli": lambda one=one: get(
                    one, "prescribers", Accept_Encoding="br", **gate
                ),
                "front page": lambda one=one: get(one),
                "sign-up form page": lambda one=one: get(one, "newsletter"),
                "consultation form page": lambda one=one: get(one, "requests/consultation"),
                "materials form page": lambda one=one: get(one, "requests/resources"),
                "staff sign-in page": lambda one=one: get(one, "staff/login"),
                "sign-up": lambda one=one, name=name: post(one, "newsletter", (name, "sign-up")),
                "consultation, no staff": lambda one=one, name=name: consult(one, name, 0),
                f"consultation, {STAFF} of staff": lambda one=one, name=name: consult(one, name, STAFF),
            }.items()
        }
    try:
        figures = in_turn(_beside(measures), renew, rounds=1 if QUICK else ROUNDS)
    finally:
        for yardstick in yardsticks:
            yardstick.stop()
    report(figures, starts, at_rest, first_visit, sum(bad), len(page.body))
    locks()


def wholes(live: Live, old: Live) -> None:
    """`flask serve`, as `make run` starts it."""
    for name, one in (("this version", live), ("0.1.0", old)):
        took, held = (
            statistics.median(column) for column in zip(*[served(one) for _ in range(3)], strict=True)
        )
        print(f"`flask serve` of {name}: {took:.2f} s to the first page, {held:.0f} MiB at rest (PSS)")
        if one is live:
            print(aims.line("memory of `flask serve` at rest, MiB", held, most=aims.MOST_MEMORY))
        one.start_web()


def _beside(measures: dict[str, object]) -> dict[str, object]:
    """Each figure of the version before right after today's."""
    today = [name for name in measures if not name.endswith("(0.1.0)")]
    return {key: measures[key] for name in today for key in (name, f"{name} (0.1.0)") if key in measures}


def locks() -> None:
    """How long the write lock is held, the two versions in turn."""
    for staff in (0, 1, STAFF):
        pairs = [
            (lock_held(ROOT, sys.executable, staff), lock_held(before.checkout(), before.python(), staff))
            for _ in range(3)
        ]
        now, old = (statistics.median(one) for one in zip(*pairs, strict=True))
        print(
            f"write lock of a consultation, {staff:>2} of staff: {now:.2f} ms, "
            f"0.1.0 {old:.2f} ms: {now / old:.2f} of it"
        )


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
        for number in range(POSTS):
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
    starts: dict[str, float],
    at_rest: dict[str, dict[str, float]],
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
    print(f"{'what':<32}{'a second':>10}{'÷ hello':>10}{'÷ bare':>10}{'÷ 0.1.0':>10}{'µs each':>10}")
    for name, figure in figures.items():
        if name.endswith("(0.1.0)"):
            continue
        rate, cost = figure.rate, f"{figure.cost:,.0f}" if figure.cost else ""
        old = figures.get(f"{name} (0.1.0)")
        against = f"{rate / old.rate:.2f}" if old else ""
        print(f"{name:<32}{rate:>10,.0f}{rate / hello:>10.2f}{rate / bare:>10.2f}{against:>10}{cost:>10}")
    sign_up = figures["sign-up"].rate
    against_before = sign_up / hello / NAIVE_AGAINST_HELLO
    print("µs each: processor time of the server for one request")
    print(f"\nsign-up ÷ the simple way, as measured before (0.0324 of hello): {against_before:.1f}")
    print(
        f"sign-up ÷ the simple way, in this run: {sign_up / figures['sign-up, simple Flask + ORM'].rate:.1f}"
    )
    print(f"sign-up ÷ raw durable SQLite commits: {sign_up / figures['raw SQLite commits'].rate:.2f}")
    print(f"answers to posts that were not 303: {bad}")
    print(f"first visit of the resource page: {first_visit[0] / 1024:.1f} KB in {first_visit[1]} requests")
    for name, found in at_rest.items():
        parts = ", ".join(f"{what} {mib:.0f} MiB" for what, mib in found.items())
        print(f"memory at rest (PSS){' of ' + name if name else ''}: {parts}")
    for name, took in starts.items():
        print(f"cold start, command to first page{' of ' + name if name else ''}: {took:.2f} s (median of 3)")
    print("\nAgainst the aims:")
    print(*aims.judged(figures), sep="\n")
    start = starts[""] / starts["0.1.0"]
    print(aims.line("start of the web server ÷ 0.1.0", start, most=aims.SHORTEST_START))


def kills(folder: Path) -> None:
    """The long form of the kill test."""
    with Sink() as sink:
        live = Live(folder / "kills", TRUSTED_PROXIES="1", SMTP_URL=sink.url).migrate()
        try:
            found = kill_rounds(live, sink, rounds=KILL_ROUNDS, seed=1)
        finally:
            live.stop()
    print(
        f"kill -9, {KILL_ROUNDS} rounds: {', '.join(f'{count} {what}' for what, count in found.items())}; none lost"
    )


if __name__ == "__main__":
    main()
