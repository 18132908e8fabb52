"""Sign-ups that come together are kept together, and none spoils another."""

from __future__ import annotations

import threading
import time
from datetime import datetime
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, select

from portal.db import db
from portal.errors import Unavailable
from portal.newsletter import consent, entry, service
from portal.newsletter.models import Signup, Source
from tests.conftest import START

MANY = 24


def accept(app: Flask, number: int, *, form_token: str = "", at: datetime = START) -> None:
    with app.app_context():
        entry.accept(
            email=f"reader{number}@mail.example",
            topics=["news"],
            language="en",
            words=consent.current("en"),
            source=Source.FORM,
            page="/newsletter",
            network=f"10.0.{number}.0/24",
            form_token=form_token or f"token-{number}",
            throttle=app.extensions["throttle"],
            at=at,
        )


def all_at_once(app: Flask, tokens: dict[int, str]) -> list[BaseException]:
    """All of them come in while one is being written."""
    failed: list[BaseException] = []

    def run(number: int) -> None:
        try:
            accept(app, number, form_token=tokens.get(number, ""))
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(MANY)]
    with entry._leader.mine():
        for thread in threads:
            thread.start()
        while len(entry._waiting) < MANY:
            time.sleep(0.001)
    for thread in threads:
        thread.join()
    return failed


def addresses(app: Flask) -> list[str]:
    with app.app_context():
        return sorted(db.session.scalars(select(Signup.address)))


def test_many_at_once_are_all_kept_in_one_commit(app: Flask) -> None:
    commits: list[object] = []
    with app.app_context():
        engine = db.engine
    note = commits.append
    event.listen(engine, "commit", note)

    failed = all_at_once(app, {})

    event.remove(engine, "commit", note)
    assert failed == []
    assert len(commits) == 1
    assert len(addresses(app)) == MANY
    assert entry._waiting == []


def test_a_repeat_among_many_spoils_nobody(app: Flask) -> None:
    same = dict.fromkeys((3, 9, 17), "the-same-form")

    assert all_at_once(app, same) == []

    assert len(addresses(app)) == MANY - len(same) + 1


def test_when_nothing_can_be_saved_everybody_is_told(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_rows: Any) -> None:
        raise Unavailable("Nothing was saved.")

    monkeypatch.setattr(service, "sign_up", fail)

    failed = all_at_once(app, {})

    assert len(failed) == MANY
    assert {type(error) for error in failed} == {Unavailable}
    assert addresses(app) == []
    assert entry._waiting == []
