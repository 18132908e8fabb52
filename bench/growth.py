"""What grows with the rows: `python -m bench.growth` asks a portal of 10,000 rows and one of 1,000,000 the same.

It makes them first (`bench.sizes`), in three minutes; `--short` takes 100,000. Two folders name what was made before.
For each page of staff and each job: the SQL's processor time (each SELECT asked again by `sqlite3` alone, the median
of several), how many statements, and the plan of those that read more than they show. Nothing here is wall time. The
steps of SQLite's own machine stand beside it, in thousands: they are the same whatever else the computer does.
"""

from __future__ import annotations

import itertools
import logging
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from flask import Flask
from sqlalchemy import event

from bench.sizes import OWNERS, ROWS, code, make
from config import Config
from portal import jobs as register
from portal import keeping
from portal.app import create_app
from portal.clock import now
from portal.db import db, transaction, writes_allowed
from portal.newsletter import record, subscriptions
from portal.ops import metrics
from portal.people.models import User
from tests import world

ASKED_AGAIN, STEPS = 7, 50
MOST = 5.0  # milliseconds of SQL
BASE = "http://localhost:8000"
NOT_RUN = (
    "ops.integrity",
    "backup.daily",
    "desk.close_answered",
    "audit.seal",
)  # they write, or read all


@dataclass
class Asked:
    """What one page or job asked of the database."""

    statements: list[tuple[str, Any]] = field(default_factory=list)

    def cost(self, file: Path) -> tuple[float, float, list[str]]:
        """Milliseconds of processor time of all its SELECTs, thousands of steps, and the plans that look long."""
        total, ticks, plans = 0.0, itertools.count(), []
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
            for sql, values in self.statements:
                if not sql.lstrip().upper().startswith(("SELECT", "WITH")):
                    continue
                took = []
                database.set_progress_handler(lambda: bool(next(ticks) < 0), STEPS)
                database.execute(sql, values).fetchall()
                database.set_progress_handler(None, 0)
                for _ in range(ASKED_AGAIN):
                    began = time.thread_time_ns()
                    database.execute(sql, values).fetchall()
                    took.append(time.thread_time_ns() - began)
                    if took[-1] > 1e9:
                        break
                total += statistics.median(took) / 1e6
                if statistics.median(took) > 1e6:
                    lines = " | ".join(
                        row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {sql}", values)
                    )
                    plans.append(
                        f"{statistics.median(took) / 1e6:.1f} ms {lines}\n      {' '.join(sql.split())}"
                    )
        return total, next(ticks) * STEPS / 1000, plans


@contextmanager
def watched(app: Flask) -> Iterator[Asked]:
    """Note each statement."""
    found = Asked()

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_more: Any) -> None:
        if statement not in ("BEGIN", "BEGIN IMMEDIATE"):
            found.statements.append((statement, parameters))

    with app.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(engine, "before_cursor_execute", note)


def portal(folder: Path) -> Flask:
    """The portal of that folder."""
    told = {**world.SETTINGS, "INSTANCE_DIR": str(folder), "BASE_URL": BASE}
    return create_app(Config.from_env(told))


