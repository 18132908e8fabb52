"""The proxies of docs/examples, each run as its file stands, but for its addresses."""

from __future__ import annotations

import http.client
import os
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPResponse
from pathlib import Path

from config import ROOT
from tests import debian
from tests.live import free_port

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
NGINX = """{user}daemon off; worker_processes 1; worker_rlimit_nofile 16384;
pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 16384; }}
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
    changes: tuple[tuple[str, str], ...] = ()  # of the example's words, as a test needs them
    port: int = field(default_factory=free_port)

    def example(self, file: str, *changes: tuple[str, str]) -> str:
        """The example with our addresses in the place of its own."""
        text = (EXAMPLES / file).read_text()
        for there, here in (
            ("127.0.0.1:8000", f"127.0.0.1:{self.portal}"),
            ("/etc/ssl/portal", str(self.folder)),
            *changes,
            *self.changes,
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
    return [program, "-DFOREGROUND", "-f", str(place.folder / "conf")]


def haproxy(place: Place, program: str) -> list[str]:
    both = (place.folder / "fullchain.pem").read_text() + (place.folder / "key.pem").read_text()
    (place.folder / "both.pem").write_text(both)
    here = f"bind 127.0.0.1:{place.port}"
    few = ("maxconn 16384", "no strict-limits\n    maxconn 16384")  # files are fewer where tests run
    example = place.example("haproxy.cfg", ("bind :443", here), few)
    (place.folder / "conf").write_text(example)
    return [program, "-db", "-f", str(place.folder / "conf")]


PROXIES: dict[str, tuple[Callable[[Place, str], list[str]], str, tuple[str, ...]]] = {
    "nginx": (nginx, "nginx", ("nginx", "nginx-common")),
    "caddy": (caddy, "caddy", ("caddy",)),
    "apache": (apache, "apache2", ("apache2-bin", "libapr1", "libaprutil1", "libaprutil1-dbd-sqlite3")),
    "haproxy": (
        haproxy,
        "haproxy",
        ("haproxy", "liblua5.3-0", "libopentracing-c-wrapper0", "libopentracing1"),
    ),
}


@contextmanager
def running(name: str, folder: Path, portal: int, *changes: tuple[str, str]) -> Iterator[Place | None]:
    """One of them before the portal at that port, with a certificate of its own; None where it cannot be had."""
    configure, program, packages = PROXIES[name]
    found = debian.program(program, *packages)
    if found is None or shutil.which("openssl") is None:
        yield None
        return
    path, env = found
    place = Place(folder, portal, changes)
    make = f"openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN={NAME} -addext subjectAltName=DNS:{NAME}"
    paths = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "fullchain.pem")]
    subprocess.run([*make.split(), *paths], check=True, capture_output=True)
    with (folder / "said").open("wb") as said:
        proxy = subprocess.Popen(
            configure(place, path), env={**env, "HOME": str(folder)}, stdout=said, stderr=said
        )
    try:
        wait_for(place, proxy)
        yield place
    finally:
        proxy.terminate()
        proxy.wait(20)


def wait_for(place: Place, proxy: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end and proxy.poll() is None:
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
