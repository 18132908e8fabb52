"""The supervisor, with stand-ins for its two parts: what dies comes back, and all ends together."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import pytest

from config import ROOT
from portal import serve
from tests.live import SOON, Browserless, Live, free_port, tokens_in, until

pytestmark = pytest.mark.slow


SCRIPT = """
import sys
from portal import serve
serve.GRACE_SECONDS = 0.5
sys.exit(serve.supervise([["/bin/sh", "-c", command] for command in sys.argv[1:]]))
"""
# Each writes its own process id, then works until it is ended.
WORKS = 'echo $$ >> "{0}"; exec sleep 60'
STUBBORN = 'trap "" TERM; echo $$ >> "{0}"; while :; do sleep 60; done'
DIES = 'echo $$ >> "{0}"; exit 3'


@pytest.fixture
def supervise() -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start a supervisor over these shell commands; whatever is left of it is killed at the end."""
    started: list[subprocess.Popen[bytes]] = []

    def start(
        *commands: str, script: str = SCRIPT, before: tuple[str, ...] = (), stdout: IO[bytes] | None = None
    ) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-S", "-c", script, *before, *commands],
            cwd=ROOT,
            stdout=stdout,
            stderr=subprocess.PIPE,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def pids(file: Path) -> list[int]:
    return [int(line) for line in file.read_text().split()] if file.exists() else []


