"""On PostgreSQL through PgBouncer, with two web processes and two workers: backends killed, the server restarted."""

from __future__ import annotations

import os
import pwd
import random
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests import debian, postgres
from tests.figures import Figure, amount
from tests.journeys.rounds import Ask, Sink, Tally, hold, wait_for_the_last_mail
from tests.live import Live, free_port, listens, until

pytestmark = [pytest.mark.kill, pytest.mark.postgres, pytest.mark.xdist_group("kill")]

ROUNDS = amount(3, 60)
WORKERS = ("worker1", "worker2")
POOLER = """[databases]
* = host=127.0.0.1 port={server} user=portal
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 10
max_client_conn = 200
server_login_retry = 1
logfile = {folder}/log
pidfile = {folder}/pid
"""


@pytest.fixture
def server() -> Iterator[postgres.Server]:
    tools = postgres.binaries()
    if tools is None:
        pytest.skip("needs Debian's postgresql")
    with tempfile.TemporaryDirectory() as name:  # that an ordinary user may enter
        made = postgres.Server(tools, Path(name), commits="on")  # off loses, and this test says so
        yield made
        made.stop()


@pytest.fixture
def pooled(server: postgres.Server) -> Iterator[str]:
    """The server's address by way of a PgBouncer in transaction mode."""
    found = debian.program("pgbouncer", "pgbouncer", "libc-ares2", "libevent-2.1-7")
    if found is None:
        pytest.skip("needs Debian's pgbouncer")
    program, env = found
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), free_port()
        (folder / "conf").write_text(POOLER.format(server=server.port, port=port, folder=folder))
        if server.user:
            for path in (folder, folder / "conf"):
                os.chown(path, pwd.getpwnam(server.user).pw_uid, -1)
        running = subprocess.Popen([program, "-q", str(folder / "conf")], env=env, user=server.user)
        until(lambda: listens(port))
        yield f"postgresql+psycopg://portal@127.0.0.1:{port}/postgres"
        running.terminate()
        running.wait(20)


def test_nothing_accepted_is_lost_through_a_pooler(
    server: postgres.Server, pooled: str, sink: Sink, portal_on: Callable[..., Live], figure: Figure
) -> None:
    live = portal_on(pooled, f"postgresql+psycopg://portal@127.0.0.1:{server.port}/postgres")
    chance = random.Random(20261127)
    tally, cut = Tally(), 0
    for number in range(ROUNDS):
        with tally.sending(live.port):
            time.sleep(chance.uniform(0.0, 0.12))
            if number % 3 == 2:
                server.stop("immediate")
                server.start()
                cut += 1
            elif number % 3 == 1:
                live.kill("worker1")  # the other lives, and leaves it its leases until they end
                cut += 1
            else:
                cut += end_backends(server)
        if "worker1" not in live.processes:
            live.start_worker("worker1")
        tally.settle()
    cut += end_leases(server, live)
    ask = asking(server)
    wait_for_the_last_mail(ask, live)
    hold(ask, tally, sink, cuts=cut)
    assert "ProgrammingError" not in live.logged(), (
        "pg_dump would empty the search path of a shared connection"
    )
    live.flask("backup", "create")
    live.env["DATABASE_DIRECT_URL"] = ""
    with pytest.raises(AssertionError, match="leads to a pooler"):
        live.flask("backup", "create")
    figure("cuts: PostgreSQL behind PgBouncer", cut, f"in {ROUNDS} rounds, nothing lost", how="sum")


def test_a_stand_by_takes_over_and_nothing_accepted_is_lost(
    sink: Sink, portal_on: Callable[..., Live], figure: Figure
) -> None:
    """Both are named in DATABASE_URL; the first acknowledges what the second has, and then is gone for good."""
    with first_and_second() as (first, second):
        hosts = f"host=127.0.0.1:{first.port}&host=127.0.0.1:{second.port}"
        live = portal_on(f"postgresql+psycopg://portal@/postgres?{hosts}&target_session_attrs=read-write")
        tally = Tally()
        with tally.sending(live.port):
            pass
        with tally.sending(live.port):
            time.sleep(0.05)
            first.stop("immediate")
            second.promote()
        tally.settle()
        with tally.sending(live.port):
            pass
        cut = 1 + end_leases(second, live)
        ask = asking(second)
        wait_for_the_last_mail(ask, live)
        seen = hold(ask, tally, sink, cuts=cut)
    figure("requests kept while a stand-by took over", seen["posts"], "of as many", how="sum")


@contextmanager
def first_and_second() -> Iterator[tuple[postgres.Server, postgres.Server]]:
    """A server and its stand-by, which has what the first says is written."""
    tools = postgres.binaries()
    if tools is None:
        pytest.skip("needs Debian's postgresql")
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        first = postgres.Server(tools, Path(one), commits="on")
        second = postgres.Server(tools, Path(other), commits="on", follows=first)
        try:
            first.waits_for_its_stand_by()
            until(lambda: list(asking(first)("SELECT sync_state FROM pg_stat_replication")) == [("sync",)])
            yield first, second
        finally:
            with suppress(subprocess.CalledProcessError):
                first.stop()  # which the test has done
            second.stop()


@pytest.fixture
def portal_on(sink: Sink, tmp_path: Path) -> Iterator[Callable[..., Live]]:
    """A portal on this database, with two web processes and two workers."""
    made: list[Live] = []

    def start(database: str, directly: str = "") -> Live:
        settings = {"TRUSTED_PROXIES": "1", "SMTP_URL": sink.url, "DATABASE_URL": database}
        settings["DATABASE_DIRECT_URL"] = directly
        live = Live(tmp_path / "instance", warm=True, **settings)
        made.append(live)
        live.migrate()
        live.start_web(processes=2)
        for name in WORKERS:
            live.start_worker(name)
        return live

    yield start
    for live in made:
        live.stop()


def asking(server: postgres.Server) -> Ask:
    def ask(query: str) -> list[tuple[Any, ...]]:
        with suppress(psycopg.OperationalError), psycopg.connect(plain(server)) as database:
            return database.execute(query).fetchall()
        return []

    return ask


def plain(server: postgres.Server) -> str:
    return server.url.replace("+psycopg", "")


def end_leases(server: postgres.Server, live: Live) -> int:
    """End both workers and what they leased: other machines may send too, so a lease ends by time alone."""
    for name in WORKERS:
        live.kill(name)
    with psycopg.connect(plain(server)) as database:
        database.execute("UPDATE mail_delivery SET lease_until = now() WHERE lease_until IS NOT NULL")
    live.start_worker(WORKERS[0])
    return len(WORKERS)


def end_backends(server: postgres.Server) -> int:
    """End all connections of the portal, as a server that is short of memory does; returns how many."""
    query = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"""
    with psycopg.connect(plain(server), autocommit=True) as database:
        return len(database.execute(query).fetchall())
