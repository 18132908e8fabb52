"""How long a request for a consultation holds the database's write lock: run inside the tree that is measured.

`python bench/lock.py STAFF POSTS` prints the median of milliseconds between BEGIN IMMEDIATE and the end of COMMIT. It
speaks to the portal by its pages alone and makes its staff by SQL, so that every version can be asked the same.
"""

from __future__ import annotations

import re
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path.cwd()))

from flask_migrate import upgrade
from sqlalchemy import event, text

from config import Config
from portal.app import create_app
from portal.db import db

BASE = "http://localhost:8000"
ANSWERS = {
    "name": "Ana Ruiz",
    "npi": "1234567893",
    "email": "ana@clinic.example",
    "topics": "dosing",
    "question": "How slowly should the dose be raised in an adult who sleeps badly on 3 mg, and until when?",
    "contact_method": "email",
    "confirmed": "1",
}


def main() -> None:
    """Measure and print."""
    staff, posts = int(sys.argv[1]), int(sys.argv[2])
    with tempfile.TemporaryDirectory() as folder:
        app = create_app(
            Config.from_env(
                {
                    "INSTANCE_DIR": folder,
                    "SECRET_KEY": "0123456789abcdefghijklmnopqrstuvwxyzABCDEF",
                    "BASE_URL": BASE,
                }
            )
        )
        with app.app_context():
            upgrade()
            _employ(staff)
            engine = db.engine
        held = watch_locks(engine)
        for number in range(posts):
            ask(app, number)
        print(f"{statistics.median(held) * 1000:.4f}")


def watch_locks(engine: Any) -> list[float]:
    """Note the seconds of each transaction that writes, from the lock to the end of its commit."""
    held, begun = [], [0.0]

    @event.listens_for(engine, "after_cursor_execute")
    def _taken(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        if statement == "BEGIN IMMEDIATE":
            begun[0] = time.perf_counter()

    inner = engine.dialect.do_commit

    def commit(connection: Any) -> None:
        inner(connection)
        if begun[0] > 0:
            held.append(time.perf_counter() - begun[0])
            begun[0] = 0.0

    engine.dialect.do_commit = commit
    return held


def ask(app: Any, number: int) -> None:
    """Open the form, and send it as the page for checking the answers does."""
    client = app.test_client()
    place = {"REMOTE_ADDR": f"10.{number // 250}.{number % 250}.7"}
    page = client.get("/requests/consultation", base_url=BASE, environ_overrides=place).text
    tokens = dict(re.findall(r'name="(csrf_token|form_token)"[^>]*value="([^"]+)"', page))
    answer = client.post(
        "/requests/consultation", data={**ANSWERS, **tokens}, base_url=BASE, environ_overrides=place
    )
    if answer.status_code != 303:
        raise SystemExit(f"{answer.status_code}: {answer.text[:300]}")


def _employ(count: int) -> None:
    """Members of staff who get a notice of each request."""
    columns = [row[1] for row in db.session.execute(text('PRAGMA table_info("user")'))]
    db.session.rollback()
    with db.engine.connect() as connection:
        for number in range(count):
            known: dict[str, Any] = {
                "email": f"staff{number}@pharmacy.example",
                "name": f"Staff {number}",
                "role": "pharmacist",
                "roles": "pharmacist",
                "active": True,
                "fs_uniquifier": f"{number:064}",
                "session_key": f"{number:064}",
                "created_at": "2026-01-15 18:00:00.000000",
            }
            row = {name: value for name, value in known.items() if name in columns}
            names = ", ".join(row)
            connection.execute(
                text(f'INSERT INTO "user" ({names}) VALUES ({", ".join(":" + name for name in row)})'), row
            )
        connection.commit()


if __name__ == "__main__":
    main()