def lives(pid: int) -> bool:
    """Whether the process runs; one that waits to be collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_what_dies_is_started_again(
    supervise: Callable[..., subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    web, worker = tmp_path / "web", tmp_path / "worker"
    supervisor = supervise(WORKS.format(web), WORKS.format(worker))
    until(lambda: len(pids(web)) == len(pids(worker)) == 1)
    [first] = pids(web)

    os.kill(first, signal.SIGKILL)

    until(lambda: len(pids(web)) == 2)
    assert lives(pids(web)[1])
    assert len(pids(worker)) == 1
    assert supervisor.poll() is None


def test_each_of_several_web_servers_is_the_service(
    supervise: Callable[..., subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    good, bad = tmp_path / "good", tmp_path / "bad"
    two = SCRIPT.replace("sys.argv[1:]])", "sys.argv[1:]], services=2)")
    supervisor = supervise(WORKS.format(good), DIES.format(bad), script=two)

    assert supervisor.wait(SOON) == 1
    assert len(pids(bad)) == serve.MAX_DEATHS
    assert not lives(pids(good)[0])


def test_what_runs_already_is_watched_and_not_begun(
    supervise: Callable[..., subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    web, worker = tmp_path / "web", tmp_path / "worker"
    begun = SCRIPT.replace(
        "sys.exit(", "forked = [serve._fork(['/bin/sh', '-c', sys.argv[1]])]\nsys.exit("
    ).replace("sys.argv[1:]])", "sys.argv[1:]], forked=forked)")
    supervise(WORKS.format(web), WORKS.format(worker), script=begun)
    until(lambda: len(pids(web)) == len(pids(worker)) == 1)

    os.kill(pids(web)[0], signal.SIGKILL)

    until(lambda: len(pids(web)) == 2)
    assert len(pids(worker)) == 1


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_both_end_when_asked(
    how: signal.Signals, supervise: Callable[..., subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    web, worker = tmp_path / "web", tmp_path / "worker"
    supervisor = supervise(WORKS.format(web), WORKS.format(worker))
    until(lambda: len(pids(web)) == len(pids(worker)) == 1)

    supervisor.send_signal(how)

    assert supervisor.wait(SOON) == 0
    assert not any(lives(pid) for pid in pids(web) + pids(worker))


def test_who_does_not_listen_is_ended_after_a_while(
    supervise: Callable[..., subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    deaf = tmp_path / "deaf"
    supervisor = supervise(STUBBORN.format(deaf))
    until(lambda: len(pids(deaf)) == 1)

    supervisor.terminate()

    assert supervisor.wait(SOON) == 0
    assert not lives(pids(deaf)[0])


def test_it_gives_up_on_what_dies_again_and_again(
    supervise: Callable[..., subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    web, worker = tmp_path / "web", tmp_path / "worker"
    supervisor = supervise(DIES.format(web), WORKS.format(worker))

    assert supervisor.wait(SOON) == 1
    assert len(pids(web)) == serve.MAX_DEATHS
    assert not lives(pids(worker)[0])


def test_the_web_server_lives_however_often_the_worker_dies(
    supervise: Callable[..., subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    web, worker = tmp_path / "web", tmp_path / "worker"
    quick = SCRIPT.replace("serve.GRACE", "serve.FIRST_REST = serve.LONGEST_REST = 0.05\nserve.GRACE")
    supervisor = supervise(WORKS.format(web), DIES.format(worker), script=quick)

    until(lambda: len(pids(worker)) > 2 * serve.MAX_DEATHS)

    assert supervisor.poll() is None
    assert len(pids(web)) == 1
    assert lives(pids(web)[0])


def test_the_pause_grows_while_the_worker_dies_and_begins_anew_once_it_lived(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However long it goes on: what counts is how long it lived, not how often it died in a minute."""
    at, pauses = [1000.0], []
    monkeypatch.setattr(serve.time, "monotonic", lambda: at[0])
    monkeypatch.setattr(serve, "_Process", lambda _command, _pid: None)
    child = serve._Child(["worker"])
    for lived in [1.0] * 20 + [serve.DEATHS_WINDOW]:
        at[0] += lived
        child.rest()
        pauses.append(child.rests_until - at[0])
        at[0] = child.rests_until
        child.start()

    assert pauses[:20] == sorted(pauses[:20])
    assert pauses[8:20] == [pytest.approx(serve.LONGEST_REST)] * 12
    assert pauses[20] == pytest.approx(serve.FIRST_REST)


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
def test_nothing_outlives_a_supervisor_that_is_killed(
    supervise: Callable[..., subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    web, worker = tmp_path / "web", tmp_path / "worker"
    supervisor = supervise(WORKS.format(web), WORKS.format(worker))
    until(lambda: len(pids(web)) == len(pids(worker)) == 1)

    supervisor.kill()

    until(lambda: not any(lives(pid) for pid in pids(web) + pids(worker)))


# A supervisor that greets, and a web server that begins to listen when a file is there.
GREETS = """
import sys
from portal import serve
port, *commands = sys.argv[1:]
sys.exit(serve.supervise(
    [["/bin/sh", "-c", command] for command in commands],
    is_up=lambda: serve.listens("127.0.0.1", int(port)),
    greeting="It is up",
))
"""
SERVES = """
import socket
server = socket.create_server(("127.0.0.1", {port}))
print("listens", flush=True)
while True:
    server.accept()[0].close()
"""
LISTENS = """echo $$ >> "{web}"; until [ -e "{may}" ]; do sleep 0.05; done; exec {python} -S -c '{serves}'"""


def test_the_address_is_said_when_the_server_listens_and_once(
    supervise: Callable[..., subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    may, web, said = tmp_path / "may", tmp_path / "web", tmp_path / "said"
    port = free_port()
    serves = SERVES.replace("{port}", str(port))
    command = LISTENS.format(web=web, may=may, python=sys.executable, serves=serves)
    with said.open("wb") as stdout:
        supervise(command, script=GREETS, before=(str(port),), stdout=stdout)
    until(lambda: len(pids(web)) == 1)
    time.sleep(0.5)
    early = said.read_text()
    may.touch()
    until(lambda: "It is up" in said.read_text())
    os.kill(pids(web)[0], signal.SIGKILL)
    until(lambda: said.read_text().count("listens") == 2)
    time.sleep(0.5)

    assert early == ""
    assert said.read_text().split("\n") == ["listens", "It is up", "listens", ""]


def test_nothing_is_said_of_a_server_that_died(
    supervise: Callable[..., subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    said = tmp_path / "said"
    with said.open("wb") as stdout:
        supervisor = supervise(
            DIES.format(tmp_path / "web"), script=GREETS, before=(str(free_port()),), stdout=stdout
        )

    assert supervisor.wait(SOON) == 1
    assert said.read_text() == ""


def test_the_supervisor_loads_nothing_else_of_the_portal() -> None:
    script = "import sys, portal.serve; print(*(name for name in sys.modules if name.startswith('portal.')))"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert done.stdout.split() == ["portal.serve"]


@pytest.mark.kill
def test_the_portal_is_loaded_once_and_serves_and_sends(tmp_path: Path) -> None:
    """`flask serve` as it is: both processes come back when they are killed, and all ends when asked."""
    live = Live(tmp_path / "instance")
    try:
        live.migrate()
        live.start_served()
        process = live.processes["serve"]
        until(lambda: "worker started" in live.logged())
        visitor = Browserless(live.port, "127.0.0.1")
        answers = {"email": "ana@clinic.example", "topics": "news", "language": "en"}
        time.sleep(2.1)  # a form sent sooner is asked for once more
        sent = visitor.ask("POST", "/newsletter", {**visitor.hidden("/newsletter"), **answers})
        assert sent.status in (303, 422)
        if sent.status == 422:  # it was sent in haste, and is asked for again
            sent = visitor.ask("POST", "/newsletter", {**tokens_in(sent.text), **answers})
        assert sent.status == 303
        until(lambda: any((tmp_path / "instance" / "mail").glob("*.eml")))
        supervisor = Path(f"/proc/{process.pid}")
        until(lambda: b"serve.py" in (supervisor / "cmdline").read_bytes())  # no more the command
        assert not [
            line for line in (supervisor / "maps").read_text().splitlines() if "site-packages" in line
        ]
        web, worker = children(process.pid)
        for pid in (web, worker):
            os.kill(pid, signal.SIGKILL)
        until(lambda: len(found := children(process.pid)) == 2 and not {web, worker} & set(found))
        live.wait_until_up()
        until(lambda: live.logged().count("worker started") == 2)
        until(lambda: live.logged().count("a process ended and is started again") == 2)
        process.send_signal(signal.SIGTERM)
        assert process.wait(SOON) == 0
    finally:
        live.stop()


def children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_the_web_server_is_told_where_to_listen() -> None:
    command = serve.web_command("127.0.0.1", 8123, "some:front")

    assert command == [sys.executable, "-m", "portal.web_server", "127.0.0.1", "8123", "some:front"]


def test_closed_streams_end_nothing(tmp_path: Path) -> None:
    """Ours, and those of what we start: both would fail at the first line they print."""
    told = tmp_path / "told"
    child = f"import sys; print(1); print(2, file=sys.stderr); open({str(told)!r}, 'w').write('lives')"
    script = (
        "import os; [os.close(number) for number in (0, 1, 2)]\n"
        "import subprocess, sys; sys.stdin = sys.stdout = sys.stderr = None\n"
        "from portal import serve; serve.keep_streams(); print('a', flush=True)\n"
        f"sys.exit(subprocess.call([sys.executable, '-S', '-c', {child!r}]))"
    )

    done = subprocess.run([sys.executable, "-S", "-c", script], cwd=ROOT, check=False)

    assert (done.returncode, told.read_text()) == (0, "lives")
