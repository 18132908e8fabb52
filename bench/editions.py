"""An edition to many: how fast it is frozen and sent, how much the database grows, what the worker holds.

`python -m bench.editions` prints the table, `python -m bench.editions web` that part of it (`PARTS`); `--short` with
fewer readers, to see that it runs. Mails of 30 KB with
each reader's own links go into Postfix's smtp-sink on loopback, beside smtplib with a kept connection and an
EmailMessage for each. Nobody's word but the rows' is believed: what is counted is what they say was sent.
"""

from __future__ import annotations

import gc
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from flask_migrate import upgrade
from sqlalchemy import func, insert, select, text

from bench import mails, paced
from config import Config
from portal import tokens
from portal.app import create_app
from portal.clock import now
from portal.db import db, transaction
from portal.editions import service
from portal.editions.models import Edition
from portal.jobs import JOBS
from portal.mail.models import Delivery, State
from portal.newsletter import letters
from portal.newsletter.models import Subscriber, Subscription
from portal.worker import Worker
from tests import postgres, world
from tests.editions.conftest import DRAFT
from tests.live import ROOT, Live

Rows = Iterator[tuple[str, str]]
FREEZE, SENT, MANY, BESIDE = 100_000, 5_000, 100_000, 100_000
ROUNDS = 3
WORDS = "What is known of it, by whom, how sure, and what is **not** known: see [the page](https://pharmacy.example/a).\n\n"
SOURCE = "## Hours\n\n" + WORDS * 92


def speed(scale: float, port: int) -> Rows:
    """One worker, beside smtplib, each in turn."""
    count, kinds = (
        int(SENT * scale),
        {"one worker": "", "with DKIM, Ed25519": "ed25519", "with DKIM, RSA 2048": "rsa"},
    )
    found: dict[str, list[dict[str, float]]] = {name: [] for name in ("plain", *kinds)}
    for _ in range(ROUNDS if scale == 1 else 1):
        found["plain"].append(run("plain", count, port))
        for name, key in kinds.items():
            found[name].append(run("whole", count, port, KEY=key))
    middle = {
        name: {what: statistics.median(one[what] for one in each) for what in ("rate", "cost")}
        for name, each in found.items()
    }
    plain = middle.pop("plain")
    yield (
        "smtplib, kept connection, an EmailMessage each",
        f"{plain['rate']:,.0f} a second, {plain['cost']:,.0f} µs each",
    )
    for name, one in middle.items():
        by = f"{one['rate'] / plain['rate']:.1f} × smtplib, {plain['cost'] / one['cost']:.1f} by processor time"
        yield f"SQLite, {name}", f"{one['rate']:,.0f} a second, {by}; {one['cost']:,.0f} µs each"
    yield "a mail", f"{found['one worker'][0]['size'] / 1000:.0f} KB"


def postgresql(scale: float, port: int) -> Rows:
    """One worker and two, on a server of their own (fsync off: for the ratio alone), and what it grows by."""
    count = int(SENT * scale)
    if (tools := postgres.binaries()) is None:
        yield "PostgreSQL", "none here"
        return
    rates = []
    for workers in (1, 2, 0):
        with tempfile.TemporaryDirectory() as name:
            server = postgres.Server(tools, Path(name))
            try:
                env = {"DATABASE_URL": server.url, "FOLDER": name}
                if not workers:
                    grown = run("whole", count, port, **env)["grown"] / count
                    yield (
                        "PostgreSQL, growth, sent",
                        f"{grown:,.0f} bytes a recipient, with what a vacuum frees",
                    )
                    continue
                run("fill", count, port, **env)
                begin = str(time.time() + 10)
                running = [start("work", count, port, BEGIN=begin, **env) for _ in range(workers)]
                ends = [json.loads(process.communicate()[0].splitlines()[-1])["end"] for process in running]
                rates.append(count / (max(ends) - float(begin)))
            finally:
                server.stop()
    one, two = rates
    yield "PostgreSQL, one worker", f"{one:,.0f} a second"
    yield "PostgreSQL, two workers", f"{two:,.0f} a second, {two / one:.2f} × one"


