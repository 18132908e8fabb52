"""Who leaves, or gets another role, gives their work back: by whichever door, and whoever else acts just then."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from portal.clock import now
from portal.db import db, transaction
from portal.desk import acts, perform
from portal.intake.models import Status
from portal.people import accounts, leaving
from tests.staff.conftest import Colleague, ask, signed_in, stored, trail  # noqa: F401 - fixtures

SignedIn = Callable[..., Colleague]
Ask = Callable[..., str]
Stored = Callable[[str], Any]


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Managers here gave their password a moment ago."""
    monkeypatch.setattr("portal.signin.gate.is_fresh", lambda: True)


@pytest.fixture
def at_work(signed_in: SignedIn, ask: Ask) -> tuple[Colleague, str]:  # noqa: F811
    """A pharmacist with a consultation of theirs."""
    ada, reference = signed_in("pharmacist", "Ada Okafor"), ask()
    ada.open(f"/staff/requests/{reference}").press("Claim", status=303)
    return ada, reference


@pytest.mark.parametrize("door", ["page: disable", "page: role", "command: disable"])
def test_their_work_is_back_in_the_queue(
    door: str,
    app: Flask,
    signed_in: SignedIn,  # noqa: F811
    at_work: tuple[Colleague, str],
    stored: Stored,  # noqa: F811
    trail: Callable[[str], list[str]],  # noqa: F811
) -> None:
    ada, reference = at_work
    manager = signed_in("manager")

    if door == "page: disable":
        manager.open(f"/staff/people/{ada.user_id}").press("Disable this account", status=303)
    elif door == "page: role":
        manager.open(f"/staff/people/{ada.user_id}").fill("Desk").press("Change roles", status=303)
    else:
        answer = app.test_cli_runner().invoke(args=["staff", "disable", "ada.okafor@pharmacy.example"])
        assert answer.exit_code == 0, answer.output

    assert (stored(reference).status, stored(reference).owner_id) == (Status.NEW, None)
    assert trail(reference)[-1] == "request.released"


def test_the_role_one_has_already_takes_nothing_away(
    app: Flask,
    at_work: tuple[Colleague, str],
    stored: Stored,  # noqa: F811
) -> None:
    ada, reference = at_work

    with app.app_context(), transaction():
        accounts.change_roles(accounts.get(ada.user_id), ("pharmacist",), by=None, at=now())

    assert stored(reference).owner_id == ada.user_id


@pytest.mark.parametrize("leave", ["disable", "change_roles"])
def test_a_release_at_the_same_moment_undoes_no_leaving(
    leave: str,
    app: Flask,
    at_work: tuple[Colleague, str],
    stored: Stored,  # noqa: F811
) -> None:
    """The release is written and not committed when the leaving begins: it waits, and finds nothing to give back."""
    ada, reference = at_work
    is_written = threading.Event()

    def release() -> None:
        with app.app_context(), transaction():
            user = accounts.get(ada.user_id)
            perform.perform(acts.RELEASE, perform.get(reference), by=user, at=now(), version=2)
            db.session.flush()
            is_written.set()
            time.sleep(0.2)

    releasing = threading.Thread(target=release)
    releasing.start()
    is_written.wait()
    with app.app_context(), transaction():
        if leave == "disable":
            accounts.disable(accounts.get(ada.user_id), by=None, at=now())
        else:
            accounts.change_roles(accounts.get(ada.user_id), ("desk",), by=None, at=now())
    releasing.join()

    with app.app_context():
        user = accounts.get(ada.user_id)
        assert not user.active if leave == "disable" else user.roles == {"desk"}
    assert (stored(reference).status, stored(reference).owner_id) == (Status.NEW, None)


def test_what_leaving_means_is_filled_by_the_app(app: Flask) -> None:
    assert [step.__qualname__ for step in leaving.STEPS] == ["hand_back"]
    assert leaving.STEPS.fill((perform.hand_back, perform.hand_back)) == [
        "two entries of steps of leaving are called hand_back"
    ]
