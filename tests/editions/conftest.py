"""An edition that is written, tried and scheduled, for the tests of this room."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask

from portal.db import transaction
from portal.editions import jobs, service
from portal.editions.models import Edition, State
from portal.jobs import Hand
from portal.mail.models import Lane
from tests import world
from tests.conftest import START
from tests.mail.conftest import Sink, hand_over

SOURCE = "## Hours\n\nWe are open **later** on Thursdays.\n\n* one\n* two\n\nSee [our opening hours](https://a.example/h)."
DRAFT = {
    "slug": "march-2026",
    "topics": ["news"],
    "only_english": False,
    "is_public": True,
    "paid": "no",
    "paid_by": "",
    "subject_en": "Later on Thursdays",
    "preview_en": "New opening hours",
    "source_en": SOURCE,
    "subject_es": "Los jueves, más tarde",
    "preview_es": "Nuevo horario",
    "source_es": SOURCE.replace("Hours", "Horario"),
}


@pytest.fixture
def postal_address(app: Flask) -> Iterator[None]:
    """What a newsletter must show."""
    org = app.extensions["settings"].ORG
    was = org.address
    object.__setattr__(org, "address", "1 Main Street, San Ramon")
    yield
    object.__setattr__(org, "address", was)


@pytest.fixture
def context(app: Flask, postal_address: None) -> Iterator[Flask]:
    with app.app_context():
        yield app


@pytest.fixture
def edition(context: Flask) -> Callable[..., Edition]:
    return make_edition


def make_edition(state: State = State.SCHEDULED, **changes: Any) -> Edition:
    """An edition that was written, tried and scheduled."""
    with transaction():
        by = world.employ(role="manager")
        made = service.write(None, {**DRAFT, **changes}, version=0, by=by, at=START)
        if state != State.DRAFT:
            service.send_test(made, to="grace@pharmacy.example", by=by, at=START)
            service.schedule(made, due_at=None, version=made.version, by=by, at=START)
    return made


def step() -> None:
    jobs.JOBS[0].step(Hand("w1", lambda _seconds: False))


def send(sink: Sink, **more: Any) -> None:
    while hand_over(sink, Lane.BULK, wait=lambda _seconds: False, **more):
        pass
