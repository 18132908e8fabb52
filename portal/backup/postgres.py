"""PostgreSQL's own dump (pg_dump, custom format) of one snapshot, in which rows are counted too; and its way back.

Nothing is put on a command line that others could read: host, user and password go by libpq's environment.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, NullPool, create_engine, make_url, text
from sqlalchemy.exc import SQLAlchemyError

from portal.backup.facts import Facts
from portal.backup.generations import STAMP
from portal.errors import Refused
from portal.settings import Settings

MEMBER = "portal.dump"
POOLED = (
    "DATABASE_URL leads to a pooler, and what pg_dump sets for its own connection would stay set for others: "
    "name the server itself in DATABASE_DIRECT_URL."
)
MAINTENANCE = "postgres"  # the database that every server has, from which others are made and renamed


def server_of(config: Settings) -> URL:
    """Where its programs connect: the server itself, past a pooler."""
    return make_url(config.DATABASE_DIRECT_URL or config.SQLALCHEMY_DATABASE_URI)


def _refuse_pooler(live: Connection) -> None:
    """A pooler tells a made-up number of a process (PgBouncer does: it is its key to cancel), the server its own."""
    told = live.connection.driver_connection.info.backend_pid  # type: ignore[union-attr]
    if told != live.scalar(text("SELECT pg_backend_pid()")):
        raise Refused(POOLED)


def take(config: Settings, target: Path) -> Facts:
    """Dump the database into a new file. Raises Refused when that cannot be."""
    url = server_of(config)
    target.touch(0o600)
    with connected(url) as live:
        live.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"))
        _refuse_pooler(live)
        snapshot = live.scalar(text("SELECT pg_export_snapshot()"))
        names = live.scalars(
            text("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
        ).all()
        counts = {name: live.scalar(text(f'SELECT count(*) FROM "{name}"')) or 0 for name in names}  # noqa: S608
        facts = Facts(
            live.scalar(text("SELECT version_num FROM alembic_version")) or "",
            counts,
            live.scalar(text("SELECT coalesce(max(id), 0) FROM audit_entry")) or 0,
            _last_seal(live) if counts.get("audit_seal") else "",
        )
        how = ("--format=custom", "--no-owner", "--no-privileges", "--schema=public")
        _run("pg_dump", *how, f"--snapshot={snapshot}", f"--file={target}", url=url)
    return facts


def _last_seal(live: Connection) -> str:
    return live.scalar(text("SELECT id || ':' || mac FROM audit_seal ORDER BY id DESC LIMIT 1")) or ""


def fault_of(dump: Path, facts: Facts) -> str:
    """What is wrong with a dump; empty when all of it can be read, every table has its rows, and the trail ends where
    it ended."""
    command = [_program("pg_restore"), "--data-only", "--file=-", str(dump)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as reading:  # noqa: S603
        found = dict.fromkeys(facts.counts, 0)
        table, columns = "", [""]
        heads: dict[str, tuple[int, dict[str, str]]] = {"audit_entry": (0, {}), "audit_seal": (0, {})}
        for line in reading.stdout or ():
            if table and line == b"\\.\n":
                table = ""
            elif table:
                found[table] = found.get(table, 0) + 1
                if table in heads:
                    row = dict(zip(columns, line.decode().removesuffix("\n").split("\t"), strict=True))
                    heads[table] = max(heads[table], (int(row["id"]), row), key=lambda pair: pair[0])
            elif line.startswith(b"COPY public."):
                table = line.split(b" ")[1].decode().removeprefix("public.").strip('"')
                columns = line.decode().partition("(")[2].partition(")")[0].split(", ")
        said = (reading.stderr.read() if reading.stderr else b"").decode(errors="replace").strip()
    if reading.returncode:
        return next(iter(said.splitlines()), "pg_restore failed")
    if found != facts.counts:
        return "it does not hold as many rows as it says"
    seal = heads["audit_seal"][1]
    is_whole = heads["audit_entry"][0] == facts.audit_head and facts.audit_seal in (
        "",
        f"{seal.get('id')}:{seal.get('mac')}",
    )
    return "" if is_whole else "its audit trail does not end where it says"


quick_fault_of = fault_of  # its rows cannot be counted without reading all of it


@contextmanager
def made_ready(config: Settings, dump: Path) -> Iterator[URL]:
    """A database of its own with the dump in it, beside the portal's; gone again when the block raises."""
    url = server_of(config)
    aside = url.set(database=f"{url.database}_restoring")
    with connected(url.set(database=MAINTENANCE), autocommit=True) as server:
        # who has no user is the server itself: its autovacuum makes way for a new name by itself
        using = text("SELECT count(*) FROM pg_stat_activity WHERE datname = :name AND usesysid IS NOT NULL")
        if server.scalar(using, {"name": url.database}):
            raise Refused("Somebody uses the database: stop the portal and every command first.")
        _execute(server, f"DROP DATABASE IF EXISTS {_quoted(aside)}")
        _execute(server, f"CREATE DATABASE {_quoted(aside)} TEMPLATE template0{_letters(server, url)}")
        try:
            how = ("--exit-on-error", "--no-owner", "--no-privileges", "--single-transaction")
            # template0 has the schema already, and only the server's owner may make it
            _run("pg_restore", *how, "--schema=public", f"--dbname={aside.database}", dump, url=aside)
            _execute_in(aside, "ANALYZE")
            yield aside
        except BaseException:
            _execute(server, f"DROP DATABASE IF EXISTS {_quoted(aside)}")
            raise


