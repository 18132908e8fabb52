"""The commands: what they print, and the status they end with."""

from __future__ import annotations

import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select, text

from portal import jobs, keeping, serve
from portal.audit import AuditEntry
from portal.db import db, transaction
from portal.intake.models import Request, Status
from portal.mail import promise as mail
from portal.mail.models import Delivery, State
from portal.mail.transport import FileTransport, Rejected, RelayDown
from portal.people import accounts
from portal.people.models import Invite, User
from portal.people.rights import SETS, spelled
from portal.worker import Worker
from tests.conftest import START
from tests.intake import samples
from tests.pages import Visitor

Run = Callable[..., Any]


@pytest.fixture
def run(app: Flask) -> Run:
    """`flask …` with these words."""
    return lambda *words: app.test_cli_runner().invoke(args=list(words))


@pytest.fixture
def promised(app: Flask) -> Callable[[], None]:
    """One mail waits."""

    def promise() -> None:
        with app.app_context(), transaction():
            mail.promise("people/notice", to="a@b.example", facts={"what": "X."}, cause="user:1", at=START)

    return promise


def state_of_mail(app: Flask) -> str:
    with app.app_context():
        return str(db.session.scalars(select(Delivery.state)).one())


def one_line(text_: str) -> bool:
    return len(text_.strip().splitlines()) == 1 and "Traceback" not in text_


# ---- flask npi check


@pytest.mark.parametrize("npi", ["1234567893", "12345 67893", "1234-567-893"])
def test_a_good_npi_is_said_to_be_one(run: Run, npi: str) -> None:
    result = run("npi", "check", npi)

    assert (result.exit_code, result.output) == (0, "1234567893 is a valid NPI\n")


@pytest.mark.parametrize("npi", ["1234567890", "123", "", "12345A7893", "3234567899", "\ud800", "x" * 5000])
def test_a_bad_npi_is_said_to_be_none(run: Run, npi: str) -> None:
    result = run("npi", "check", npi)

    assert result.exit_code == 1
    assert one_line(result.output)


def test_a_number_is_asked_for(run: Run) -> None:
    assert run("npi", "check").exit_code == 2


# ---- flask staff


@pytest.mark.parametrize("roles", SETS, ids=spelled)
def test_an_invitation_prints_a_link_that_works(
    run: Run, app: Flask, visitor: Visitor, roles: frozenset[str]
) -> None:
    said = [word for role in roles for word in ("--role", str(role))]

    result = run("staff", "invite", "ada@pharmacy.example", *said, "--name", "Ada Okafor")

    assert result.exit_code == 0
    assert result.output.startswith("http://localhost:8000/staff/invite/")
    page = visitor.open(result.output.strip().removeprefix("http://localhost:8000"))
    assert page.soup.find(id="name")["value"] == "Ada Okafor"
    with app.app_context():
        assert db.session.scalars(select(Invite.roles)).one() == roles


def test_roles_are_changed_where_no_other_manager_is(run: Run, app: Flask) -> None:
    samples.staff(app, "Grace Hall", "manager")

    changed = run(
        "staff", "roles", "grace.manager@pharmacy.example", "--role", "pharmacist", "--role", "manager"
    )
    refused = run("staff", "roles", "grace.manager@pharmacy.example", "--role", "pharmacist")

    assert changed.output == "grace.manager@pharmacy.example: pharmacist, manager\n"
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert accounts.LAST_MANAGER in refused.stderr
    assert "pharmacist, manager  Grace Hall" in run("staff", "list").output
    for words in (["--role", "owner"], [], ["--role", ""]):
        assert run("staff", "roles", "grace.manager@pharmacy.example", *words).exit_code == 2
    assert run("staff", "roles", "nobody@pharmacy.example", "--role", "desk").exit_code == 2