def freezing(scale: float, _port: int) -> Rows:
    """What is done in the one transaction."""
    count = int(FREEZE * scale)
    found = run("freeze", count, 0)
    yield f"freeze of {count:,}", f"{found['took']:.2f} s"
    yield "memory, before it and at its most", f"{found['before']:.0f} and {found['after']:.0f} MiB"
    yield "database growth, frozen", f"{found['grown'] / count:,.0f} bytes a recipient"


def many(scale: float, port: int) -> Rows:
    """All of it to very many: memory and growth."""
    count = int(MANY * scale)
    found = run("whole", count, port)
    yield f"{count:,} recipients", f"{found['rate']:,.0f} a second, {found['cost']:,.0f} µs each"
    yield "worker, before it and at its most", f"{found['before']:.0f} and {found['after']:.0f} MiB"
    yield "database growth, sent", f"{found['grown'] / count:,.0f} bytes a recipient"


def web(scale: float, port: int) -> Rows:
    """The web's p99 alone and while an edition is sent: medians of rounds in turn, for two ways of asking."""
    count = int(BESIDE * scale)
    with tempfile.TemporaryDirectory() as name:
        live = Live(Path(name) / "web").migrate()
        env = {"DATABASE_URL": f"sqlite:///{live.folder / 'portal.db'}"}
        ways = paced.ways(live)
        alone, busy = ({way: list[float]() for way in ways} for _ in range(2))
        try:
            run("fill", count, port, **env)
            live.start_web()
            paced.saturated(live, 2)
            for way, ask in [*ways.items()] * (ROUNDS if scale == 1 else 1):
                alone[way].append(ask())
                process = start("work", count, port, BEGIN="0", **env)
                try:
                    time.sleep(2.5)  # it has begun
                    busy[way].append(ask())
                    if process.poll() is not None:
                        raise SystemExit("the edition was over before the load: take more readers")
                finally:
                    process.kill()
                    process.wait()
        finally:
            live.stop()
    for way in ways:
        one, other = statistics.median(alone[way]), statistics.median(busy[way])
        yield (
            f"web p99 {way}",
            f"{one:.2f} ms alone, {other:.2f} ms beside an edition: {other / one:.2f}",
        )


PARTS: dict[str, Callable[[float, int], Rows]] = {
    part.__name__: part for part in (speed, postgresql, freezing, many, web)
}


def table(parts: Sequence[str], scale: float) -> None:
    """Measure, one after the other, and print."""
    with mails.sink() as port:
        for part in parts:
            for name, value in PARTS[part](scale, port):
                print(f"{name:<50}{value}", flush=True)


def start(kind: str, count: int, port: int, **env: str) -> subprocess.Popen[str]:
    """A process of its own for one measurement."""
    command = [sys.executable, "-m", "bench.editions", kind, str(count), str(port)]
    return subprocess.Popen(command, cwd=ROOT, env={**os.environ, **env}, stdout=subprocess.PIPE, text=True)


def run(kind: str, count: int, port: int, **env: str) -> dict[str, float]:
    """What it printed last."""
    process = start(kind, count, port, **env)
    said = process.communicate()[0]
    if process.returncode:
        raise SystemExit(f"{kind} failed")
    found: dict[str, float] = json.loads(said.splitlines()[-1])
    return found


def one(kind: str, count: int, port: int) -> Mapping[str, float]:
    """One measurement, in this process."""
    if kind == "plain":
        began, spent = time.perf_counter(), time.process_time()
        mails.plain(count, port)
        cost = (time.process_time() - spent) / count * 1e6
        return {"rate": count / (time.perf_counter() - began), "cost": cost}
    with tempfile.TemporaryDirectory() as made:
        folder = Path(os.environ.get("FOLDER", made))
        config = Config.from_env({**settings(folder, port), "INSTANCE_DIR": made})
        with create_app(config).app_context():
            if kind == "work":
                while time.time() < float(os.environ["BEGIN"]):
                    time.sleep(0.01)
                send()
                return {"end": time.time()}
            upgrade()
            fill(count)
            gc.collect()
            size, before, began = stored(), resident("VmRSS"), time.perf_counter()
            freeze()
            took, grown = time.perf_counter() - began, stored() - size
            if kind in ("freeze", "fill"):
                return {"took": took, "grown": grown, "before": before, "after": resident("VmHWM")}
            before, began, spent = resident("VmRSS"), time.perf_counter(), time.process_time()
            send()
            cost = (time.process_time() - spent) / count * 1e6
            rate, grown = count / (time.perf_counter() - began), stored() - size
            sent = select(func.count()).where(Delivery.state == State.SENT)
            if (found := db.session.scalar(sent)) != count:
                raise SystemExit(f"{found} of {count} were sent")
            length = len(
                db.session.scalars(text("SELECT content FROM edition_text WHERE content IS NOT NULL")).one()
            )
            return {
                "rate": rate,
                "cost": cost,
                "before": before,
                "after": resident("VmHWM"),
                "grown": grown,
                "size": length,
            }


