"""Each example of a proxy is run as it stands, but for its addresses: what the portal says passes unharmed."""

from __future__ import annotations

import gzip
import http.client
import os
import shutil
import socket
import sqlite3
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPResponse
from pathlib import Path
from urllib.parse import urlencode

import brotli
import pytest

from config import ROOT
from tests import debian
from tests.live import Live, free_port, tokens_in

pytestmark = pytest.mark.kill  # processes of its own, not for the quick run

EXAMPLES = ROOT / "docs" / "examples"
NAME = "portal.example"
APACHE = """ServerRoot "{folder}"
PidFile "{folder}/pid"
ErrorLog "{folder}/error.log"
ServerName {name}
Listen 127.0.0.1:{port}
{modules}
User {user}
Group {group}
{example}
"""
APACHE_MODULES = "mpm_event authz_core ssl socache_shmcb headers proxy proxy_http reqtimeout alias setenvif"
NGINX = """{user}daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{}}
http {{
access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
{example}
}}
"""


@dataclass
class Place:
    """Where one proxy runs: its folder with the certificate, its port, the portal's."""

    folder: Path
    portal: int
    port: int = field(default_factory=free_port)

    def example(self, file: str, *changes: tuple[str, str]) -> str:
        """The example with our addresses in the place of its own."""
        text = (EXAMPLES / file).read_text()
        for there, here in (
            ("127.0.0.1:8000", f"127.0.0.1:{self.portal}"),
            ("/etc/ssl/portal", str(self.folder)),
            *changes,
        ):
            assert there in text, there
            text = text.replace(there, here)
        return text


def nginx(place: Place, program: str) -> list[str]:
    user = "user root; " if os.geteuid() == 0 else ""
    example = place.example("nginx.conf", ("listen 443", f"listen 127.0.0.1:{place.port}"))
    (place.folder / "conf").write_text(NGINX.format(user=user, folder=place.folder, example=example))
    return [program, "-p", str(place.folder), "-c", str(place.folder / "conf")]


def caddy(place: Place, program: str) -> list[str]:
    alone = (
        "{\n\tadmin off\n\tauto_https disable_redirects\n\tstorage file_system " + str(place.folder) + "\n"
    )
    here = f"https://{NAME}:{place.port} {{\n\tbind 127.0.0.1\n"
    example = place.example("Caddyfile", ("{\n\tservers", f"{alone}\tservers"), (f"{NAME} {{\n", here))
    (place.folder / "conf").write_text(example)
    return [program, "run", "--adapter", "caddyfile", "--config", str(place.folder / "conf")]


def apache(place: Place, program: str) -> list[str]:
    found = Path(program).parent.parent / "lib" / "apache2" / "modules"
    modules = "\n".join(
        f'LoadModule {name}_module "{found}/mod_{name}.so"' for name in APACHE_MODULES.split()
    )
    example = place.example("apache.conf", ("*:443", f"127.0.0.1:{place.port}"))
    user, group = ("www-data", "www-data") if os.geteuid() == 0 else ("#-1", "#-1")
    words = {
        "folder": place.folder,
        "name": NAME,
        "port": place.port,
        "modules": modules,
        "user": user,
        "group": group,
    }
    (place.folder / "conf").write_text(APACHE.format(example=example, **words))
    return [program, "-X", "-f", str(place.folder / "conf")]


def haproxy(place: Place, program: str) -> list[str]:
    both = (place.folder / "fullchain.pem").read_text() + (place.folder / "key.pem").read_text()
    (place.folder / "both.pem").write_text(both)
    example = place.example("haproxy.cfg", ("bind :443", f"bind 127.0.0.1:{place.port}"))
    (place.folder / "conf").write_text(example)
    return [program, "-db", "-f", str(place.folder / "conf")]


PROXIES: dict[str, tuple[Callable[[Place, str], list[str]], str, tuple[str, ...]]] = {
    "nginx": (nginx, "nginx", ("nginx-light", "nginx-common")),
    "caddy": (caddy, "caddy", ("caddy",)),
    "apache": (apache, "apache2", ("apache2-bin", "libapr1", "libaprutil1", "libaprutil1-dbd-sqlite3")),
    "haproxy": (
        haproxy,
        "haproxy",
        ("haproxy", "liblua5.3-0", "libopentracing-c-wrapper0", "libopentracing1"),
    ),
}


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
    configure, name, packages = PROXIES[request.param]
    found = debian.program(name, *packages)
    if found is None or shutil.which("openssl") is None:
        pytest.skip(f"needs Debian's {packages[0]} and openssl")
    program, env = found
    place = Place(tmp_path_factory.mktemp(request.param), portal.port)
    make = f"openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN={NAME} -addext subjectAltName=DNS:{NAME}"
    paths = ["-keyout", str(place.folder / "key.pem"), "-out", str(place.folder / "fullchain.pem")]
    subprocess.run([*make.split(), *paths], check=True, capture_output=True)
    with (place.folder / "said").open("wb") as said:
        running = subprocess.Popen(
            configure(place, program), env={**env, "HOME": str(place.folder)}, stdout=said, stderr=said
        )
    try:
        wait_for(place, running)
        yield place
    finally:
        running.terminate()
        running.wait(20)


def wait_for(place: Place, running: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end and running.poll() is None:
        with suppress(OSError, http.client.HTTPException):
            if ask(place, "GET", "/healthz").status == 200:
                return
        time.sleep(0.1)
    raise AssertionError((place.folder / "said").read_text())


class Https(http.client.HTTPSConnection):
    """To the proxy by the portal's name."""

    def __init__(self, place: Place) -> None:
        context = ssl.create_default_context(cafile=str(place.folder / "fullchain.pem"))
        context.set_alpn_protocols(["http/1.1"])
        super().__init__(NAME, place.port, context=context, timeout=20)
        self.context = context

    def connect(self) -> None:
        """By address, for the name is nobody's."""
        plain = socket.create_connection(("127.0.0.1", self.port), self.timeout)
        self.sock = self.context.wrap_socket(plain, server_hostname=NAME)


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes


def ask(place: Place, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
    connection = Https(place)
    told = {"Host": NAME, **{name.replace("_", "-"): value for name, value in headers.items()}}
    connection.request(method, path, body, told)
    response: HTTPResponse = connection.getresponse()
    answer = Answer(response.status, response.headers, response.read())
    connection.close()
    return answer


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