@pytest.mark.parametrize(
    "words",
    [
        ["not-an-address", "--role", "desk"],
        ["ada@pharmacy.example", "--role", "owner"],
        ["ada@pharmacy.example"],
        ["ada@pharmacy.example\r\nBcc: x@y.example", "--role", "desk"],
        ["--role", "desk"],
        ["grace.pharmacist@pharmacy.example", "--role", "desk"],  # has an account, which is disabled
    ],
)
def test_a_bad_invitation_says_why_and_makes_none(run: Run, app: Flask, words: list[str]) -> None:
    samples.staff(app)
    run("staff", "disable", "grace.pharmacist@pharmacy.example")

    result = run("staff", "invite", *words)

    assert result.exit_code == 2
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    assert result.stderr.strip()
    with app.app_context():
        assert db.session.scalar(text("SELECT count(*) FROM invite")) == 0


def test_the_way_back_in_for_somebody_who_has_an_account(run: Run, app: Flask, visitor: Visitor) -> None:
    user = samples.staff(app)

    result = run("staff", "invite", "grace.pharmacist@pharmacy.example", "--role", "pharmacist")

    assert result.exit_code == 0
    visitor.open(result.output.strip().removeprefix("http://localhost:8000")).sees(
        "You sign in as grace.pharmacist@pharmacy.example"
    )
    with app.app_context():
        actions = db.session.scalars(select(AuditEntry.action).where(AuditEntry.subject == user.subject))
        assert list(actions) == ["staff.factors_voided"]


def test_everybody_is_listed_and_who_is_disabled(run: Run, app: Flask) -> None:
    assert run("staff", "list").output == ""
    samples.staff(app)
    samples.staff(app, "Dee Ramos", "desk")
    assert run("staff", "disable", "dee.desk@pharmacy.example").exit_code == 0

    result = run("staff", "list")

    assert result.exit_code == 0
    assert result.output.splitlines() == [
        "grace.pharmacist@pharmacy.example  pharmacist  Grace Hall",
        "dee.desk@pharmacy.example  desk  Dee Ramos  (disabled)",
    ]


def test_who_is_disabled_is_out_and_their_requests_are_free(run: Run, app: Flask) -> None:
    user = samples.staff(app)
    reference = samples.submit(app)
    with app.app_context(), transaction():
        db.session.execute(
            db.update(Request).values(owner_id=user.id, status=Status.IN_PROGRESS, claimed_at=START)
        )

    result = run("staff", "disable", "Grace.Pharmacist@pharmacy.example")

    assert result.exit_code == 0, result.output
    assert one_line(result.output)
    with app.app_context():
        assert db.session.get_one(User, user.id).active is False
        actors = db.session.execute(
            select(AuditEntry.actor_name).where(AuditEntry.action == "staff.disabled")
        )
        assert actors.scalar_one() == "the portal"
    assert samples.the_request(app, reference).owner_id is None


def test_nobody_cannot_be_disabled(run: Run) -> None:
    result = run("staff", "disable", "nobody@pharmacy.example")

    assert (result.exit_code, result.stdout) == (2, "")
    assert one_line(result.stderr)


# ---- flask seed


def test_no_demo_world_in_production(run: Run, app: Flask, change_settings: Callable[..., None]) -> None:
    change_settings(APP_ENV="production")

    result = run("seed")

    assert (result.exit_code, result.stdout) == (2, "")
    assert one_line(result.stderr)
    assert samples.how_many(app) == 0


@pytest.mark.parametrize("there", ["a person", "a request"])
def test_no_demo_world_over_a_real_one(run: Run, app: Flask, there: str) -> None:
    if there == "a person":
        samples.staff(app)
    else:
        samples.submit(app)
    before = samples.how_many(app), samples.how_many(app, User)

    result = run("seed")

    assert (result.exit_code, result.stdout) == (2, "")
    assert one_line(result.stderr)
    assert (samples.how_many(app), samples.how_many(app, User)) == before


# ---- flask worker


def test_the_worker_does_once_what_is_due(run: Run, app: Flask, promised: Callable[[], None]) -> None:
    promised()

    result = run("worker", "--once")

    assert (result.exit_code, result.output) == (0, "1 mail handled.\n")
    assert state_of_mail(app) == State.SENT
    assert run("worker", "--once").output == "0 mails handled.\n"


