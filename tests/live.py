"""A real portal in its own processes on loopback, for the tests and benchmarks that need one."""

from __future__ import annotations

import contextlib
import http.client
import multiprocessing
import os
import re
import runpy
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from portal import disk, serve
from tests.world import SETTINGS

ROOT = Path(__file__).resolve().parent.parent
STARTS_WITHIN = 60  # seconds, generous: the machine may be busy
SOON = 20  # the same
IMPORTED = ("granian.server.embed", "flask.cli", "portal.app", "portal.worker")  # most of a start

_made: list[bytes] = []  # the empty database, once `flask db upgrade` made it: that takes a second or two


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def until(found: Callable[[], bool]) -> None:
    """Wait for what another thread or process will bring about, and fail when it does not."""
    end = time.monotonic() + SOON
    while not found():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.02)


def listens(port: int) -> bool:
    """Whether somebody accepts connections there."""
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def wsgi_command(port: int, target: str) -> list[str]:
    """The same server for a WSGI callable, with threads for its requests: as version 0.1.0 was served."""
    return [
        *(sys.executable, "-m", "granian", "--interface", "wsgi", "--no-ws", "--http", "1"),
        *("--port", str(port), "--blocking-threads", "8", "--backlog", "1024", "--backpressure", "8192"),
        *("--workers-kill-timeout", "5", "--log-level", "error", target),
    ]


