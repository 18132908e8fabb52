"""The example of a proxy is run as it stands, but for its addresses: pages come, the slow and the many go."""

from __future__ import annotations

import http.client
import os
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator

import pytest

from config import ROOT
from tests.live import Live, free_port
from tests.ops.test_front import answer

pytestmark = pytest.mark.kill  # processes of its own, not for the quick run

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
EXAMPLE = ROOT / "docs" / "examples" / "nginx.conf"
AROUND = """{user} daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{}}
http {{
access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
{example}
}}
"""


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of an nginx with our example, before a portal that expects one."""
    if NGINX is None or shutil.which("openssl") is None:
        pytest.skip("needs Debian's nginx-light and openssl")
    folder = tmp_path_factory.mktemp("proxy")
    portal = Live(folder / "instance", warm=True, BASE_URL="https://portal.example", TRUSTED_PROXIES="1")
    portal.migrate().start_web(wait=False)
    key, certificate = str(folder / "key.pem"), str(folder / "fullchain.pem")
    make = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=portal.example"
    subprocess.run([*make.split(), "-keyout", key, "-out", certificate], check=True, capture_output=True)
    listening = free_port()
    example = EXAMPLE.read_text()
    for there, here in (
        ("127.0.0.1:8000", f"127.0.0.1:{portal.port}"),
        ("listen 443", f"listen 127.0.0.1:{listening}"),
        ("/etc/ssl/portal", str(folder)),
        ("per_address 64", "per_address 4"),
        ("client_body_timeout 10s", "client_body_timeout 3s"),
    ):
        assert there in example
        example = example.replace(there, here)
    (folder / "nginx.conf").write_text(
        AROUND.format(user="user root;" if os.geteuid() == 0 else "", folder=folder, example=example)
    )
    nginx = subprocess.Popen([NGINX, "-p", str(folder), "-c", str(folder / "nginx.conf")])
    portal.wait_until_up()
    yield listening
    nginx.terminate()
    nginx.wait(20)
    portal.stop()


def connect(port: int) -> ssl.SSLSocket:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["http/1.1"])
    return context.wrap_socket(socket.create_connection(("127.0.0.1", port), 15))


def ask(port: int, head: str) -> ssl.SSLSocket:
    sending = connect(port)
    sending.sendall(f"{head} HTTP/1.1\r\nHost: portal.example\r\n".encode())
    return sending


def test_a_page_comes_with_our_headers(port: int) -> None:
    sending = ask(port, "GET /")
    sending.sendall(b"\r\n")

    status, headers, page = answer(sending)

    assert status == 200
    assert headers["Strict-Transport-Security"]
    assert "<title>" in page


def test_slow_bodies_of_one_address_are_bounded_and_ended(port: int) -> None:
    many = [ask(port, "POST /newsletter") for _ in range(5)]
    for sending in many:
        sending.sendall(b"Content-Length: 900\r\n\r\nemail=")

    ends = [end_of(sending) for sending in many]

    assert set(ends) == {0, 503}  # nginx closes without a word, and logs 408
    assert ends.count(503) == 1


def end_of(sending: ssl.SSLSocket) -> int:
    """The status of the answer, or 0 where there was none."""
    try:
        return answer(sending)[0]
    except http.client.RemoteDisconnected:
        return 0


def test_the_portals_own_page_says_that_a_body_is_too_large(port: int) -> None:
    sending = ask(port, "POST /newsletter")
    sending.sendall(b"Content-Length: 200000\r\n\r\n" + b"a" * 200_000)

    status, headers, page = answer(sending)

    assert status == 413
    assert "Content-Security-Policy" in headers
    assert "<title>" in page