def _letters(server: Connection, url: URL) -> str:
    """How the portal's database writes and sorts its text, for a new one: the server's own way may be another."""
    told = text(
        "SELECT format(' ENCODING %L LC_COLLATE %L LC_CTYPE %L', pg_encoding_to_char(encoding), datcollate, datctype)"
        " FROM pg_database WHERE datname = :name"
    )
    return server.scalar(told, {"name": url.database}) or ""


def name_kept(config: Settings, at: datetime) -> str:
    """What the old database is called after a restore."""
    name = server_of(config).database
    return f"{name}_before_{at.astimezone(UTC):{STAMP}}".lower()


def put_in_place(config: Settings, aside: URL, at: datetime) -> None:
    """Give the portal's database its other name, and its own to the one that was made ready: both or none."""
    url = server_of(config)
    kept = url.set(database=name_kept(config, at))
    with connected(url.set(database=MAINTENANCE)) as server:
        _execute(server, f"ALTER DATABASE {_quoted(url)} RENAME TO {_quoted(kept)}")
        _execute(server, f"ALTER DATABASE {_quoted(aside)} RENAME TO {_quoted(url)}")
        server.commit()


def has_people(config: Settings) -> bool:
    """Whether anybody is in the portal's database."""
    query = 'SELECT EXISTS (SELECT 1 FROM "user") OR EXISTS (SELECT 1 FROM request)'
    try:
        with connected(server_of(config)) as live:
            return bool(live.scalar(text(query)))
    except SQLAlchemyError:
        return False  # a database without tables


@contextmanager
def connected(url: URL, *, autocommit: bool = False) -> Iterator[Connection]:
    """One connection of our own, without the limits of pages. Raises Refused where the server says no."""
    engine = create_engine(url, poolclass=NullPool, connect_args={"prepare_threshold": None})
    try:
        with engine.connect() as connection:
            yield connection.execution_options(isolation_level="AUTOCOMMIT") if autocommit else connection
    finally:
        engine.dispose()


def _execute(connection: Connection, statement: str) -> None:
    try:
        connection.execute(text(statement))
    except SQLAlchemyError as error:
        said = next(iter(str(getattr(error, "orig", error)).splitlines()), "it refused")
        raise Refused(f"The database server says: {said}.") from error


def _execute_in(url: URL, statement: str) -> None:
    with connected(url, autocommit=True) as connection:
        _execute(connection, statement)


def _quoted(url: URL) -> str:
    name = str(url.database)
    return '"' + name.replace('"', '""') + '"'


def _run(program: str, *words: object, url: URL) -> None:
    known: dict[str, Any] = {
        "PGHOST": url.host or url.query.get("host"),
        "PGPORT": url.port or url.query.get("port"),
        "PGUSER": url.username,
        "PGPASSWORD": url.password,
        "PGDATABASE": url.database,
        "PGSSLMODE": url.query.get("sslmode"),
        "PGSSLROOTCERT": url.query.get("sslrootcert"),
    }
    env = {**os.environ, **{name: str(value) for name, value in known.items() if value}}
    command = [_program(program), *map(str, words)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise Refused(next(iter(done.stderr.strip().splitlines()), f"{program} failed"))


def _program(name: str) -> str:
    """Debian keeps each version's beside its server."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: float(path.parts[-3]))
    return str(found[-1]) if found else name
