"""Keeping on PostgreSQL, each verb once, with what is hard to carry."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from flask import Flask
from sqlalchemy import make_url, select, text
from sqlalchemy.exc import DBAPIError

from config import Config
from portal.app import create_app
from portal.backup import moving
from portal.backup.postgres import connected
from portal.clock import now
from portal.db import db, transaction
from portal.intake.models import Message, MessageKind, Request
from portal.seals.jobs import seal_all
from tests import postgres
from tests.intake.samples import how_many, staff, submit
from tests.live import Live

pytestmark = [pytest.mark.slow, pytest.mark.postgres]

HARD = "a\tb\nc\\.\n\\.\n\\N\\t \"q\" 'q' \r\n\x7f ñ 🙂 COPY public.request (id) FROM stdin;\n"
OWN = "CREATE DATABASE portal TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C.UTF-8'"
CARRIED = ("request", "request_message", "request_term", "npi_check", "mail_body", "audit_seal")


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Live]:
    tools = postgres.binaries()
    if tools is None:
        pytest.skip("needs Debian's postgresql")
    with tempfile.TemporaryDirectory() as name:  # that an ordinary user may enter
        server = postgres.Server(tools, Path(name))
        with psycopg.connect(server.url.replace("+psycopg", ""), autocommit=True) as database:
            database.execute(OWN)
        made = Live(tmp_path / "instance", DATABASE_URL=server.url.removesuffix("postgres") + "portal")
        yield made.migrate()
        made.stop()
        server.stop()


@pytest.fixture
def app(live: Live) -> Iterator[Flask]:
    made = create_app(Config.from_env(live.env))
    yield made
    let_go(made)


def let_go(app: Flask) -> None:
    """Hold no connection: a restore wants the database for itself."""
    with app.app_context():
        db.session.remove()
        db.engine.dispose()


@pytest.fixture
def run(app: Flask, live: Live, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    for name, value in live.env.items():
        monkeypatch.setenv(name, value)

    def invoke(*words: object) -> Any:
        let_go(app)
        return app.test_cli_runner().invoke(args=[str(word) for word in words])

    return invoke


def digests(app: Flask) -> dict[str, tuple[int, str]]:
    """Of each table that a restore changes nothing in."""
    with connected(make_url(app.config["SQLALCHEMY_DATABASE_URI"])) as connection:
        return {name: moving._digest(db.metadata.tables[name], connection) for name in CARRIED}


def sorts(app: Flask) -> tuple[str, ...]:
    """How the database writes and sorts text."""
    told = (
        "SELECT pg_encoding_to_char(encoding), datcollate, datctype FROM pg_database WHERE datname = 'portal'"
    )
    with app.app_context():
        return tuple(db.session.execute(text(told)).one())


def test_what_is_hard_to_carry_comes_back_as_it_was(app: Flask, run: Callable[..., Any]) -> None:
    by = staff(app)
    submit(app)
    with app.app_context():
        with transaction():
            asked = db.session.scalars(select(Request)).one()
            asked.note = asked.question = HARD
            db.session.add(
                Message(
                    request_id=asked.id,
                    kind=MessageKind.ANSWER,
                    author_id=by.id,
                    author_name=by.name,
                    written_at=now(),
                    text=HARD,
                    form_token="token-m",
                )
            )
        seal_all(now() + timedelta(hours=1))
    before = digests(app)
    assert before["audit_seal"][0] == 1
    made = run("backup", "create")
    assert made.exit_code == 0, made.output
    file = Path(made.stdout.strip())
    assert "is good" in run("backup", "verify", file).stdout
    assert run("audit", "verify", "--backup", file).exit_code == 0
    submit(app, "token-2", email="later@clinic.example")

    restored = run("backup", "restore", file)

    assert restored.exit_code == 0, restored.output
    assert digests(app) == before
    assert sorts(app) == ("UTF8", "C", "C.UTF-8")
    assert run("audit", "verify").exit_code == 0
    assert run("jobs", "run", "audit.seal").exit_code == 0
    with app.app_context(), pytest.raises(DBAPIError, match="append-only"), transaction():
        db.session.execute(text("DELETE FROM audit_seal"))
    submit(app, "token-3", email="next@clinic.example")
    assert how_many(app) == 2, "numbers go on"

    given = run("person", "export", "ana@clinic.example")
    assert json.loads(given.stdout)["request_message"][0]["text"] == HARD
    assert run("person", "erase", "ana@clinic.example").exit_code == 2, "it is open"
    assert run("person", "erase", "ana@clinic.example", "--withdraw").exit_code == 0
    assert json.loads(run("person", "export", "ana@clinic.example").stdout) == {}
    assert run("retention", "run").exit_code == 0
    assert run("audit", "verify").exit_code == 0
