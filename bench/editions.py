"""An edition to many: how fast it is frozen and sent, how much the database grows, what the worker holds.

`python -m bench.editions` prints the table; `--short` with fewer readers, to see that it runs. Mails of 30 KB with
each reader's own links go into Postfix's smtp-sink on loopback, beside smtplib with a kept connection and an
EmailMessage for each. Nobody's word but the rows' is believed: what is counted is what they say was sent.
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from flask_migrate import upgrade
from sqlalchemy import func, insert, select, text

from bench import mails
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
from tests.live import ROOT

FREEZE, SENT = 100_000, 5_000
WORDS = "What is known of it, by whom, how sure, and what is **not** known: see [the page](https://pharmacy.example/a).\n\n"
SOURCE = "## Hours\n\n" + WORDS * 92


def table(short: bool) -> None:
    """Measure, one after the other, and print."""
    freeze, sent = (FREEZE // 10, SENT // 5) if short else (FREEZE, SENT)
    rows: list[tuple[str, str]] = []
    with mails.sink() as port:
        first = run("plain", sent, port)
        plain, cost = first["rate"], first["cost"]
        rows.append(
            ("smtplib, kept connection, an EmailMessage each", f"{plain:,.0f} a second, {cost:,.0f} µs each")
        )
        for name, key in (
            ("one worker", ""),
            ("with DKIM, Ed25519", "ed25519"),
            ("with DKIM, RSA 2048", "rsa"),
        ):
            found = run("sqlite", sent, port, KEY=key)
            rate = f"{found['rate']:,.0f} a second, {found['rate'] / plain:.1f} × smtplib"
            rows.append((f"SQLite, {name}", f"{rate}; {found['cost']:,.0f} µs each"))
        rows.append(("a mail", f"{found['size'] / 1000:.0f} KB"))
        rows.append(
            ("worker, before it and at its most", f"{found['before']:.0f} and {found['after']:.0f} MiB")
        )
        rows += on_postgres(sent, port)
    found = run("freeze", freeze, 0)
    rows.append((f"freeze of {freeze:,}", f"{found['took']:.2f} s"))
    rows.append(("memory, before it and at its most", f"{found['before']:.0f} and {found['after']:.0f} MiB"))
    rows.append(("database growth, frozen", f"{found['grown'] / freeze:,.0f} bytes a recipient"))
    for name, value in rows:
        print(f"{name:<50}{value}")


def on_postgres(count: int, port: int) -> list[tuple[str, str]]:
    """One worker and two, on a server of their own (fsync off: for the ratio alone)."""
    if (tools := postgres.binaries()) is None:
        return [("PostgreSQL", "none here")]
    rates = []
    for workers in (1, 2):
        with tempfile.TemporaryDirectory() as name:
            server = postgres.Server(tools, Path(name))
            try:
                env = {"DATABASE_URL": server.url, "FOLDER": name}
                run("fill", count, port, **env)
                begin = str(time.time() + 10)
                running = [start("work", count, port, BEGIN=begin, **env) for _ in range(workers)]
                ends = [json.loads(process.communicate()[0].splitlines()[-1])["end"] for process in running]
                rates.append(count / (max(ends) - float(begin)))
            finally:
                server.stop()
    one, two = rates
    return [
        ("PostgreSQL, one worker", f"{one:,.0f} a second"),
        ("PostgreSQL, two workers", f"{two:,.0f} a second, {two / one:.2f} × one"),
    ]


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
    """Bytes of a SQLite database; 0 of another."""
    if db.engine.dialect.name != "sqlite":
        return 0
    db.session.rollback()
    pages, size = (db.session.scalar(text(f"PRAGMA {name}")) for name in ("page_count", "page_size"))
    return int(pages * size)


def resident(name: str) -> float:
    """What this process holds (VmRSS), or held at most since it was last asked for (VmHWM), in MiB."""
    status = Path("/proc/self/status").read_text()
    Path("/proc/self/clear_refs").write_text("5")
    return int(status.partition(f"{name}:")[2].split()[0]) / 1024


if __name__ == "__main__":
    if len(sys.argv) > 2:
        print(json.dumps(one(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
    else:
        table("--short" in sys.argv)