class Live:
    """One portal: its instance folder, its processes, each killable.

    With `warm` they are forked from a process that has imported our code already, where tests start them often; all
    else of a start is done by each. `root` and `python` name another checkout and its interpreter.
    """

    def __init__(
        self,
        folder: Path,
        *,
        warm: bool = False,
        root: Path = ROOT,
        python: str = sys.executable,
        **settings: str,
    ) -> None:
        self.warm, self.root, self.python = warm, root, python
        self.port = free_port()
        self.folder = folder
        self.base = f"http://127.0.0.1:{self.port}"
        self.env = {
            **{name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ},
            "INSTANCE_DIR": str(folder),
            "PORT": str(self.port),
            **SETTINGS,
            "PYTHONUNBUFFERED": "1",
            **settings,
        }
        self.processes: dict[str, subprocess.Popen[bytes] | Forked] = {}
        self.log = (folder.parent / f"{folder.name}.log").open("ab")

    def flask(self, *arguments: str, check: bool = True) -> str:
        """Run one command and give back what it printed."""
        done = subprocess.run(
            [self.python, "-m", "flask", *arguments],
            cwd=self.root,
            env=self.env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert not check or done.returncode == 0, done.stderr
        return done.stdout

    def migrate(self) -> Live:
        """Make the database; the second of SQLite in a process is a copy of the first, as that was made."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = self.folder / "portal.db"
        if _made and "DATABASE_URL" not in self.env and self.root == ROOT:
            disk.keep(file, _made[0])
            return self
        self.flask("db", "upgrade")
        if file.exists() and self.root == ROOT and not file.with_name("portal.db-wal").exists():
            _made.append(file.read_bytes())
        return self

    def start_web(self, *, wait: bool = True, target: str = "wsgi:front", processes: int = 1) -> None:
        """Start the web server; by default wait until it answers."""
        command = serve.web_command("127.0.0.1", self.port, target)
        if self.root != ROOT:
            command = wsgi_command(self.port, "wsgi:app")
        for number in range(processes):
            self._start(f"web{number or ''}", command)
        if wait:
            self.wait_until_up()

    def start_worker(self, name: str = "worker") -> None:
        """Start the mail worker."""
        self._start(name, serve.worker_command())

    def start_served(self) -> None:
        """Start all of it, as `make run` does, and wait until it answers."""
        self._start("serve", [sys.executable, "-m", "flask", "serve"])
        self.wait_until_up()

    def wait_until_up(self) -> None:
        """Wait for the first answer."""
        end = time.monotonic() + STARTS_WITHIN
        while time.monotonic() < end:
            with contextlib.suppress(OSError, http.client.HTTPException):
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
                connection.request("GET", "/healthz")
                status = connection.getresponse().status
                connection.close()
                if status == 200:
                    return
            time.sleep(0.05)
        raise AssertionError(f"no answer within {STARTS_WITHIN} s: {self.logged()}")

    def kill(self, name: str, how: signal.Signals = signal.SIGKILL) -> None:
        """End one process and all it started; only ones that we started ourselves."""
        process = self.processes.pop(name, None)
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, how)
        process.wait(20)

    def stop(self) -> None:
        """End everything."""
        for name in list(self.processes):
            self.kill(name)
        self.log.close()

    def logged(self) -> str:
        """What the processes wrote to standard error."""
        self.log.flush()
        return Path(self.log.name).read_text(errors="replace")

    def _start(self, name: str, command: list[str]) -> None:
        if self.warm:
            self.processes[name] = Forked(command, self.env, Path(self.log.name))
            return
        self.processes[name] = subprocess.Popen(
            [self.python, *command[1:]],
            cwd=self.root,
            env=self.env,
            stdout=self.log,
            stderr=self.log,
            start_new_session=True,
        )


class Forked:
    """`python -m …` in a session of its own, but for the time it takes to import what is IMPORTED."""

    def __init__(self, command: list[str], env: Mapping[str, str], log: Path) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(list(IMPORTED))
        self._process = context.Process(target=_become, args=(command, dict(env), log))
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid
        while os.getpgid(self.pid) != self.pid:  # from then on it can be killed with all it starts
            time.sleep(0.001)

    def wait(self, seconds: float) -> None:
        """Wait until it has ended."""
        self._process.join(seconds)
        assert self._process.exitcode is not None, f"process {self.pid} has not ended"


def _become(command: list[str], env: dict[str, str], log: Path) -> None:
    os.setsid()
    os.chdir(ROOT)
    os.environ.clear()
    os.environ.update(env)
    with log.open("ab") as out:
        for stream in (1, 2):
            os.dup2(out.fileno(), stream)
    _python, _m, module, *arguments = command
    sys.argv = [module, *arguments]
    multiprocessing.set_start_method("fork", force=True)  # as it is in a process that `python -m` starts
    runpy.run_module(module, run_name="__main__", alter_sys=True)


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()


class Browserless:
    """A quick visitor from an address of its own; by default each request has its own connection."""

    def __init__(self, port: int, source: str, *, closes: bool = True) -> None:
        self.port, self.source, self.closes = port, source, closes
        self.cookie = ""
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=15)

    def ask(self, method: str, path: str, data: Mapping[str, object] | None = None) -> Answer:
        """One request; raises OSError or HTTPException when the server goes away."""
        headers = {"X-Forwarded-For": self.source, **({"Cookie": self.cookie} if self.cookie else {})}
        body = None
        if data is not None:
            body = urlencode(data, doseq=True)
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        try:
            self.connection.request(method, path, body, headers)
            response = self.connection.getresponse()
            named = {name.lower(): value for name, value in response.getheaders()}
            answer = Answer(response.status, named, response.read())
        finally:
            if self.closes:
                self.connection.close()
        if cookie := answer.headers.get("set-cookie"):
            self.cookie = cookie.partition(";")[0]
        return answer

    def hidden(self, path: str) -> dict[str, str]:
        """Open a form page and take the tokens in it."""
        return tokens_in(self.ask("GET", path).text)


def tokens_in(html: str) -> dict[str, str]:
    """The csrf_token and form_token of a page's main form."""
    main = html[html.index("<main") :]
    found = {}
    for tag in re.findall(r"<input[^>]*>", main):
        name, value = re.search(r'name="([^"]*)"', tag), re.search(r'value="([^"]*)"', tag)
        if name and value and name[1] in ("csrf_token", "form_token"):
            found.setdefault(name[1], value[1])
    return found