def test_a_mail_server_that_is_down_is_said(
    run: Run, app: Flask, promised: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(*_args: object, **_kwargs: object) -> None:
        raise RelayDown("the mail server cannot be reached: ConnectionRefusedError")

    promised()
    monkeypatch.setattr(FileTransport, "send", down)

    result = run("worker", "--once")

    assert (result.exit_code, result.stdout) == (1, "0 mails handled.\n")
    assert one_line(result.stderr)
    assert "mail.now has to wait: the mail server cannot be reached" in result.stderr
    assert state_of_mail(app) == State.QUEUED


def test_a_job_that_fails_is_named_and_is_a_failure(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_args: object) -> bool:
        raise ValueError("ana@clinic.example")

    monkeypatch.setattr(keeping, "forget", broken)

    result = run("worker", "--once")

    assert (result.exit_code, result.stdout) == (1, "0 mails handled.\n")
    assert result.stderr.startswith("keeping.forget failed: ValueError at ") and one_line(result.stderr)
    assert "ana@" not in result.stderr


def test_mail_that_was_given_up_is_listed_and_sent_again(
    run: Run, app: Flask, promised: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_args: object, **_kwargs: object) -> None:
        raise Rejected("refused: 550 5.1.1 no")

    promised()
    promised()
    with monkeypatch.context() as patch:
        patch.setattr(FileTransport, "send", refuse)
        run("worker", "--once")
    first, second = run("mail", "dead").output.splitlines()

    assert "550 5.1.1 no" in first and "people/notice" in first and "a@b.example" not in first
    for wrong in ([], ["999"], ["1", "999"], ["1", "--all"], ["one"]):
        result = run("mail", "revive", *wrong)
        assert (result.exit_code, result.stdout) == (2, "")
    assert len(run("mail", "dead").output.splitlines()) == 2
    assert run("mail", "revive", second.split()[0]).output == "1 mail will be sent again.\n"
    assert run("mail", "revive", "--all").output == "1 mail will be sent again.\n"
    assert run("mail", "revive", "--all").output == "0 mails will be sent again.\n"
    assert run("worker", "--once").output == "2 mails handled.\n"


@pytest.fixture
def handlers() -> Iterator[None]:
    """Signals are as they were, afterwards."""
    kept = {which: signal.getsignal(which) for which in (signal.SIGINT, signal.SIGTERM)}
    yield
    for which, handler in kept.items():
        signal.signal(which, handler)


@pytest.mark.parametrize("which", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_worker_after_the_mail_in_hand(
    which: signal.Signals,
    run: Run,
    app: Flask,
    promised: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
    handlers: None,
) -> None:
    send, stop, told = FileTransport.send, Worker.stop, threading.Event()

    def noticed(self: Worker) -> None:
        stop(self)
        told.set()

    def interrupted(self: FileTransport, **order: Any) -> None:
        signal.raise_signal(which)
        assert told.wait(20)
        send(self, **order)

    monkeypatch.setattr(Worker, "stop", noticed)

    promised()
    promised()
    monkeypatch.setattr(FileTransport, "send", interrupted)

    result = run("worker")

    assert result.exit_code == 0
    with app.app_context():
        states = db.session.execute(select(Delivery.state, func.count()).group_by(Delivery.state)).all()
    assert {str(state): count for state, count in states} == {"sent": 1, "queued": 1}


# ---- flask jobs


def test_each_job_is_listed(run: Run, app: Flask) -> None:
    run("worker", "--once")

    lines = run("jobs", "list").output.splitlines()

    assert [line.split()[0] for line in lines] == [job.name for job in jobs.JOBS]
    assert "keeping.forget" in lines[0]
    assert "ran 2026-01-15 18:00 UTC, due 2026-01-15 18:10 UTC" in lines[0]


def test_a_job_is_run_by_its_name(run: Run, app: Flask, promised: Callable[[], None]) -> None:
    promised()

    assert run("jobs", "run", "mail.now").exit_code == 0
    assert state_of_mail(app) == State.SENT


def test_a_job_that_is_none_is_one_clear_line(run: Run) -> None:
    result = run("jobs", "run", "mail.typo")

    assert (result.exit_code, result.stdout) == (2, "")
    assert one_line(result.stderr)


# ---- flask serve


@pytest.fixture(autouse=True)
def supervised(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int, int, str]]:
    """Where `flask serve` would have served, had it not been stopped from it."""
    started: list[tuple[str, int, int, str]] = []

    def portal(host: str, port: int, workers: int, address: str, *, is_production: bool) -> None:
        started.append((host, port, workers, address))

    monkeypatch.setattr(serve, "portal", portal)
    monkeypatch.setattr(serve, "listens", lambda host, port: False)
    return started


def test_serving_hands_the_first_manager_a_link(
    run: Run, supervised: list[tuple[str, int, int, str]], visitor: Visitor
) -> None:
    result = run("serve")

    assert result.exit_code == 0
    assert supervised == [("127.0.0.1", 8000, 1, "http://localhost:8000")]
    link = result.output.split()[-1]
    assert link.startswith("http://localhost:8000/staff/invite/")
    visitor.open(link.removeprefix("http://localhost:8000"))


def test_in_production_no_link_is_printed_into_a_log(
    run: Run, app: Flask, change_settings: Callable[..., None]
) -> None:
    change_settings(APP_ENV="production")

    result = run("serve")

    assert result.exit_code == 0
    assert "/staff/invite/" not in result.output
    assert "flask staff invite EMAIL --role manager" in result.output
    with app.app_context():
        assert db.session.scalar(select(func.count(Invite.id))) == 0


def test_serving_hands_out_no_link_once_somebody_can_sign_in(
    run: Run, app: Flask, supervised: list[tuple[str, int, int, str]]
) -> None:
    samples.staff(app)

    result = run("serve")

    assert result.output == ""
    assert len(supervised) == 1


def test_serving_does_not_share_a_port(
    run: Run, app: Flask, supervised: list[tuple[str, int, int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serve, "listens", lambda host, port: (host, port) == ("127.0.0.1", 8000))

    result = run("serve")

    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "Port 8000 is taken. End what listens there, or set PORT.\n"
    assert supervised == []
    with app.app_context():
        assert db.session.scalar(select(func.count()).select_from(Invite)) == 0


def test_serving_does_not_start_on_tables_of_another_version(
    run: Run, app: Flask, supervised: list[tuple[str, int, int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("portal.ops.migrations.head", lambda: "9999")

    result = run("serve")

    assert (result.exit_code, result.stdout) == (1, "")
    assert "Run `flask db upgrade`." in result.stderr
    assert supervised == []
    with app.app_context():
        assert not accounts.has_staff()


def test_with_hardly_any_room_on_the_disk_pages_are_served_all_the_same(
    run: Run,
    supervised: list[tuple[str, int, int, str]],
    monkeypatch: pytest.MonkeyPatch,
    visitor: Visitor,
) -> None:
    full = shutil.disk_usage("/")._replace(free=255 * 2**20)
    monkeypatch.setattr("portal.ops.checks.shutil.disk_usage", lambda _path: full)

    result = run("serve")

    assert result.exit_code == 0
    assert "disk: 255 MiB free. Make room on the disk that holds INSTANCE_DIR." in result.stderr
    assert len(supervised) == 1
    for address in ("/", "/privacy", "/newsletter"):
        visitor.open(address)
    assert visitor.get("/readyz").status_code == 503


def test_somebody_who_lost_their_phone_gets_a_link(run: Run, app: Flask, visitor: Visitor) -> None:
    samples.staff(app)

    result = run("staff", "reset", "grace.pharmacist@pharmacy.example")

    assert result.exit_code == 0
    assert result.output.startswith("http://localhost:8000/staff/invite/")
    assert visitor.get(result.output.strip().removeprefix("http://localhost:8000")).status_code == 200


def test_somebody_who_returns_can_sign_in_again(run: Run, app: Flask) -> None:
    samples.staff(app)
    run("staff", "disable", "grace.pharmacist@pharmacy.example")

    result = run("staff", "enable", "grace.pharmacist@pharmacy.example")

    assert (result.exit_code, result.output) == (0, "grace.pharmacist@pharmacy.example can sign in.\n")
    assert "(disabled)" not in run("staff", "list").output


@pytest.mark.parametrize("act", ["reset", "enable"])
def test_nobody_is_brought_back_who_was_never_here(run: Run, act: str) -> None:
    result = run("staff", act, "nobody@pharmacy.example")

    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
