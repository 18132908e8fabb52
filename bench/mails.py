"""How many mails one worker hands over in a second, each result durable: run inside the tree that is measured.

`python bench/mails.py LANE COUNT PORT` sends COUNT mails of 30 KB to the sink at PORT and prints mails a second, and
microseconds of processor time for each. It fills the tables by SQL, so that every version can be asked the same; one
without lanes has one way to send. LANE `smtplib` is the yardstick: a kept connection, an EmailMessage for each.
"""

from __future__ import annotations

import contextlib
import os
import resource
import smtplib
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path.cwd()))

from flask_migrate import upgrade
from sqlalchemy import inspect, text

from config import Config
from portal.app import create_app
from portal.db import db
from portal.worker import Worker

ROUNDS, COUNT = 5, 1000
AT = "2026-01-15 18:00:00.000000"
WORDS = "<p>Low dose naltrexone: what is known of it, by whom, how sure, and what is not known.</p>\n"
SENDER = "office@pharmacy.example"


def message(number: int) -> EmailMessage:
    """A mail of 30 KB in two parts."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = SENDER, f"visitor{number}@clinic.example", "News"
    mail["Message-ID"] = f"<{number:032}@pharmacy.example>"
    mail.set_content(WORDS * 80)
    mail.add_alternative(f"<!doctype html>{WORDS * 220}", subtype="html")
    return mail


@contextlib.contextmanager
def sink() -> Iterator[int]:
    """Postfix's smtp-sink on loopback, which takes all and keeps nothing; gives its port. Raises NoServer."""
    from tests import mta
    from tests.live import free_port

    root, port = mta.unpacked(), free_port()
    libraries = {"LD_LIBRARY_PATH": str(root / "usr/lib/postfix")}
    user = ["-u", "nobody"] if os.geteuid() == 0 else []
    command = [str(root / "usr/sbin/smtp-sink"), *user, f"127.0.0.1:{port}", "1000"]
    process = subprocess.Popen(command, env={**os.environ, **libraries}, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 15
        while time.monotonic() < end:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(10)


def in_turn(old: tuple[Path, str], *, rounds: int = ROUNDS, count: int = COUNT) -> None:
    """The table: today's lanes, version 0.1.0 (its folder and its Python) and smtplib, in turn."""
    here = Path(__file__).resolve().parent.parent
    runs = {
        "smtplib, an EmailMessage each": (here, sys.executable, "smtplib"),
        "0.1.0": (*old, "now"),
        **{f"lane {lane}": (here, sys.executable, lane) for lane in ("now", "soon", "bulk")},
    }
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
    with sink() as port:
        for _ in range(rounds):
            for name, (root, python, lane) in runs.items():
                script = [python, __file__, lane, str(count), str(port)]
                done = subprocess.run(script, cwd=root, capture_output=True, text=True, check=True)
                rate, cost = done.stdout.split()[-2:]
                found[name].append((float(rate), float(cost)))
    middle = {
        name: [statistics.median(column) for column in zip(*each, strict=True)]
        for name, each in found.items()
    }
    (plain, _), (before, dear) = middle["smtplib, an EmailMessage each"], middle["0.1.0"]
    head = ("mails of 30 KB, one worker", "a second", "÷ smtplib", "÷ 0.1.0", "µs each", "÷ 0.1.0")
    print("\n{:<32}{:>10}{:>12}{:>10}{:>10}{:>10}".format(*head))
    for name, (rate, cost) in middle.items():
        ratios = f"{rate / plain:>12.2f}{rate / before:>10.2f}{cost:>10,.0f}{cost / dear:>10.2f}"
        print(f"{name:<32}{rate:>10,.0f}{ratios}")


def main() -> None:
    """Measure and print."""
    lane, count, port = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    if lane == "smtplib":
        tell(count, lambda: plain(count, port))
    else:
        ours(lane, count, port)


def ours(lane: str, count: int, port: int) -> None:
    """The tree's worker."""
    with tempfile.TemporaryDirectory() as folder:
        app = create_app(
            Config.from_env(
                {
                    "INSTANCE_DIR": folder,
                    "SECRET_KEY": "0123456789abcdefghijklmnopqrstuvwxyzABCDEF",
                    "BASE_URL": "http://localhost:8000",
                    "SMTP_URL": f"smtp://127.0.0.1:{port}?tls=none",
                    "MAIL_FROM": SENDER,
                }
            )
        )
        with app.app_context():
            upgrade()
            fill(lane, count)
            tell(count, Worker().run_once)
            state = "SELECT count(*) FROM {} WHERE state = 'sent'"
            sent = db.session.scalar(text(state.format("mail_delivery" if has_lanes() else "outbox")))
            if sent != count:
                raise SystemExit(f"{sent} of {count} were sent")


def tell(count: int, send: Callable[[], object]) -> None:
    """Time it."""
    began, spent = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
    send()
    took, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF)
    cost = after.ru_utime + after.ru_stime - spent.ru_utime - spent.ru_stime
    print(f"{count / took:.1f} {cost / count * 1e6:.1f}")


def plain(count: int, port: int) -> None:
    """The simple way: nothing is kept of what became of a mail."""
    with smtplib.SMTP("127.0.0.1", port) as server:
        for number in range(count):
            server.send_message(message(number))


def has_lanes() -> bool:
    """Whether the tree is younger than version 0.1.0."""
    return "mail_delivery" in inspect(db.engine).get_table_names()


def fill(lane: str, count: int) -> None:
    """Promise them: in bulk one body for all, else one for each."""
    content = message(0).as_bytes().replace(b"\n", b"\r\n")
    waiting: dict[str, Any] = {
        "message": "newsletter/welcome",
        "cause": "bench:1",
        "created_at": AT,
        "due_at": AT,
        "state": "queued",
        "attempts": 0,
        "last_error": "",
    }
    with db.engine.connect() as connection:
        for number in range(count):
            to = f"visitor{number}@clinic.example"
            row = {**waiting, "message_id": f"<{number:032}@pharmacy.example>", "recipient": to}
            if not has_lanes():
                insert(connection, "outbox", {**row, "content": content})
                continue
            body = 1 if lane == "bulk" else number + 1
            if body == number + 1:
                known = {"id": body, "message": row["message"], "language": "en", "facts": "{}", "faults": 0}
                insert(connection, "mail_body", {**known, "content": content, "created_at": AT})
            del row["message"]
            own = {"body_id": body, "recipient_key": to, "envelope_sender": "", "headers": "{}", "lane": lane}
            insert(connection, "mail_delivery", {**row, **own})
        connection.commit()


def insert(connection: Any, table: str, row: dict[str, Any]) -> None:
    """One row."""
    names = ", ".join(row)
    connection.execute(
        text(f"INSERT INTO {table} ({names}) VALUES ({', '.join(':' + name for name in row)})"), row
    )


if __name__ == "__main__":
    main()
