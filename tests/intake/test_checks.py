"""Every request with an NPI gets a verdict after it is stored; it is kept, and another one only adds to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import func, select

from config import Config, ConfigError
from portal.clock import now
from portal.db import db, transaction
from portal.desk import identity, perform
from portal.errors import Conflict, Unavailable
from portal.intake import checks, jobs
from portal.intake.checks import NpiCheck
from portal.intake.models import Request
from portal.npi import importing
from portal.npi.index import NAME
from portal.npi.names import Registered
from portal.npi.remote import Remote
from portal.npi.verdicts import Answer, Provider, Verdict
from portal.retention import requests
from portal.worker import Worker
from tests.conftest import Clock
from tests.intake.samples import how_many, staff, submit, submit_resource, the_request
from tests.npi.test_importing import JANE, text, zipped

AT = datetime(2026, 11, 9, tzinfo=UTC)
NOT_THERE = Answer(None, AT.date())


def work(app: Flask) -> None:
    """Let the worker do all that is due."""
    with app.app_context():
        Worker().run_once()


def verdicts(app: Flask) -> list[str]:
    with app.app_context():
        return list(db.session.scalars(select(NpiCheck.verdict).order_by(NpiCheck.id)))


@pytest.fixture(autouse=True)
def none(app: Flask) -> Iterator[None]:
    """No index before, and none afterwards."""
    index = app.extensions["settings"].INSTANCE_DIR / NAME
    index.unlink(missing_ok=True)
    yield
    index.unlink(missing_ok=True)


@pytest.fixture
def registry(app: Flask, none: None, tmp_path: Path) -> None:
    """An index that knows Jane Doe."""
    folder = app.extensions["settings"].INSTANCE_DIR
    importing.take(zipped(tmp_path / "full.zip", text(JANE)), folder, at=AT)


def test_a_verdict_is_kept_with_what_it_rests_on(app: Flask, registry: None) -> None:
    submit(app, name="Jane Doe", credential="MD")
    assert the_request(app).verdict == ""

    work(app)

    assert the_request(app).verdict == "match"
    assert the_request(app).version == 1  # nobody's draft is stale by it
    with app.app_context():
        check = checks.latest(the_request(app))
        assert check is not None
        assert check.typed == {"name": "Jane Doe", "credential": "MD", "state": "CA"}
        assert (check.finding.as_of, check.source) == (date(2026, 11, 8), "full.zip")
        assert check.known is not None
        assert (check.known.names.last, check.known.taxonomies[0]) == ("DOE", "207Q00000X")
        assert check.finding.sentence == "Number, name and profession agree with the registry."


def test_without_a_registry_it_says_so_and_asks_again_when_there_is_one(
    app: Flask, clock: Clock, tmp_path: Path
) -> None:
    submit(app, name="Jane Doe", credential="MD")
    submit_resource(app)  # without an NPI
    work(app)
    work(app)
    assert verdicts(app) == ["unchecked"]

    importing.take(zipped(tmp_path / "full.zip", text(JANE)), app.extensions["settings"].INSTANCE_DIR, at=AT)
    clock.tick(minutes=16)
    work(app)

    assert verdicts(app) == ["unchecked", "match"]


def test_an_index_that_cannot_be_read_is_no_verdict_on_anybody(app: Flask) -> None:
    submit(app)
    (app.extensions["settings"].INSTANCE_DIR / NAME).write_bytes(b"half written" * 500)

    work(app)

    assert verdicts(app) == ["unchecked"]


def test_checking_again_adds_one(app: Flask, registry: None) -> None:
    reference, ada = submit(app), staff(app, "Ada King", "desk")
    work(app)
    with app.app_context(), transaction():
        perform.perform(identity.CHECK_AGAIN, perform.get(reference), by=ada, at=now())
    with app.app_context():  # until the worker comes by, the last one stands
        assert checks.latest(the_request(app)) is not None

    work(app)

    assert verdicts(app) == ["name_differs", "name_differs"]


def test_what_has_no_npi_cannot_be_checked_again(app: Flask) -> None:
    reference, ada = submit_resource(app), staff(app, "Ada King", "desk")

    with pytest.raises(Conflict), app.app_context(), transaction():
        perform.perform(identity.CHECK_AGAIN, perform.get(reference), by=ada, at=now())


def test_a_registry_that_does_not_answer_is_tried_once_and_not_for_each(app: Flask) -> None:
    for number in range(3):
        submit(app, f"token-{number}")
    asked = []

    def down(npi: str, _again: bool) -> Answer:
        asked.append(npi)
        raise Unavailable("it does not answer")

    with app.app_context():
        assert not checks.check_new(down, now())
        checks.check_unchecked(down, now())

    assert verdicts(app) == ["unchecked"] * 3
    assert len(asked) == 4


def test_many_are_checked_in_batches(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "BATCH", 2)
    for number in range(3):
        submit(app, f"token-{number}")
    with app.app_context():
        assert checks.check_new(lambda _npi, _again: NOT_THERE, now())
        assert not checks.check_new(lambda _npi, _again: NOT_THERE, now())
        assert db.session.scalar(select(func.count()).where(Request.verdict == Verdict.NOT_FOUND)) == 3


def test_who_is_erased_leaves_no_verdict_behind(app: Flask, registry: None) -> None:
    submit(app)
    submit(app, "token-2")
    with app.app_context():
        checks.check_new(lambda _npi, _again: NOT_THERE, now())
        asked = checks._some(Request.id == 1)[0]
        with transaction():
            requests.blank([1, 2])
        checks._check(asked, lambda _npi, _again: NOT_THERE, now())  # in the middle of a check
        assert db.session.scalars(select(Request.verdict)).all() == ["not_found", "not_found"]
    work(app)
    assert how_many(app, NpiCheck) == 0


def test_the_remote_registry_is_asked_for_what_the_index_does_not_know(
    app: Flask, clock: Clock, registry: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(app.extensions["settings"], NPI_REGISTRY_URL="https://npiregistry.cms.hhs.gov/api/")
    monkeypatch.setattr(jobs, "settings", lambda: config)
    asked, known = [], Provider(npi="1993999998", names=Registered("DOE", "JANE"), taxonomies=("207Q00000X",))
    is_down = [False]

    def ask(_self: Remote, npi: str, today: date) -> Answer:
        asked.append(npi)
        if is_down[0]:
            raise Unavailable("it does not answer")
        return Answer(known, today, "npiregistry.cms.hhs.gov")

    monkeypatch.setattr(Remote, "ask", ask)
    submit(app, "token-1", name="Jane Doe", credential="")
    work(app)
    assert (verdicts(app), asked) == (["match"], [])  # the index knows her
    for number in (2, 3):  # the second time it is remembered
        submit(app, f"token-{number}", name="Jane Doe", credential="", npi="1993999998")
        work(app)
    assert (verdicts(app), asked) == (["match"] * 3, ["1993999998"])
    ada = staff(app, "Ada King", "desk")
    with app.app_context(), transaction():
        perform.perform(identity.CHECK_AGAIN, db.session.get_one(Request, 2), by=ada, at=now())
    work(app)
    assert asked == ["1993999998"] * 2  # checked again means asked again

    is_down[0] = True
    clock.tick(days=31)
    submit(app, "token-4", npi="1993999998")
    work(app)
    assert verdicts(app)[-1] == "not_found"  # by the index, which could be asked
    assert asked == ["1993999998"] * 3


def test_the_address_of_the_remote_registry_is_judged_at_the_start() -> None:
    with pytest.raises(ConfigError, match="NPI_REGISTRY_URL must name the host"):
        Config.from_env({"NPI_REGISTRY_URL": "https://registry.example/api/"})