def settings(folder: Path, port: int) -> dict[str, str]:
    """Of the portal that is measured."""
    found = {
        **world.SETTINGS,
        "ORG_ADDRESS": "1 Main Street",
        "SMTP_URL": f"smtp://127.0.0.1:{port}?tls=none" if port else "",
        "DATABASE_URL": os.environ.get("DATABASE_URL", ""),
    }
    if kind := os.environ.get("KEY"):
        key = rsa.generate_private_key(65537, 2048) if kind == "rsa" else ed25519.Ed25519PrivateKey.generate()
        pem = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        (folder / "dkim.key").write_bytes(key.private_bytes(*pem))
        found |= {"DKIM_KEY_FILE": str(folder / "dkim.key"), "DKIM_SELECTOR": "bench"}
    return found


def fill(count: int) -> None:
    """So many subscribers, by SQL."""
    at = now()
    people: list[dict[str, Any]] = []
    for number in range(count):
        address, handle = f"reader{number}@mail.example", tokens.new_token()
        secrets = {name: tokens.digest(letters.secret(name, handle)) for name in ("leave", "preferences")}
        digests = {f"{name}_digest": digest for name, digest in secrets.items()}
        named = {"address": address, "address_key": address, "handle": handle, **digests}
        people.append({**named, "language": "en", "state": "active", "created_at": at, "confirmed_at": at})
    with transaction():
        db.session.execute(insert(Subscriber), people)
        chosen = select(Subscriber.id, text("'news'"), text("'chosen'"), Subscriber.created_at)
        names = ["subscriber_id", "topic", "state", "changed_at"]
        db.session.execute(insert(Subscription).from_select(names, chosen))


def freeze() -> None:
    """An edition is written and its sending begins."""
    at = now()
    with transaction():
        by = world.employ(role="manager")
        values = {**DRAFT, "only_english": True, "source_en": SOURCE}
        made = service.write(None, values, version=0, by=by, at=at)
        made.text_in("en").tested = made.text_in("en").digest
        service.schedule(made, due_at=None, version=made.version, by=by, at=at)
    made = db.session.scalars(select(Edition)).one()
    contents, version = service.written(made, at), made.version
    with transaction():
        service.begin(made, contents, version=version, at=at)


def send() -> None:
    """All that waits, by the worker's own job."""
    Worker().run_job(next(job for job in JOBS if job.name == "mail.bulk"))


def stored() -> int:
    """Bytes of the database; on PostgreSQL without the rows' earlier versions, whose room is used again."""
    db.session.rollback()
    if db.engine.dialect.name != "sqlite":
        with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM FULL"))
            return int(connection.scalar(text("SELECT pg_database_size(current_database())")) or 0)
    pages, size = (db.session.scalar(text(f"PRAGMA {name}")) for name in ("page_count", "page_size"))
    return int(pages * size)


def resident(name: str) -> float:
    """What this process holds (VmRSS), or held at most since it was last asked for (VmHWM), in MiB."""
    status = Path("/proc/self/status").read_text()
    Path("/proc/self/clear_refs").write_text("5")
    return int(status.partition(f"{name}:")[2].split()[0]) / 1024


if __name__ == "__main__":
    named = [word for word in sys.argv[1:] if word in PARTS]
    if len(sys.argv) == 4 and not named:
        print(json.dumps(one(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
    else:
        table(named or list(PARTS), 0.2 if "--short" in sys.argv else 1)
