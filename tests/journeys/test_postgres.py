"""On PostgreSQL through PgBouncer, with two web processes and two workers: backends killed, the server restarted."""

from __future__ import annotations

import os
import pwd
import random
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

from portal import serve
from tests import debian, postgres
from tests.figures import Figure, amount
from tests.journeys.test_kill import POSTERS, POSTS_A_ROUND, Sink, Tally, _order, _post_all, _settle
from tests.live import Live, free_port, listens, until

pytestmark = [pytest.mark.kill, pytest.mark.postgres, pytest.mark.xdist_group("kill")]

ROUNDS = amount(6, 60)
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
def sink() -> Iterator[Sink]:
    made = Sink()
    made.controller.start()
    yield made
    made.controller.stop()


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
    server: postgres.Server,
    pooled: str,
    sink: Sink,
    tmp_path: Path,
    figure: Figure,
) -> None:
    smtp = f"smtp://127.0.0.1:{sink.port}?tls=none"
    live = Live(tmp_path / "instance", warm=True, TRUSTED_PROXIES="1", SMTP_URL=smtp, DATABASE_URL=pooled)
    chance = random.Random(20261127)
    tally, cut = Tally(), 0
    try:
        live.migrate()
        start = {
            "web": serve.web_command("127.0.0.1", live.port, 2),
            **{f"worker{n}": serve.worker_command() for n in (1, 2)},
        }
        for name, command in start.items():
            live._start(name, command)
        live.wait_until_up()
        for number in range(ROUNDS):
            orders = [_order(live.port, number * POSTS_A_ROUND + n) for n in range(POSTS_A_ROUND)]
            posters = [
                threading.Thread(target=_post_all, args=(orders[n::POSTERS], tally)) for n in range(POSTERS)
            ]
            for poster in posters:
                poster.start()
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
            for poster in posters:
                poster.join()
            if "worker1" not in live.processes:
                live._start("worker1", start["worker1"])
            settle_all(tally)
        assert not tally.in_doubt, live.logged()[-2000:]
        for name in ("worker1", "worker2"):
            live.kill(name)
        cut += 2
        with psycopg.connect(
            plain(server)
        ) as database:  # other machines may send too, so a lease ends by time alone
            database.execute("UPDATE mail_delivery SET lease_until = now() WHERE lease_until IS NOT NULL")
        live._start("worker1", start["worker1"])
        wait_for_the_last_mail(server, live)
    finally:
        live.stop()
    with psycopg.connect(plain(server)) as database:
        rows = Counter(token for (token,) in database.execute("SELECT form_token FROM request"))
        promised = dict(database.execute("SELECT message_id, state FROM mail_delivery").fetchall())
        causes = {cause for (cause,) in database.execute("SELECT cause FROM mail_delivery")}
        references = {f"request:{ref}" for (ref,) in database.execute("SELECT reference FROM request")}
    assert tally.accepted <= set(rows) and len(tally.accepted) == ROUNDS * POSTS_A_ROUND
    assert max(rows.values()) == 1
    assert causes == references and set(promised.values()) == {"sent"}
    arrived = Counter(identity.partition(" ")[2].strip() for identity, _ in sink.mails)
    assert set(arrived) == set(promised)
    assert sum(arrived.values()) - len(arrived) <= cut, (
        "a mail is repeated only by a cut between the 250 and our commit"
    )
    assert len(set(sink.mails)) == len(arrived), "a repeat has the same bytes"
    figure("cuts: PostgreSQL behind PgBouncer", cut, f"in {ROUNDS} rounds, nothing lost", how="sum")


def plain(server: postgres.Server) -> str:
    return server.url.replace("+psycopg", "")


def end_backends(server: postgres.Server) -> int:
    """End all connections of the portal, as a server that is short of memory does; returns how many."""
    query = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"""
    with psycopg.connect(plain(server), autocommit=True) as database:
        return len(database.execute(query).fetchall())


def settle_all(tally: Tally) -> None:
    """Send again until all is answered: the database is back within seconds."""
    end = time.monotonic() + 30
    while tally.in_doubt and time.monotonic() < end:
        _settle(tally)
        time.sleep(0.2)


def wait_for_the_last_mail(server: postgres.Server, live: Live) -> None:
    end = time.monotonic() + 90
    while time.monotonic() < end:
        with suppress(psycopg.OperationalError), psycopg.connect(plain(server)) as database:
            row = database.execute("SELECT count(*) FROM mail_delivery WHERE state = 'queued'").fetchone()
            if row == (0,):
                return
        time.sleep(0.2)
    raise AssertionError(f"mail still waits: {live.logged()[-3000:]}")
