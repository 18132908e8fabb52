"""Transports: what a server's answer means, over real sockets."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from portal.mail import transport as module
from portal.mail.transport import (
    Closing,
    Deferred,
    FileTransport,
    Policy,
    Rejected,
    RelayDown,
    SmtpTransport,
    transport_for,
)

ORDER: dict[str, Any] = {
    "delivery_id": 7,
    "created_at": datetime(2026, 1, 15, 18, 0, tzinfo=UTC),
    "sender": "portal@pharmacy.example",
    "recipient": "ana@clinic.example",
    "content": b"Subject: Hello\r\n\r\n.Dot first\r\n",
}


PIPELINING = "250-me\r\n250 PIPELINING"


class Server:
    """A mail server whose every answer is scripted; it keeps what it took."""

    def __init__(self, answers: dict[str, str]) -> None:
        self.answers = {
            "HELLO": "220 ready",
            "MAIL": "250 ok",
            "RCPT": "250 ok",
            "DATA": "354 go",
            ".": "250 taken",
        }
        self.answers |= answers
        self.slow: dict[str, float] = {}  # seconds before an answer
        self.once: dict[str, str] = {}  # answers to be given once
        self.heard: list[str] = []
        self.taken: list[bytes] = []
        self.connections = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            with connection, connection.makefile("rb") as lines:
                self._talk(connection, lines)

    def _talk(self, connection: socket.socket, lines: Any) -> None:
        def say(key: str) -> bool:
            threading.Event().wait(self.slow.get(key, 0))
            answer = self.once.pop(key, None) or self.answers.get(key, "250 ok")
            if answer == "drop":
                return False
            connection.sendall(answer.encode() + b"\r\n")
            return not answer.startswith("421")

        if not say("HELLO"):
            return
        for line in lines:
            self.heard.append(line.decode().strip())
            verb = line.split(None, 1)[0].decode().upper()[:4] if line.strip() else ""
            if verb == "QUIT":
                connection.sendall(b"221 bye\r\n")
                return
            if not say(verb):
                return
            if verb == "DATA" and self.answers["DATA"].startswith("354"):
                body = b""
                for part in lines:
                    if part == b".\r\n":
                        break
                    body += part
                if (self.once.get(".") or self.answers["."]).startswith("250"):
                    self.taken.append(body)
                if not say("."):
                    return


@contextmanager
def scripted(**answers: str) -> Iterator[tuple[Server, SmtpTransport]]:
    server = Server({("." if key == "dot" else key): value for key, value in answers.items()})
    transport = SmtpTransport(f"smtp://127.0.0.1:{server.port}?tls=none")
    try:
        yield server, transport
    finally:
        transport.close()
        server.listener.close()


def test_a_mail_is_handed_over_byte_for_byte_on_one_connection() -> None:
    with scripted() as (server, transport):
        transport.send(**ORDER)
        transport.send(**ORDER)

    assert server.taken == [b"Subject: Hello\r\n\r\n..Dot first\r\n"] * 2
    assert server.connections == 1
    assert [line[:4] for line in server.heard] == ["ehlo", *["MAIL", "RCPT", "DATA"] * 2, "quit"]


@pytest.mark.parametrize(
    ("content", "sent"),
    [
        (b".\r\n.a\r\nb.\r\n", b"..\r\n..a\r\nb.\r\n"),
        (b"a\r\n.b", b"a\r\n..b\r\n"),
        (b"", b"\r\n"),
    ],
)
def test_the_last_line_ends_and_dots_are_doubled_as_rfc_5321_says(content: bytes, sent: bytes) -> None:
    with scripted() as (server, transport):
        transport.send(**{**ORDER, "content": content})

    assert server.taken == [sent]


def test_where_the_server_lets_us_all_is_asked_at_once() -> None:
    """And one that waits for a mail, though it refused who gets it, gets an empty one (RFC 2920, 3.1)."""
    with scripted(EHLO=PIPELINING, RCPT="550 5.1.1 no") as (server, transport):
        with pytest.raises(Rejected):
            transport.send(**ORDER)
        server.answers["RCPT"] = "250 ok"
        transport.send(**ORDER)

    assert server.taken == [b"", b"Subject: Hello\r\n\r\n..Dot first\r\n"]
    assert server.connections == 1


@pytest.mark.parametrize("ehlo", ["250 me", PIPELINING])
@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize("how", ["drop", "421 4.7.0 so many by one connection and no more"])
def test_a_kept_connection_that_ends_costs_a_mail_nothing(ehlo: str, verb: str, how: str) -> None:
    with scripted(EHLO=ehlo) as (server, transport):
        transport.send(**ORDER)
        server.once[verb] = how
        transport.send(**ORDER)

    assert len(server.taken) == 2
    assert server.connections == 2


def test_what_may_have_been_taken_is_not_sent_on_another_connection_at_once() -> None:
    with scripted() as (server, transport):
        transport.send(**ORDER)
        server.once["."] = "drop"
        with pytest.raises(Deferred):
            transport.send(**ORDER)

    assert server.connections == 1


def test_an_address_with_a_line_end_is_never_said() -> None:
    with scripted(EHLO=PIPELINING) as (server, transport), pytest.raises(ValueError, match="line end"):
        transport.send(**{**ORDER, "recipient": "ana@clinic.example\r\nRCPT TO:<b@c.example>"})

    assert not any(line.startswith("RCPT") for line in server.heard)


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        # Who gets it, or what it says: this mail's.
        ({"RCPT": "550 5.1.1 no such user"}, Rejected),
        ({"RCPT": "550 No such user here"}, Rejected),
        (
            {"RCPT": "550 5.1.1 <a>: Recipient address rejected: User unknown in relay recipient table"},
            Rejected,
        ),
        ({"RCPT": "552 5.2.2 over quota"}, Rejected),
        ({"RCPT": "501 5.1.3 bad address syntax"}, Rejected),
        ({"RCPT": "553 5.1.3 not a mailbox"}, Rejected),
        ({"MAIL": "552 too much"}, Rejected),
        ({"MAIL": "552 5.3.4 too big"}, Rejected),
        ({"MAIL": "554 5.3.4 too big"}, Rejected),
        ({"DATA": "554 5.5.1 no valid recipients"}, Rejected),
        ({"dot": "554 no"}, Rejected),
        ({"dot": "552 5.3.4 too big"}, Rejected),
        ({"RCPT": "450 4.2.0 greylisted"}, Deferred),
        ({"MAIL": "451 later"}, Deferred),
        ({"dot": "452 later"}, Deferred),
        ({"dot": "drop"}, Deferred),
        ({"RCPT": "drop"}, Deferred),
        # A rule of the server.
        ({"RCPT": "554 5.7.1 <x>: Relay access denied"}, Policy),
        ({"RCPT": "550 relay not permitted"}, Policy),
        ({"RCPT": "550 Sender verify failed"}, Policy),
        ({"dot": "550 5.7.26 unauthenticated mail"}, Policy),
        # Who we are: the relay's, or our settings'.
        ({"HELLO": "421 closing"}, RelayDown),
        ({"HELLO": "554 go away"}, RelayDown),
        ({"HELLO": "drop"}, RelayDown),
        ({"EHLO": "550 no", "HELO": "550 5.7.1 bad name"}, RelayDown),
        ({"MAIL": "421 closing"}, Closing),
        ({"MAIL": "554 5.7.1 go away"}, RelayDown),
        ({"MAIL": "550 no"}, RelayDown),
        ({"MAIL": "530 5.7.0 Must issue a STARTTLS command first"}, RelayDown),
        ({"MAIL": "553 5.1.8 not our domain"}, RelayDown),
        ({"RCPT": "421 4.7.0 too many"}, Closing),
        ({"RCPT": "530 5.7.0 Authentication required"}, RelayDown),
        ({"RCPT": "535 5.7.8 sign in"}, RelayDown),
        ({"RCPT": "504 5.5.2 <localhost>: Helo command rejected"}, RelayDown),
        ({"RCPT": "550 5.1.8 sender's domain not found"}, RelayDown),
        ({"RCPT": "553 <portal@pharmacy.example>: not owned by user"}, RelayDown),
        ({"dot": "421 closing"}, Closing),
        ({"DATA": "421 closing"}, Closing),
    ],
)
@pytest.mark.parametrize("ehlo", ["250 me", PIPELINING])
def test_an_answer_says_whose_fault_it_is(answers: dict[str, str], error: type[Exception], ehlo: str) -> None:
    """Also where all is asked before the first answer is heard."""
    with scripted(**{"EHLO": ehlo, **answers}) as (_server, transport), pytest.raises(error) as caught:
        transport.send(**ORDER)

    assert type(caught.value) is error
    said = next(iter(answers.values())).removeprefix("drop")
    assert said[:3] in str(caught.value)


def test_what_a_server_says_is_kept_without_who_gets_the_mail() -> None:
    said = "550 5.1.1 <Ana@clinic.example>: ana ana@clinic.example is not at CLINIC.example, ask Diana \x07"
    with scripted(RCPT=said) as (_server, transport), pytest.raises(Rejected) as caught:
        transport.send(**ORDER)

    assert str(caught.value) == "refused: 550 5.1.1 …: … … is not at …, ask Diana"


def test_after_a_refusal_the_connection_goes_on() -> None:
    with scripted(RCPT="550 5.1.1 no") as (server, transport):
        with pytest.raises(Rejected):
            transport.send(**ORDER)
        server.answers["RCPT"] = "250 ok"
        transport.send(**ORDER)

    assert server.connections == 1


def test_a_refusal_stays_one_when_the_server_hangs_up_after_it() -> None:
    with scripted(RCPT="550 5.1.1 no", RSET="drop") as (_server, transport), pytest.raises(Rejected):
        transport.send(**ORDER)


def test_the_answer_after_the_final_dot_has_more_time_than_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "COMMAND_SECONDS", 0.2)
    with scripted() as (server, transport):
        server.slow = {".": 0.6}
        transport.send(**ORDER)
        server.slow = {"RCPT": 0.6}
        with pytest.raises(Deferred):
            transport.send(**ORDER)

    assert len(server.taken) == 1


@pytest.mark.parametrize(
    ("auth", "heard"),
    [
        ("PLAIN LOGIN", ["PLAIN AMOwcmcAw7xiw6RyIHA="]),
        ("LOGIN", ["LOGIN w7ByZw==", "w7xiw6RyIHA="]),
    ],
)
def test_a_password_that_is_not_ascii_is_sent_as_rfc_4954_says(auth: str, heard: list[str]) -> None:
    """Prepared by SASLprep: the decomposed letter composed, the no-break space a plain one, the soft hyphen gone."""
    server = Server({"EHLO": f"250-me\r\n250 AUTH {auth}", "AUTH": "235 in" if "PLAIN" in auth else "334 x"})
    server.answers |= {heard[-1][:4].upper(): "235 in"}
    password = quote("u\u0308b\u00ada\u0308r\u00a0p")
    userinfo = f"{quote('ðrg')}:{password}"
    transport = SmtpTransport(f"smtp://{userinfo}@127.0.0.1:{server.port}?tls=none")

    transport.send(**ORDER)
    transport.close()
    server.listener.close()

    assert next(line for line in server.heard if line.startswith("AUTH")) == f"AUTH {heard[0]}"
    assert len(server.taken) == 1


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        (
            {"EHLO": "250-me\r\n250 AUTH PLAIN", "AUTH": "535 5.7.8 wrong"},
            "refused our sign-in: 535 5.7.8 wrong",
        ),
        ({"EHLO": "250-me\r\n250 AUTH CRAM-MD5"}, "needs AUTH PLAIN or LOGIN"),
        ({}, "needs AUTH PLAIN or LOGIN"),
    ],
)
def test_a_sign_in_that_fails_is_one_clear_line(answers: dict[str, str], words: str) -> None:
    server = Server(answers)
    transport = SmtpTransport(f"smtp://us:p%C3%A4ss@127.0.0.1:{server.port}?tls=none")

    with pytest.raises(RelayDown, match=words):
        transport.send(**ORDER)

    server.listener.close()


def test_a_closed_port_is_the_relays_fault() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

    with pytest.raises(RelayDown):
        SmtpTransport(f"smtp://127.0.0.1:{port}?tls=none").send(**ORDER)


def test_a_server_without_tls_gets_nothing_when_tls_is_asked() -> None:
    server = Server({"STAR": "502 no"})

    with pytest.raises(RelayDown):
        SmtpTransport(f"smtp://127.0.0.1:{server.port}?tls=start").send(**ORDER)

    server.listener.close()
    assert server.taken == []


def test_a_certificate_that_nobody_vouches_for_gets_nothing(tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl")
    make = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1"
    paths = ["-keyout", str(tmp_path / "key"), "-out", str(tmp_path / "certificate")]
    subprocess.run([*make.split(), *paths], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "certificate", tmp_path / "key")
    heard: list[bytes] = []

    def serve() -> None:
        with suppress(OSError), context.wrap_socket(listener.accept()[0], server_side=True) as spoken:
            spoken.sendall(b"220 ready\r\n")
            heard.append(spoken.recv(1000))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = threading.Thread(target=serve, daemon=True)
        serving.start()
        with pytest.raises(RelayDown):
            SmtpTransport(f"smtps://127.0.0.1:{listener.getsockname()[1]}").send(**ORDER)
        serving.join(10)
    assert heard == []


def test_a_broken_connection_is_made_anew() -> None:
    with scripted(dot="drop") as (server, transport):
        with pytest.raises(Deferred):
            transport.send(**ORDER)
        server.answers["."] = "250 taken"
        transport.send(**ORDER)

    assert server.connections == 2


def test_a_file_holds_the_mail_and_the_same_mail_is_the_same_file(tmp_path: Path) -> None:
    transport = FileTransport(tmp_path / "mail")

    transport.send(**ORDER)
    transport.send(**ORDER)

    files = list((tmp_path / "mail").iterdir())
    assert [file.name for file in files] == ["20260115T180000-7.eml"]
    assert files[0].read_bytes() == ORDER["content"]
    assert (tmp_path / "mail").stat().st_mode & 0o077 == 0
    assert files[0].stat().st_mode & 0o777 == 0o600, "whatever its folder is"


def test_a_folder_that_cannot_be_written_is_the_relays_fault(tmp_path: Path) -> None:
    (tmp_path / "mail").write_text("a file where the folder should be")

    with pytest.raises(RelayDown):
        FileTransport(tmp_path / "mail").send(**ORDER)


def test_the_settings_choose_the_transport(tmp_path: Path) -> None:
    assert isinstance(transport_for("", tmp_path), FileTransport)
    assert isinstance(transport_for("smtps://host", tmp_path), SmtpTransport)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("ana.o'neil@clinic.example", "<ana.o'neil@clinic.example>"),
        ("b+q.abcdefgh@back.example", "<b+q.abcdefgh@back.example>"),
        ("Ana <ana@clinic.example>", "<ana@clinic.example>"),
        ("ana@clinic.example> SIZE=1", None),
    ],
)
def test_an_address_stands_alone_in_its_brackets(address: str, said: str | None) -> None:
    with scripted() as (server, transport):
        transport.send(**{**ORDER, "recipient": address})

    told = next(line for line in server.heard if line.startswith("RCPT"))
    assert told.count(">") == 1
    assert said is None or told == f"RCPT TO:{said}"
