"""`flask serve`: web server and mail worker as processes of their own, started, watched and ended together.

They are forked from the command, which has loaded the portal already: it is loaded once, and what nobody writes to is
held in memory once (`gc.freeze` keeps the collector from writing to it). Then the command becomes the supervisor,
this file run by an interpreter that loads the standard library alone. What dies is begun anew, and loads the portal
for itself. The address is said once the server listens.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

GRACE_SECONDS = 10.0
MAX_DEATHS = 5
DEATHS_WINDOW = 60.0  # seconds
FIRST_REST, LONGEST_REST = 0.2, 30.0  # seconds before another process than the web server starts again
LISTENS_WITHIN = 1.0  # seconds; our own machine says yes or no at once
ARENAS = 1
ASKED = (signal.SIGINT, signal.SIGTERM)
ROOT = Path(__file__).resolve().parent.parent
_PR_SET_PDEATHSIG, _M_ARENA_MAX = 1, -8

log = logging.getLogger("portal.serve")


def keep_streams() -> None:
    """Let closed streams lead nowhere: what is printed is lost, and neither we nor a child end by it."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest free number
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "r" if number == 0 else "w", closefd=False))  # noqa: SIM115


def portal(host: str, port: int, workers: int, address: str, *, is_production: bool) -> NoReturn:
    """Fork all that serves, then become the supervisor (`main`), which has nothing loaded."""
    gc.freeze()
    forked = [_fork(command, loaded=True) for command in _commands(host, port, workers)]
    signal.pthread_sigmask(signal.SIG_BLOCK, ASKED)  # until `supervise` can hear them
    os.environ.setdefault("MALLOC_ARENA_MAX", str(ARENAS))  # of those that are started again
    words = [*map(str, (host, port, workers, address, int(is_production), *forked))]
    os.execv(sys.executable, [sys.executable, "-I", "-S", __file__, *words])  # noqa: S606


def main(host: str, port: str, workers: str, address: str, is_production: str, *forked: str) -> int:
    """Supervise what was forked until told to stop; returns the exit status to give."""
    sys.path.append(str(ROOT))
    from portal.ops import lines

    lines.begin(is_production=is_production == "1")
    return supervise(
        _commands(host, int(port), int(workers)),
        forked=[int(pid) for pid in forked],
        services=int(workers),
        is_up=lambda: listens(host, int(port)),
        greeting=f"The portal answers at {address}",
    )


def _commands(host: str, port: int, workers: int) -> list[list[str]]:
    return [*[web_command(host, port)] * workers, worker_command()]


def web_command(host: str, port: int, target: str = "wsgi:front") -> list[str]:
    """A web server's command line; several may listen on one port."""
    return [sys.executable, "-m", "portal.web_server", host, str(port), target]


def worker_command() -> list[str]:
    """The worker's command line."""
    return [sys.executable, "-m", "flask", "worker"]


def listens(host: str, port: int) -> bool:
    """Whether anybody answers there."""
    try:
        socket.create_connection((host, port), LISTENS_WITHIN).close()
    except OSError:
        return False
    return True


def supervise(
    commands: Sequence[Sequence[str]],
    *,
    forked: Sequence[int] = (),
    services: int = 1,
    is_up: Callable[[], bool] = lambda: False,
    greeting: str = "",
) -> int:
    """Keep all running until we are told to stop; a child that dies is started again.

    The first `services` commands are the service itself: the others share no fate with it, and start again after a
    growing pause however often they die. `forked` are those of the first that run already. Prints the greeting once,
    when all run and `is_up` says so. Returns the exit status to give: 0 after a signal (Ctrl-C, SIGTERM), 1 when a
    service died MAX_DEATHS times in DEATHS_WINDOW s. Should we be killed outright, the kernel ends the children
    (prctl(2), PR_SET_PDEATHSIG, where there is Linux), and mail's leases make a worker that lives on harmless.
    """
    asked = False

    def ask(_signal: int, _frame: FrameType | None) -> None:
        nonlocal asked
        asked = True

    for number in ASKED:
        signal.signal(number, ask)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ASKED)
    running = dict(enumerate(forked))
    children = [_Child(command, running.get(number, 0)) for number, command in enumerate(commands)]
    while not asked:
        for child in children:
            if child.is_up() or time.monotonic() < child.rests_until:
                continue
            if child.rests_until:
                child.start()
                continue
            child.note_death()
            if child not in children[:services]:
                child.rest()
            elif len(child.deaths) >= MAX_DEATHS:
                _end(children)
                return 1
            else:
                child.start()
        if greeting and is_up() and all(child.is_up() for child in children):
            _say(greeting)
            greeting = ""
        time.sleep(0.1)
    _end(children)
    return 0


