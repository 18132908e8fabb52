"""What a page or a post costs in the process, this version and 0.1.0 in turn: `python -m bench.rendered [ROUNDS]`.

Each tree answers in a process of its own, called as a server calls it (PEP 3333), so neither a socket nor a client is
in the figure: microseconds of processor time for one request, the disk's share of a commit with it. Inside a tree it
is a script that takes `CASE COUNT` by line; more trees are named as NAME=FOLDER. It speaks to the portal by its pages
alone and makes its rows by SQL, so that every version can be asked the same.
"""

from __future__ import annotations

import gc
import hashlib
import io
import json
import math
import os
import re
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

KEY = "0123456789abcdefghijklmnopqrstuvwxyzABCDEF"
BASE = "http://localhost:8000"
ROWS, OPEN_ROWS, OPENINGS = 10_000, 500, 1_000
SESSION, USER_KEY = "s" * 43, "k" * 64
ANSWERS = {
    "name": "Ana Ruiz",
    "credential": "NP",
    "npi": "1234567893",
    "practice": "Valley Clinic",
    "state": "CA",
    "email": "ana@clinic.example",
    "topics": "dosing",
    "question": "How slowly should the dose be raised in an adult who sleeps badly on 3 mg, and until when?",
    "contact_method": "email",
    "contact_window": "any",
}
CASES = {
    "list": 10,
    "errors": 20,
    "check": 20,
    "consultation": 10,
    "consultation, no staff": 10,
    "sign-up": 50,
    "sign-up, refused": 20,
    "one request": 5,
    "one request, 1,000 openings": 5,
}


