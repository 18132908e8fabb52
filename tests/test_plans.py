"""No page of staff and no job reads all of a table that grows: SQLite's own plan of every statement says so.

It plans without statistics, so a handful of rows is planned as a million are. How long each takes with a million is
measured by `python -m bench.growth`.
"""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing

import pytest
from flask import Flask

from bench import sizes
from bench.growth import NOT_RUN, Asked, pages, watched
from portal.db import transaction
from portal.desk import pieces
from portal.intake import terms
from portal.jobs import JOBS, Hand
from portal.mail import lanes
from portal.settings import settings
from tests import world
from tests.intake.samples import submit

GROWS = (
    *("request", "request_term", "request_word", "request_message", "npi_check", "audit_entry"),
    *("mail_delivery", "mail_body"),
    *("signup", "newsletter_token", "subscriber", "subscription", "consent_event"),
)
# A table from end to end, by no index; and rows that are sorted, so that all are read before the first is shown.
WHOLE = re.compile(
    rf"SCAN ({'|'.join(GROWS)})(?! USING)(?!.*ORDER BY subscriber.id DESC LIMIT)"
)  # the newest
OF_THEM = re.compile(rf"(SCAN|SEARCH) ({'|'.join(GROWS)})\b")
SORTED = "USE TEMP B-TREE FOR ORDER BY"
# What may be sorted: what is open, what few words or mails lead to, and what one request or person has.
FEW = re.compile(
    r"request\.status IN \(|INTEGER PRIMARY KEY \(rowid=\?\)|sqlite_autoindex_request_\d \(reference=\?\)"
    r"|ix_request_npi \(npi=\?|request_id=\?|ix_mail_delivery_recipient_key|state=\? AND lane=\?|ix_mail_body_faults"
    r"|audit_entry USING INDEX ix_audit_entry_subject"
)
# They look at all on purpose, once a day, and hold no lock meanwhile.
DAILY = {"retention.requests", "retention.sealed", "audit.verify"}


def faults(asked: Asked, file: str) -> list[str]:
    """The statements of which the plan says that they read more than they show."""
    found = []
    with closing(sqlite3.connect(file)) as database:
        for sql, values in asked.statements:
            if isinstance(values, list) or not sql.upper().startswith(("SELECT", "UPDATE", "DELETE", "WITH")):
                continue
            plan = " | ".join(row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {sql}", values))
            is_sorted = SORTED in plan and OF_THEM.search(plan) and not FEW.search(plan + sql)
            if WHOLE.search(f"{plan} {' '.join(sql.split())}") or is_sorted:
                found.append(f"{plan}\n   {' '.join(sql.split())}")
    return found


@pytest.fixture
def file(app: Flask) -> str:
    """The database."""
    with app.app_context():
        if not settings().is_sqlite:
            pytest.skip("reads SQLite's plans")
        return str(settings().INSTANCE_DIR / "portal.db")


@pytest.mark.parametrize("few", [1000, -1])  # where each word is in very many requests, too
def test_no_page_of_staff_reads_all_of_a_table_that_grows(
    app: Flask, file: str, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terms, "FEW", few)
    monkeypatch.setattr(pieces, "LOOKED_AT", 1)  # so that two are very many
    submit(app)
    submit(app, "another")
    staff = app.extensions["staff"]
    with staff.app_context(), transaction():
        cookie = world.sign_in(world.employ("Mia Boss", "manager"))
    client = app.test_client()
    client.set_cookie(staff.session_interface.get_cookie_name(staff), cookie, domain="localhost", path="/")
    paths = {
        name: path
        for name, path in pages(10).items()
        if "/requests/LDN" not in path and "part of" not in name
    }
    bad: dict[str, list[str]] = {}
    for name, path in paths.items():
        with watched(staff) as asked:
            client.get(path)
        assert asked.statements
        if found := faults(asked, file):
            bad[name] = found

    assert len(paths) > 70
    assert bad == {}


def test_no_job_reads_all_of_a_table_that_grows(app: Flask, file: str) -> None:
    bad: dict[str, list[str]] = {}
    for job in JOBS:
        if job.name not in (*NOT_RUN, *DAILY):
            with watched(app) as asked, app.app_context():
                job.step(Hand("test", lambda _seconds: False))
            if found := faults(asked, file):
                bad[job.name] = found

    assert len(list(JOBS)) > 15
    assert bad == {}


def test_a_worker_that_starts_looks_at_what_was_in_hand_alone(app: Flask, file: str) -> None:
    with watched(app) as asked, app.app_context(), transaction():
        lanes.free_leases()

    (statement,) = asked.statements
    with closing(sqlite3.connect(file)) as database:
        plan = [row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {statement[0]}", statement[1])]
    assert plan == ["SCAN mail_delivery USING INDEX ix_mail_delivery_leased"]


def test_a_portal_of_any_size_can_be_made_of_these_tables(file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sizes, "PRESCRIBERS", 20)
    with closing(sqlite3.connect(file)) as database:
        sizes.prepare(database)
        for table, sql in sizes.STEPS.items():
            database.execute(f"EXPLAIN {sql}", dict.fromkeys(re.findall(r":([a-z]+)", sql), 1))
            given = set(re.findall(r"\w+", sql[sql.index("INSERT") :].partition("(")[2].partition(")")[0]))
            asked = {
                name
                for _, name, _, not_null, default, key in database.execute(f'PRAGMA table_info("{table}")')
                if not_null and default is None and not key
            }
            assert not asked - given, table
