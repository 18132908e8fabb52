"""Transports: what a server's answer means, over real sockets."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from portal.mail.transport import (
    Deferred,
    FileTransport,
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
            answer = self.answers.get(key, "250 ok")
            if answer == "drop":
                return False
            connection.sendall(answer.encode() + b"\r\n")
            return not answer.startswith("421")

        if not say("HELLO"):
            return
        for line in lines:
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
                if self.answers["."].startswith("250"):
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


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        ({"RCPT": "550 5.1.1 no such"}, Rejected),
        ({"MAIL": "552 too much"}, Rejected),
        ({"dot": "554 no"}, Rejected),
        ({"RCPT": "450 later"}, Deferred),
        ({"MAIL": "451 later"}, Deferred),
        ({"dot": "452 later"}, Deferred),
        ({"dot": "drop"}, Deferred),
        ({"HELLO": "421 closing"}, RelayDown),
        ({"HELLO": "drop"}, RelayDown),
        ({"MAIL": "421 closing"}, RelayDown),
    ],
)
def test_an_answer_says_whose_fault_it_is(answers: dict[str, str], error: type[Exception]) -> None:
    with scripted(**answers) as (_server, transport), pytest.raises(error) as caught:
        transport.send(**ORDER)

    assert "ana@clinic.example" not in str(caught.value)


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


def test_a_folder_that_cannot_be_written_is_the_relays_fault(tmp_path: Path) -> None:
    (tmp_path / "mail").write_text("a file where the folder should be")

    with pytest.raises(RelayDown):
        FileTransport(tmp_path / "mail").send(**ORDER)


def test_the_settings_choose_the_transport(tmp_path: Path) -> None:
    assert isinstance(transport_for("", tmp_path), FileTransport)
    assert isinstance(transport_for("smtps://host", tmp_path), SmtpTransport)
