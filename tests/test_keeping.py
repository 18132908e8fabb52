"""Every table is in the register of what is kept, what is over goes, and a person can be told all there is."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select

from config import ROOT
from portal import keeping
from portal.app import ROOMS_KEPT, create_app
from portal.db import db, transaction
from portal.errors import CodeFaults
from portal.keeping import KEPT, Kept
from portal.people import invitations
from portal.people.models import Invite, StaffSession
from tests.conftest import Clock
from tests.intake.samples import CONSULTATION, submit

ALL = [kept for room in ROOMS_KEPT for kept in room.KEPT]


@pytest.fixture
def signed_in_tables(app: Flask) -> Iterator[Callable[..., list[str]]]:
    """Sign other tables in for one test; returns what is wrong with them."""

    def sign_in(*some: Kept) -> list[str]:
        return KEPT.fill(some) + keeping.faults(db.metadata)

    yield sign_in
    KEPT.fill(ALL)


def test_every_table_is_registered_and_no_other(app: Flask) -> None:
    assert {kept.table for kept in ALL} == set(db.metadata.tables)
    assert len(ALL) == len(db.metadata.tables)


def test_what_looks_personal_is_called_so() -> None:
    """Names that hold an address, a name or free text: each is registered as personal, or no person's."""
    telling = {"name", "email", "address", "recipient", "phone", "text", "question", "note", "network", "npi"}
    nobodys = {("job", "name"), ("request_message", "author_id")}
    missed = {
        (kept.table, column)
        for kept in ALL
        for column in list(db.metadata.tables[kept.table].columns.keys())
        if column in telling and column not in kept.personal
    }

    assert missed - nobodys == set()


def test_the_docs_say_what_the_register_says() -> None:
    lines = (ROOT / "docs" / "keeping.md").read_text(encoding="utf-8").splitlines()
    told = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| `")]

    assert told == [
        [f"`{kept.table}`", ", ".join(kept.personal) or "nothing", kept.rule, _given(kept)] for kept in ALL
    ]


def _given(kept: Kept) -> str:
    return ", ".join(kept.exported) or kept.hidden or "nothing: it holds no more than that"


def test_what_is_wrong_with_an_entry_stops_the_start(
    app: Flask, signed_in_tables: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    invite = next(kept for kept in ALL if kept.table == "invite")

    assert signed_in_tables(*ALL) == []
    assert signed_in_tables(
        Kept(table="ghost", rule="for ever"),
        replace(invite, personal=("email", "shoe_size"), since=""),
        replace(invite, table="job", whose=(), exported=(), personal=("name",), since="", after=None),
    ) == [
        "kept table 'ghost': there is no such table",
        "kept table 'invite': there is no column 'shoe_size'",
        "kept table 'invite': an age and the moment it counts from go together",
        "kept table 'job': say what a person is given, or why nothing is",
    ]
    monkeypatch.setattr("portal.app.ROOMS_KEPT", (*ROOMS_KEPT, ROOMS_KEPT[0]))
    with pytest.raises(CodeFaults, match="two entries of kept tables are called job"):
        create_app(app.extensions["settings"])


def test_what_is_over_goes_and_what_is_not_stays(app: Flask, clock: Clock) -> None:
    with app.app_context():
        with transaction():
            invitations.invite(email="a@b.example", roles=("desk",), by=None, at=clock())
            for minutes in (0, 29):
                db.session.add(
                    StaffSession(
                        digest=str(minutes),
                        data={},
                        browser="",
                        created_at=clock(),
                        seen_at=clock() + timedelta(minutes=minutes),
                        expires_at=clock() + timedelta(hours=12),
                    )
                )
        clock.tick(minutes=31)
        while keeping.forget(clock()):
            pass
        assert db.session.scalars(select(StaffSession.digest)).all() == ["29"]
        assert db.session.scalar(select(func.count()).select_from(Invite)) == 1
        db.session.rollback()

        clock.tick(days=32)
        while keeping.forget(clock()):
            pass
        assert db.session.scalar(select(func.count()).select_from(Invite)) == 0


def test_a_full_batch_says_that_there_may_be_more(
    app: Flask, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "BATCH", 2)
    with app.app_context():
        with transaction():
            for number in range(3):
                invitations.invite(email=f"a{number}@b.example", roles=("desk",), by=None, at=clock())
        clock.tick(days=32)

        assert keeping.forget(clock()) is True
        assert keeping.forget(clock()) is False
        assert db.session.scalar(select(func.count()).select_from(Invite)) == 0


def test_a_person_is_told_all_there_is_and_nobody_elses(app: Flask) -> None:
    reference = submit(app)
    submit(app, "token-2", email="other@clinic.example")
    address = CONSULTATION["email"].upper()

    done = app.test_cli_runner().invoke(args=["person", "export", address])

    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert [row["reference"] for row in found["request"]] == [reference]
    assert found["request"][0]["question"] == CONSULTATION["question"]
    assert {row["recipient"].lower() for row in found["mail_delivery"]} == {CONSULTATION["email"].lower()}
    assert "receipt_hash" not in done.stdout
    assert app.test_cli_runner().invoke(args=["person", "export", "nobody@x.example"]).stdout == "{}\n"