def _say(greeting: str) -> None:
    """Print it; that nobody reads it is no reason to end."""
    with contextlib.suppress(OSError):
        sys.stdout.write(f"{greeting}\n")
        sys.stdout.flush()


class _Process:
    """A process of ours: one that runs already, or the command's."""

    def __init__(self, command: Sequence[str], pid: int = 0) -> None:
        self._status: int | None = None
        self.pid = pid or _fork(command)

    def poll(self) -> int | None:
        """Its exit status, once it has ended."""
        if self._status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self._status = os.waitstatus_to_exitcode(status) if pid else None
        return self._status

    def wait(self, seconds: float = 0) -> None:
        """Wait so long for its end, or for ever."""
        end = time.monotonic() + seconds
        while self.poll() is None and (not seconds or time.monotonic() < end):
            time.sleep(0.02)


def _fork(command: Sequence[str], *, loaded: bool = False) -> int:
    """Begin another process and return its id. With `loaded` it runs a module with what is loaded here already."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):
            stream.flush()  # else both would write it
    if pid := os.fork():
        return pid
    status = 1
    try:
        _die_with_parent()
        for number, handler in (
            (signal.SIGTERM, signal.SIG_DFL),
            (signal.SIGINT, signal.default_int_handler),
        ):
            signal.signal(number, handler)
        if not loaded:
            os.chdir(ROOT)
            os.execv(command[0], list(command))  # noqa: S606 - our own words
        sys.argv = list(command[2:])
        import runpy  # the supervisor has no use for it

        runpy.run_module(command[2], run_name="__main__", alter_sys=True)
        status = 0
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(status)  # what the parent would do at its own end is not ours


class _Child:
    """One command, the process that runs it, and how often it died of late."""

    def __init__(self, command: Sequence[str], pid: int = 0) -> None:
        self.command = list(command)
        self.deaths: list[float] = []
        self.pause = 0.0
        self.start(pid)

    def start(self, pid: int = 0) -> None:
        self.rests_until, self.started = 0.0, time.monotonic()
        self.process = _Process(self.command, pid)

    def is_up(self) -> bool:
        return self.process.poll() is None

    def note_death(self) -> None:
        """Remember it, and end what it left behind."""
        self.kill_group()
        at = time.monotonic()
        self.deaths = [death for death in self.deaths if at - death < DEATHS_WINDOW] + [at]
        log.error("a process ended and is started again", extra={"reason": self.command[2]})

    def rest(self) -> None:
        """Longer each time, until it has lived for a while: it may need what is not there yet."""
        at = time.monotonic()
        lived = at - self.started >= DEATHS_WINDOW
        self.pause = FIRST_REST if lived or not self.pause else min(self.pause * 2, LONGEST_REST)
        self.rests_until = at + self.pause

    def kill_group(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)


def _end(children: Sequence[_Child]) -> None:
    """Ask each to finish what it has in hand, and wait a while before insisting."""
    for child in children:
        if child.is_up():
            os.kill(child.process.pid, signal.SIGTERM)
    end = time.monotonic() + GRACE_SECONDS
    for child in children:
        child.process.wait(max(0.1, end - time.monotonic()))
        child.kill_group()
        child.process.wait()


def _die_with_parent() -> None:
    """In the child: own process group (so that Ctrl-C reaches us alone), no life after the parent, lean."""
    os.setpgid(0, 0)
    if sys.platform == "linux":
        import ctypes  # the supervisor has no use for it

        libc = ctypes.CDLL(None)
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if hasattr(libc, "mallopt"):  # glibc gives each thread memory of its own, which it keeps for ever
            libc.mallopt(_M_ARENA_MAX, ARENAS)


if __name__ == "__main__":
    ended = main(*sys.argv[1:])
    for last in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):
            last.flush()
    os._exit(ended)  # what nobody could take of our words is no fault: the interpreter would make 120 of it