def pages(rows: int) -> dict[str, str]:
    """Every view, filter, sort and search of the desk, and the pages beside it."""
    one = f"1{5 * 7919 % 20_000:09}"
    queue = {
        "default (all open)": "",
        "unassigned": "status=new&owner=none",
        "mine": "owner=me",
        "late": "status=late",
        "due today": "status=today",
        "to call": "status=call",
        "waiting": "status=waiting",
        "snoozed": "status=snoozed",
        "of whoever is away": "owner=away",
        "snoozed, of whoever is away": "status=snoozed&owner=away",
        "mail refused": "status=refused",
        "answered": "status=answered&sort=-received_at",
        "closed": "status=closed&sort=-received_at",
        "spam": "status=spam&sort=-received_at",
        "open, newest": "sort=-received_at",
        "in progress": "status=in_progress",
        "duplicate": "status=duplicate",
        "closed, soonest": "status=closed",
        "all": "status=all",
        "all, newest": "status=all&sort=-received_at",
        "open, consultations": "kind=consultation",
        "open, of one": "owner=3",
        "all, of one": "status=all&owner=3",
        "all, of one, newest": "status=all&owner=3&sort=-received_at",
        "all, materials": "status=all&kind=resource",
        "all, materials, newest": "status=all&kind=resource&sort=-received_at",
        "closed, of one, newest": "status=closed&owner=3&sort=-received_at",
        "closed, of one, soonest": "status=closed&owner=3",
        "closed, materials, newest": "status=closed&kind=resource&sort=-received_at",
        "closed, nobody's": "status=closed&owner=none",
        "all, nobody's": "status=all&owner=none",
        "all, of whoever is away": "status=all&owner=away",
        "closed, of whoever is away": "status=closed&owner=away&sort=-received_at",
        "all but spam": "status=real",
        "all but spam, newest": "status=real&sort=-received_at",
        "all but spam, of one": "status=real&owner=3&sort=-received_at",
        "all but spam, not found": "status=real&verdict=not_found&sort=-received_at",
        "all but spam, of a week": "status=real&since=2026-06-01&until=2026-06-07",
        "all but spam, of a topic": "status=real&topic=dosing",
        "all but spam, of a topic of none": "status=real&topic=other",
        "all but spam, late": "status=real&promise=missed",
        "all but spam, in time": "status=real&promise=kept",
        "all but spam, called": "status=real&call=any",
        "all, called, no answer": "status=all&call=no_answer",
        "all, not found": "status=all&verdict=not_found",
        "all, not found, newest": "status=all&verdict=not_found&sort=-received_at",
        "closed, not found, newest": "status=closed&verdict=not_found&sort=-received_at",
        "all, unchecked": "status=all&verdict=unchecked",
        "all, of one, materials, not found": "status=all&owner=3&kind=resource&verdict=not_found",
        "open, not found": "verdict=not_found",
        "refused, materials": "status=refused&kind=resource",
        "q reference": f"q={code(rows // 2)}",
        "q half a reference": f"q={code(rows // 2)[4:8]}",
        "q NPI": f"q={one}",
        "q six digits of an NPI": f"q={one[:6]}",
        "q family name": "q=nunez",
        "q a family name of one": "q=ruiz-15",
        "q 'ana'": "q=ana",
        "q two names": "q=ana+ruiz",
        "q three words": "q=ana+ruiz+clinic",
        "q two letters": "q=ki",
        "q 'md'": "q=md",
        "q nothing": "q=zzzz",
        "q two that never meet": "q=ana+ben",
        "q email": "q=ana.20%40clinic20.example",
        "q telephone": "q=541+555+0042",
        "q name, closed, newest": "q=nunez&status=closed&sort=-received_at",
        "q name, open": "q=nunez&status=open",
        "q 'ana', all, newest": "q=ana&sort=-received_at",
        "q 'ana', of one, materials": "q=ana&owner=3&kind=resource",
        "q of every text": "q=dose",
        "q of some texts": "q=term77",
        "q of few texts": "q=drug1234",
        "q the beginning of many": "q=drug1",
        "q of texts, three words": "q=slowly+term77+drug1234",
        "q of every text, two words": "q=dose+badly",
        "q of some texts, two words": "q=term77+term78",
        "q of a name and of texts": "q=nunez+dose",
        "q of every text, open": "q=dose&status=open",
    }
    found = {f"queue: {name}": f"/staff/requests?{query}".rstrip("?") for name, query in queue.items()}
    middle = "a.{}.{}"
    deep = middle.format(int((time.time() - 350 * 86400) * 1e6), rows // 2)
    for name, query in {
        "deep: closed, newest": "status=closed&sort=-received_at",
        "deep: all": "status=all",
        "deep: all, newest": "status=all&sort=-received_at",
        "deep: all, of one, newest": "status=all&owner=3&sort=-received_at",
        "deep: all, materials": "status=all&kind=resource",
        "deep: closed, of one": "status=closed&owner=3",
        "deep: q 'ana', newest": "q=ana&sort=-received_at",
        "deep: q name": "q=nunez",
        "deep: q of every text": "q=dose",
    }.items():
        found[f"queue: {name}"] = f"/staff/requests?{query}&after={deep}"
        found[f"queue: {name}, back"] = f"/staff/requests?{query}&after=b{deep[1:]}"
    return found | {
        "one request, closed": f"/staff/requests/{code(rows // 2)}",
        "one request, open": f"/staff/requests/{code(rows)}",
        "news of a list": f"/staff/requests/news?seen={rows - 50}",
        "news of what is closed": f"/staff/requests/news?status=closed&seen={rows - 50}",
        "news of one's own, closed": f"/staff/requests/news?status=closed&owner=me&seen={rows - 50}",
        "news of a topic of none, since the first": "/staff/requests/news?status=all&topic=other&seen=1",
        "news of a search, since the first": "/staff/requests/news?q=nunez+dose&status=spam&seen=1",
        "card of a prescriber": f"/staff/prescribers/{code(rows // 2)}",
        "audit": "/staff/audit",
        "audit, deep": f"/staff/audit?after={rows * 3}",
        "audit, of a request": f"/staff/audit?subject={code(rows // 2)}",
        "audit, of a person": "/staff/audit?person=3",
        "audit, of an act": "/staff/audit?act=request.closed",
        "audit, of days": "/staff/audit?since=2026-01-01&until=2026-01-31",
        "mail": "/staff/mail",
        "people": "/staff/people",
        "replies": "/staff/replies",
        "editions": "/staff/editions",
        "subscribers": "/staff/subscribers",
        "subscribers, part of an address": "/staff/subscribers?q=reader77",
        "subscribers, paused": "/staff/subscribers?state=paused",
        "subscribers, of a topic": "/staff/subscribers?topic=research",
        "subscribers, Spanish": "/staff/subscribers?language=es",
        "subscribers, one": f"/staff/subscribers/{rows // 2}",
    }


def ask(folder: Path, only: str = "") -> dict[str, tuple[float, float, int, list[str]]]:
    """SQL milliseconds, thousands of steps, statements and long plans of each page."""
    app, file, found = portal(folder), folder / "portal.db", {}
    staff = app.extensions["staff"]
    with closing(sqlite3.connect(file)) as database:
        rows = database.execute("SELECT max(id) FROM request").fetchone()[0]
    every = pages(rows)
    searches = {f"desk, {name}": path for name, path in every.items() if name.startswith("queue: q ")}
    for user_id, some in ((3, every), (OWNERS, searches)):
        with staff.app_context(), transaction():
            cookie = world.sign_in(db.session.get_one(User, user_id))
        client = app.test_client()
        client.set_cookie(
            staff.session_interface.get_cookie_name(staff), cookie, domain="localhost", path="/"
        )
        for name, path in some.items():
            if only not in name:
                continue
            with watched(staff) as asked:
                answer = client.get(path, base_url=BASE)
            assert answer.status_code == 200, f"{name}: {answer.status_code} {answer.headers.get('Location')}"
            cost, steps, plans = asked.cost(file)
            found[name] = cost, steps, len(asked.statements), plans
    for name, job in jobs(app, rows).items():
        if only not in name:
            continue
        with watched(app) as asked, app.app_context():
            began = time.thread_time_ns()
            job()
            took = (time.thread_time_ns() - began) / 1e6
        _, steps, plans = asked.cost(file)
        found[f"job: {name}"] = took, steps, len(asked.statements), plans
    return found


def jobs(app: Flask, rows: int) -> dict[str, Callable[[], object]]:
    """Each job, and what else looks at whole tables."""

    def rolled(verb: Callable[[], object]) -> Callable[[], object]:
        def run() -> None:
            with writes_allowed():
                verb()
                db.session.rollback()

        return run

    hand = register.Hand("bench", lambda _seconds: False)
    found: dict[str, Callable[[], object]] = {
        "start of a worker": rolled(register.recover),
        "a person's own page": lambda: _own_page(rows),
        "figures": lambda: [*metrics._queue(now()), *metrics._mail(now())],
        "due (how many)": lambda: keeping.due(now()),
    }
    for job in register.JOBS:
        if job.name not in NOT_RUN:
            found[job.name] = partial(job.step, hand)
    return found


def _own_page(rows: int) -> object:
    found = subscriptions.find(f"reader{rows // 2}@clinic.example")
    return record.record_of(found) if found else None


def main() -> None:
    """Make or take two portals, and compare them."""
    folders = [Path(word) for word in sys.argv[1:] if not word.startswith("-")][:2]
    only = next((word[7:] for word in sys.argv if word.startswith("--only=")), "")
    if len(folders) == 2:
        compare(folders, only)
        return
    with tempfile.TemporaryDirectory() as name:
        sizes = (10_000, 100_000 if "--short" in sys.argv else ROWS)
        made = [make(Path(name) / f"{rows:,}", rows).parent for rows in sizes]
        compare(made, only)


def compare(folders: list[Path], only: str = "") -> None:
    """Print both, how the larger stands to the smaller, and how many fall short."""
    logging.disable(logging.INFO)
    small, large = (ask(folder, only) for folder in folders)
    falls = 0
    print(f"{'':<42}{folders[0].name:>10}{folders[1].name:>12}   statements  steps (thousands)")
    for name, (cost, steps, count, plans) in large.items():
        before, fewer, *_ = small[name]
        short = "  > 5 ms" if cost > MOST else "  grows" if cost > max(1.1 * before, before + 0.3) else ""
        print(f"{name:<42}{before:>10.2f}{cost:>12.2f}{count:>8}{fewer:>14.0f}{steps:>8.0f}{short}")
        falls += cost > MOST
        if short:
            for plan in plans:
                print(f"    {plan}")
    print(f"{len(large) - falls} of {len(large)} take {MOST:g} ms of SQL at the most; {falls} fall short")


if __name__ == "__main__":
    main()