class Portal:
    """The tree that we stand in, with rows and a manager who is signed in."""

    def __init__(self, folder: str) -> None:
        sys.path.insert(0, str(Path.cwd()))
        from flask_migrate import upgrade

        from config import Config
        from portal import tokens
        from portal.app import create_app
        from portal.newsletter import consent

        told = {"INSTANCE_DIR": folder, "SECRET_KEY": KEY, "BASE_URL": BASE, "ORG_PHONE": "925-555-0100"}
        self.app = create_app(Config.from_env(told))
        with self.app.app_context():
            upgrade()
        self.app.extensions[
            "ready"
        ]._next_look = math.inf  # a thread looks whether texts changed, once a second
        self.spent = 0.0
        self.stamp, self.number = tokens.stamp, 0
        self.sign_up = f"signup/{consent.current('en').name}"
        self.file = Path(folder) / "portal.db"
        _fill(self.file)
        gc.collect()
        gc.freeze()
        gc.set_threshold(20_000, 20, 50)  # as both versions' wsgi.py
        self.cookie = f"staff={SESSION}"
        self.csrf: dict[str, tuple[str, str]] = {}

    def ask(self, method: str, path: str, *, cookie: str = "", fields: Any = None) -> tuple[int, bytes, Any]:
        """One request, from a network of its own where it sends something."""
        body = urlencode(fields).encode() if fields else b""
        self.number += bool(fields)
        environ = {
            "REQUEST_METHOD": method,
            "SCRIPT_NAME": "",
            "PATH_INFO": path,
            "QUERY_STRING": "",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "8000",
            "HTTP_HOST": "localhost:8000",
            "HTTP_COOKIE": cookie,
            "REMOTE_ADDR": f"10.{self.number // 250}.{self.number % 250}.7",
            "CONTENT_TYPE": "application/x-www-form-urlencoded" if fields else "",
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        said: list[Any] = []
        began = time.process_time()
        chunks: Any = self.app(environ, lambda status, headers, exc_info=None: said.extend((status, headers)))
        try:
            found = b"".join(chunks)
        finally:
            if close := getattr(chunks, "close", None):
                close()
        self.spent += time.process_time() - began
        return int(said[0][:3]), found, dict(said[1])

    def post(self, path: str, purpose: str, status: int, fields: dict[str, str]) -> None:
        """Send a form that was seen a minute ago."""
        if path not in self.csrf:
            _, page, headers = self.ask("GET", path)
            token = re.search(rb'name="csrf_token"[^>]*value="([^"]+)"', page)
            self.csrf[path] = str(headers["Set-Cookie"]).partition(";")[0], token[1].decode() if token else ""
        cookie, csrf = self.csrf[path]
        seen = self.stamp(KEY, purpose, at=time.time() - 60)
        sent = {"csrf_token": csrf, "form_token": seen, **fields}
        found, page, _ = self.ask("POST", path, cookie=cookie, fields=sent)
        assert found == status, f"{path}: {found} {page[:300]!r}"

    def once(self, case: str) -> None:
        """One request of a case."""
        if case == "list":
            status, page, _ = self.ask("GET", "/staff/requests", cookie=self.cookie)
            assert (status, page.count(b"<tr>")) == (200, 26), status
        elif case.startswith("one request"):
            reference = _reference(2 if case.endswith("openings") else 3)
            status, _, _ = self.ask("GET", f"/staff/requests/{reference}", cookie=self.cookie)
            assert status == 200, status
        elif case.startswith("sign-up"):
            address = "typed" if case.endswith("refused") else f"visitor{self.number}@clinic.example"
            fields = {"email": address, "topics": "news", "language": "en"}
            self.post("/newsletter", self.sign_up, 303 if "@" in address else 422, fields)
        else:
            status, more = {
                "errors": (422, {"email": "ana", "question": ""}),
                "check": (200, {}),
                "consultation": (303, {"confirmed": "1"}),
            }[case.partition(",")[0]]
            self.post("/requests/consultation", "ConsultationForm", status, {**ANSWERS, **more})

    def cost(self, case: str, count: int) -> float:
        """Microseconds of processor time for one."""
        with closing(sqlite3.connect(self.file)) as database, database:
            database.execute('UPDATE "user" SET active = ?', (not case.endswith("no staff"),))
        self.spent = 0.0
        for _ in range(count):
            self.once(case)
        return self.spent / count * 1e6


def _fill(file: Path) -> None:
    """500 open requests and the rest closed, a manager with a session, and openings of one request."""
    at = datetime.now(UTC)

    def said(when: datetime) -> str:
        return f"{when:%Y-%m-%d %H:%M:%S}.000000"

    with closing(sqlite3.connect(file)) as database, database:
        people = [
            {
                "id": number,
                "email": f"staff{number}@pharmacy.example",
                "name": f"Staff {number}",
                "role": "manager",
                "roles": "manager",
                "active": 1,
                "fs_uniquifier": USER_KEY[:-1] + str(number),
                "session_key": USER_KEY[:-1] + str(number),
                "created_at": said(at),
            }
            for number in range(1, 9)
        ]
        _insert(database, "user", people)
        data = {
            "_user_id": USER_KEY[:-1] + "1",
            "second_factor": 1,
            "fs_paa": at.timestamp(),
            "key": USER_KEY[:-1] + "1",
            "password_at": at.timestamp(),
            "csrf_token": "c" * 40,
        }
        row = {
            "digest": hashlib.sha256(SESSION.encode()).hexdigest(),
            "user_id": 1,
            "data": json.dumps(data),
            "browser": "Firefox on Linux",
            "created_at": said(at),
            "seen_at": said(at),
            "expires_at": said(at + timedelta(hours=12)),
        }
        _insert(database, "staff_session", [row])
        _insert(database, "request", [_request(number, at, said) for number in range(1, ROWS + 1)])
        openings = [
            {
                "at": said(at - timedelta(minutes=number)),
                "actor_id": 1 + number % 8,
                "actor_name": f"Staff {1 + number % 8}",
                "action": "request.opened",
                "subject": f"request:{_reference(2)}",
                "detail": "",
            }
            for number in range(OPENINGS)
        ]
        _insert(database, "audit_entry", openings)


def _npi(number: int) -> str:
    """A number of its own for each, with its check digit (Luhn, 80840 before it)."""
    digits = f"1{number:08}"
    total = 24 + sum(sum(divmod(int(digit) * (2 - place % 2), 10)) for place, digit in enumerate(digits))
    return f"{digits}{-total % 10}"


def _reference(number: int) -> str:
    return f"LDN-BBBB-{number:04X}".translate(str.maketrans("01AE", "XYKM"))


def _request(number: int, at: datetime, said: Any) -> dict[str, Any]:
    is_open, came = number <= OPEN_ROWS, at - timedelta(minutes=40 + number)
    status = ("new", "in_progress")[number % 2] if is_open else "closed"
    return {
        "id": number,
        "reference": _reference(number),
        "form_token": f"form-{number}",
        "receipt_hash": f"{number:064}",
        "kind": "consultation",
        "status": status,
        "version": 1,
        "received_at": said(came),
        "changed_at": said(came),
        "answer_by": said(came + timedelta(hours=8)),
        "closed_at": None if is_open else said(at),
        "owner_id": None if status == "new" else 1 + number % 8,
        "name": f"Ana Ruiz-{number}",
        "credential": "NP",
        "npi": _npi(number),
        "practice": "Valley Clinic",
        "state": "CA",
        "email": "ana@clinic.example",
        "phone": "",
        "on_behalf": 0,
        "delegate_name": "",
        "delegate_email": "",
        "topics": '["dosing"]',
        "question": ANSWERS["question"],
        "contact_method": "email",
        "contact_window": "any",
        "leave_message": 0,
        "patient_data": "[]",
        "items": "[]",
        "delivery": "",
        "address": "",
        "note": "",
        "signals": "[]",
        "verdict": "match",
    }


def _insert(database: sqlite3.Connection, table: str, rows: list[dict[str, Any]]) -> None:
    columns = {row[1] for row in database.execute(f'PRAGMA table_info("{table}")')}
    names = [name for name in rows[0] if name in columns]
    marks = ", ".join(f":{name}" for name in names)
    database.executemany(f'INSERT INTO "{table}" ({", ".join(names)}) VALUES ({marks})', rows)


def serve() -> None:
    """Answer in the tree that we stand in."""
    with tempfile.TemporaryDirectory() as folder:
        portal = Portal(folder)
        print("ready", flush=True)
        for line in sys.stdin:
            case, _, count = line.strip().rpartition(" ")
            print(portal.cost(case, int(count)), flush=True)


def main() -> None:
    """Compare."""
    from bench import before
    from tests.live import ROOT

    words = [word for word in sys.argv[1:] if "=" not in word]
    rounds = int(words[0]) if words else 20
    chosen = words[1:] or list(CASES)
    trees = {"0.1.0": (before.checkout(), before.python()), "now": (ROOT, sys.executable)}
    for word in sys.argv[1:]:
        name, _, folder = word.partition("=")
        trees |= {name: (Path(folder), sys.executable)} if folder else {}
    started = {name: _start(*tree) for name, tree in trees.items()}
    print(f"{'µs of processor time':<30}" + "".join(f"{name:>10}" for name in trees) + "   ÷ 0.1.0")
    for case in chosen:
        found: dict[str, list[float]] = {name: [] for name in trees}
        for turn in range(-1, rounds):
            for name, process in started.items():
                process.stdin.write(f"{case} {CASES[case]}\n")
                process.stdin.flush()
                cost = float(process.stdout.readline())
                found[name] += [cost] if turn >= 0 else []  # the first makes what is made once
        costs = {name: min(values) for name, values in found.items()}  # a neighbour only ever adds to it
        ratios = "  ".join(
            f"{name} {cost / costs['0.1.0']:.2f}" for name, cost in costs.items() if name != "0.1.0"
        )
        print(
            f"{case:<30}" + "".join(f"{cost:>10,.0f}" for cost in costs.values()) + f"   {ratios}", flush=True
        )
    for process in started.values():
        process.stdin.close()
        process.wait(20)


def _start(root: Path, python: str) -> Any:
    script = [python, str(Path(__file__).resolve()), "serve"]
    env = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    process = subprocess.Popen(
        script,
        cwd=root,
        env=env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    while (line := process.stdout.readline()) != "ready\n":  # type: ignore[union-attr]
        assert line, f"{root} does not start"
    return process


if __name__ == "__main__":
    serve() if sys.argv[1:] == ["serve"] else main()
