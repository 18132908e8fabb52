"""Each example of a proxy is run as it stands, but for its addresses: what the portal says passes unharmed."""

from __future__ import annotations

import gzip
import socket
import sqlite3
import ssl
import time
import warnings
from collections.abc import Iterator
from contextlib import closing, suppress
from http.client import RemoteDisconnected
from urllib.parse import urlencode

import brotli
import pytest

from tests.live import Live, tokens_in
from tests.proxies import NAME, PROXIES, Https, Place, ask, running

pytestmark = pytest.mark.kill  # processes of its own, not for the quick run


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp("behind")
    live = Live(folder / "instance", warm=True, BASE_URL=f"https://{NAME}", TRUSTED_PROXIES="1").migrate()
    live.start_web()
    yield live
    live.stop()


@pytest.fixture(scope="module", params=list(PROXIES))
def through(
    request: pytest.FixtureRequest, portal: Live, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    """One proxy with our example, before the portal."""
    with running(request.param, tmp_path_factory.mktemp(request.param), portal.port) as place:
        if place is None:
            pytest.skip(f"needs Debian's {PROXIES[request.param][2][0]} and openssl")
        yield place


def test_pages_pass_unharmed(through: Place) -> None:
    """Our compression, our ETag and its 304, ranges, HEAD, headers; never a shorter lock than ours."""
    page = ask(through, "GET", "/", Accept_Encoding="br")
    assert (page.status, page.headers["Content-Encoding"]) == (200, "br")
    assert b"</html>" in brotli.decompress(page.body)
    assert "max-age=63072000" in page.headers["Strict-Transport-Security"]
    assert "default-src" in page.headers["Content-Security-Policy"]
    same = ask(through, "GET", "/", Accept_Encoding="br", If_None_Match=page.headers["ETag"])
    assert (same.status, same.body) == (304, b"")
    head = ask(through, "HEAD", "/", Accept_Encoding="br")
    assert (head.headers["Content-Length"], head.headers["ETag"]) == (
        page.headers["Content-Length"],
        page.headers["ETag"],
    )
    zipped = ask(through, "GET", "/", Accept_Encoding="gzip")
    assert zipped.headers["ETag"] != page.headers["ETag"] and gzip.decompress(zipped.body)
    assert b"</html>" in ask(through, "GET", "/", Accept_Encoding="identity").body


def test_a_form_is_sent_and_its_sender_known_by_the_proxys_word(through: Place, portal: Live) -> None:
    page = ask(through, "GET", "/newsletter", Accept_Encoding="identity")
    cookie = page.headers["Set-Cookie"].partition(";")[0]
    assert cookie.startswith("__Host-form=")
    email = f"reader-{through.port}@mail.example"
    fields = {**tokens_in(page.body.decode()), "email": email, "topics": "news", "language": "en"}
    time.sleep(2.1)  # a person reads
    typed = urlencode(fields).encode()
    form = {"Content_Type": "application/x-www-form-urlencoded", "Cookie": cookie}
    foreign = ask(through, "POST", "/newsletter", typed, Origin="https://evil.example", **form)
    assert foreign.status in (400, 403)
    sent = ask(
        through, "POST", "/newsletter", typed, Origin=f"https://{NAME}", X_Forwarded_For="203.0.113.9", **form
    )
    assert sent.status == 303, sent.body[-500:]
    assert sent.headers["Location"].startswith("/newsletter/")
    with sqlite3.connect(portal.folder / "portal.db") as connection:
        (network,) = connection.execute("SELECT network FROM signup WHERE address = ?", (email,)).fetchone()
    assert network.startswith("127."), "a forged X-Forwarded-For is nobody's word"


def test_too_large_is_told_by_our_own_page(through: Place) -> None:
    form = {"Content_Type": "application/x-www-form-urlencoded"}
    answer = ask(through, "POST", "/newsletter", b"a" * 200_000, Accept_Encoding="identity", **form)

    assert answer.status == 413
    assert b"<title>" in answer.body and answer.headers["Content-Security-Policy"]


def test_the_figures_and_other_names_are_nobodys(through: Place) -> None:
    assert ask(through, "GET", "/metrics").status == 404
    connection = Https(through)
    connection.putrequest("GET", "/", skip_host=True)
    connection.putheader("Host", "evil.example")
    connection.endheaders()
    answer = connection.getresponse()
    said = answer.read()
    connection.close()
    assert answer.status in (400, 404, 421) or (answer.status == 200 and not said)


def test_slow_bodies_of_one_address_are_bounded_and_ended(
    portal: Live, tmp_path_factory: pytest.TempPathFactory
) -> None:
    sooner = ("per_address 64", "per_address 4"), ("client_body_timeout 10s", "client_body_timeout 3s")
    with running("nginx", tmp_path_factory.mktemp("slow"), portal.port, *sooner) as place:
        if place is None:
            pytest.skip("needs Debian's nginx and openssl")
        many = [Https(place) for _ in range(5)]
        for sending in many:
            sending.putrequest("POST", "/newsletter", skip_host=True)
            for name, value in (("Host", NAME), ("Content-Length", "900")):
                sending.putheader(name, value)
            sending.endheaders(b"email=")

        ends = [end_of(sending) for sending in many]

    assert set(ends) == {0, 503}  # nginx closes without a word, and logs 408
    assert ends.count(503) == 1


def test_a_head_that_does_not_come_is_answered_by_haproxy(
    portal: Live, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Our own server closes such a connection without a word (SECURITY.md)."""
    sooner = ("timeout http-request 10s", "timeout http-request 1s")
    with running("haproxy", tmp_path_factory.mktemp("head"), portal.port, sooner) as place:
        if place is None:
            pytest.skip("needs Debian's haproxy and openssl")
        sending = Https(place)
        with closing(sending):
            sending.connect()
            sending.sock.sendall(b"GET / HTTP/1.1\r\nHost: ")
            assert sending.sock.recv(100).startswith(b"HTTP/1.1 408 ")


def end_of(sending: Https) -> int:
    """The status of the answer, or 0 where there was none."""
    with closing(sending):
        try:
            return sending.getresponse().status
        except RemoteDisconnected:
            return 0


def test_only_tls_of_today_is_spoken(through: Place) -> None:
    """1.2 and 1.3 with a cipher that keeps what was said secret, nothing older, and never without."""
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        with _greeted(through, version) as spoken:
            name, protocol, bits = spoken.cipher() or ("", "", 0)
            assert protocol in ("TLSv1.2", "TLSv1.3") and bits >= 128
            assert name.startswith(("ECDHE", "DHE", "TLS_")), name
    for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
        with pytest.raises((ssl.SSLError, OSError)):
            _greeted(through, version)
    with closing(socket.create_connection(("127.0.0.1", through.port), 10)) as plain:
        plain.sendall(f"GET / HTTP/1.1\r\nHost: {NAME}\r\n\r\n".encode())
        with suppress(ConnectionError):
            assert not plain.recv(1000).startswith(b"HTTP/1.1 200")


def _greeted(place: Place, version: ssl.TLSVersion) -> ssl.SSLSocket:
    """A connection in that version of TLS alone. Raises where it is refused."""
    context = ssl.create_default_context(cafile=str(place.folder / "fullchain.pem"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = version
    context.set_ciphers("ALL:@SECLEVEL=0")  # so that it is the server that refuses
    plain = socket.create_connection(("127.0.0.1", place.port), 10)
    try:
        return context.wrap_socket(plain, server_hostname=NAME)
    except OSError:
        plain.close()
        raise
