"""The remote registry in all its shapes, by a server of our own on this machine."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from portal.errors import Unavailable
from portal.npi import remote
from portal.npi.remote import NO_DAY, Remote, fault
from portal.npi.verdicts import Provider, Typed, judge

NPI, TODAY = "1234567893", date(2026, 11, 9)
JANE: dict[str, Any] = {
    "number": NPI,
    "enumeration_type": "NPI-1",
    "basic": {
        "first_name": "JANE", "last_name": "DOE", "middle_name": "--", "credential": "M.D.", "status": "A",
    },
    "taxonomies": [
        {"code": "111N00000X", "state": "NV", "primary": False},
        {"code": "207Q00000X", "state": "CA", "primary": True},
    ],
    "addresses": [
        {"address_purpose": "MAILING", "state": "TX", "telephone_number": "111-111-1111"},
        {"address_purpose": "LOCATION", "state": "CA", "telephone_number": "925-555-0142"},
    ],
    "other_names": [{"type": "Former Name", "last_name": "ROE", "first_name": "JANE"}],
}  # fmt: skip
CLINIC = {"number": NPI, "enumeration_type": "NPI-2", "basic": {"organization_name": "EXAMPLE CLINIC"}}


def results(*rows: object) -> bytes:
    return json.dumps({"result_count": len(rows), "results": rows}).encode()


def errors(number: object) -> bytes:
    said = {"description": "CMS deactivated NPI", "field": "number", "number": number}
    return json.dumps({"Errors": [said]}).encode()


class Server(ThreadingHTTPServer):
    """Answers what a test gives it, in turn; the last one for ever."""

    daemon_threads = True
    answers: list[tuple[int, bytes]]
    asked: list[str]

    def handle_error(self, *_who: object) -> None:
        """Whoever was cut off is no news."""


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        answers = self.server.answers
        status, body = answers.pop(0) if len(answers) > 1 else answers[0]
        self.send_response(status)
        if 300 <= status < 400:
            self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        for byte in body if body.startswith(b"drip") else ():
            self.wfile.write(bytes([byte]))
            time.sleep(0.05)
        self.wfile.write(body)

    def log_message(self, *_words: object) -> None:
        pass


@pytest.fixture(scope="module")
def running() -> Iterator[Server]:
    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def server(running: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    monkeypatch.setattr(remote, "PAUSES", (0.0, 0.0, 0.0))
    running.answers, running.asked = [], []
    return running


def ask(server: Server, *answers: tuple[int, bytes] | bytes) -> Provider | None:
    server.answers = [one if isinstance(one, tuple) else (200, one) for one in answers]
    answer = Remote(f"http://127.0.0.1:{server.server_port}/api/").ask(NPI, TODAY)
    assert (answer.as_of, answer.source) == (TODAY, "127.0.0.1")
    return answer.known


def test_a_person(server: Server) -> None:
    known = ask(server, results(JANE))

    assert server.asked == [f"/api/?version=2.1&number={NPI}"]
    assert known
    assert (known.names.last, known.names.first, known.names.middle) == ("DOE", "JANE", "")
    assert known.names.other_last == "ROE"
    assert (known.taxonomies, known.states) == (("207Q00000X", "111N00000X"), ("CA", "NV"))
    assert (known.credential, known.phone, known.is_active) == ("M.D.", "9255550142", True)


@pytest.mark.parametrize(
    ("body", "verdict"),
    [
        (results({**JANE, "number": int(NPI)}), "match"),
        (results({**JANE, "basic": {**JANE["basic"], "status": "D"}}), "deactivated"),
        (results({**JANE, "basic": "none", "taxonomies": None, "addresses": {}}), "name_differs"),
        (results(CLINIC), "organisation"),
        (results(), "not_found"),
        (errors("15"), "deactivated"),
        (errors(15), "deactivated"),
    ],
)
def test_what_it_says_becomes_a_verdict(server: Server, body: bytes, verdict: str) -> None:
    assert judge(Typed("Jane Doe"), ask(server, body), TODAY).headline == verdict


def test_a_withdrawn_number_has_no_day(server: Server) -> None:
    known = ask(server, errors("15"))
    assert known and (known.deactivated, known.is_active) == (NO_DAY, False)


@pytest.mark.parametrize(
    "body",
    [
        errors("07"),
        json.dumps({"Errors": "odd"}).encode(),
        b"<html>Maintenance</html>",
        b"",
        b"[]",
        b"[" * 100_000,
        b"\xff\xfe",
        results({**JANE, "number": "1993999998"}),
        results({**JANE, "enumeration_type": "NPI-3"}),
        results(JANE, JANE),
        json.dumps({"result_count": 0}).encode(),
        results(JANE) + b" " * remote.ANSWER_MOST,
    ],
    ids=lambda body: body[:24],
)
def test_what_is_not_understood_is_never_read_as_not_found(server: Server, body: bytes) -> None:
    with pytest.raises(Unavailable, match="not understood"):
        ask(server, body)
    assert len(server.asked) == 1


def test_a_server_that_fails_is_asked_again(server: Server) -> None:
    assert ask(server, (500, b"oh"), (503, b"oh"), results(JANE))
    assert len(server.asked) == 3


@pytest.mark.parametrize(("status", "times"), [(500, 3), (429, 3), (302, 1), (307, 1), (404, 1), (403, 1)])
def test_a_server_that_goes_on_failing_and_one_that_sends_us_elsewhere(
    server: Server, status: int, times: int
) -> None:
    with pytest.raises(Unavailable, match="does not answer"):
        ask(server, (status, results()))
    assert [path.partition("?")[0] for path in server.asked] == ["/api/"] * times


def test_a_server_that_drips_is_cut(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "SECONDS", 0.1)
    monkeypatch.setattr(remote, "PAUSES", (0.0,))
    began = time.monotonic()
    with pytest.raises(Unavailable):
        ask(server, b"drip" * 100)
    assert time.monotonic() - began < 2


def test_nobody_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "PAUSES", (0.0,))
    with pytest.raises(Unavailable, match="does not answer"):
        Remote("http://127.0.0.1:9/api/").ask(NPI, TODAY)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("https://npiregistry.cms.hhs.gov/api/", ""),
        ("http://127.0.0.1:8080/api/", ""),
        ("http://npiregistry.cms.hhs.gov/api/", "https"),
        ("https://npiregistry.cms.hhs.gov.example/api/", "must name the host"),
        ("https://npiregistry.cms.hhs.gov/", "with its path"),
        ("https://169.254.169.254/", "must name the host"),
        ("https://user@npiregistry.cms.hhs.gov/api/", "neither a user"),
        ("https://npiregistry.cms.hhs.gov/api/?limit=2", "neither a user"),
        ("file:///etc/passwd", "must name the host"),
    ],
)
def test_which_addresses_are_asked(url: str, why: str) -> None:
    assert (why in fault(url)) if why else not fault(url)
