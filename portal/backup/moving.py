"""Moving a portal from SQLite to PostgreSQL: every row, and then the proof, table by table, that both hold the same.

The SQLite file is only read. The target has to be empty: what is there already is never mixed with what comes.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, Table, func, insert, make_url, select
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from portal.backup import postgres
from portal.db import db
from portal.errors import Refused

AT_ONCE = 1000


@dataclass(frozen=True)
class Proof:
    """One table on both sides: how many rows, and the SHA-256 of all of them in order."""

    table: str
    rows: int
    there: int
    digest: str
    digest_there: str

    @property
    def is_same(self) -> bool:
        """Whether nothing is missing, added or changed."""
        return (self.rows, self.digest) == (self.there, self.digest_there)


def move(target: str) -> Iterator[Proof]:
    """Copy every table into the PostgreSQL database at that address, and prove each. Raises Refused.

    Nobody may write meanwhile: one snapshot is read on this side. All is committed at the end or nothing is.
    """
    try:
        url = make_url(target)
    except ArgumentError as error:
        raise Refused("Give the target as postgresql+psycopg://user@host:5432/name.") from error
    if url.drivername != "postgresql+psycopg":
        raise Refused("Give the target as postgresql+psycopg://user@host:5432/name.")
    _make_tables(target)
    tables = db.metadata.sorted_tables
    with db.engine.connect() as here, postgres.connected(url) as there:
        if full := [table.name for table in tables if there.scalar(select(func.count()).select_from(table))]:
            raise Refused(f"The target is not empty ({', '.join(full)}): give a database of its own.")
        for table in tables:
            _copy(table, here, there)
        proofs = [_prove(table, here, there) for table in tables]
        yield from proofs
        if not all(proof.is_same for proof in proofs):
            there.rollback()
            raise Refused("Not the same on both sides: nothing was kept there.")
        there.commit()
    with postgres.connected(url, autocommit=True) as there:
        there.exec_driver_sql("ANALYZE")  # or its first minutes are spent on plans for empty tables


def _make_tables(target: str) -> None:
    command = [sys.executable, "-m", "flask", "db", "upgrade"]
    env = {**os.environ, "DATABASE_URL": target}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["it ended without a word"])[-1]
        raise Refused(f"The tables could not be made there: {said}")


def _copy(table: Table, here: Connection, there: Connection) -> None:
    rows = here.execution_options(yield_per=AT_ONCE).execute(
        select(table).order_by(*table.primary_key.columns)
    )
    try:
        for some in rows.mappings().partitions(AT_ONCE):
            there.execute(insert(table), [dict(row) for row in some])
    except SQLAlchemyError as error:
        said = next(iter(str(getattr(error, "orig", error)).splitlines()), type(error).__name__)
        raise Refused(f"A row of {table.name} was not taken: {said}") from error
    key = table.autoincrement_column
    if key is not None:  # the next number comes after the last one that was copied
        sequence = func.pg_get_serial_sequence(f'"{table.name}"', key.name)
        there.execute(select(func.setval(sequence, func.coalesce(func.max(key), 0) + 1, False)))


def _prove(table: Table, here: Connection, there: Connection) -> Proof:
    (rows, digest), (rows_there, digest_there) = _digest(table, here), _digest(table, there)
    return Proof(table.name, rows, rows_there, digest, digest_there)


def _digest(table: Table, connection: Connection) -> tuple[int, str]:
    """Of every row in Python's words for it, so that what is the same value is the same text on both databases."""
    sha, count = hashlib.sha256(), 0
    query = select(table).order_by(
        *(
            column.collate("C") if _is_text(column, connection) else column
            for column in table.primary_key.columns
        )
    )
    for row in connection.execution_options(yield_per=AT_ONCE).execute(query):
        sha.update(repr([_plain(value) for value in row]).encode())
        count += 1
    return count, sha.hexdigest()


def _is_text(column: object, connection: Connection) -> bool:
    return connection.dialect.name == "postgresql" and getattr(column, "type").python_type is str  # noqa: B009


def _plain(value: object) -> object:
    if isinstance(value, str):
        return str(value)
    if isinstance(value, memoryview | bytearray):
        return bytes(value)
    if isinstance(value, dict):  # JSON keeps no order
        return sorted((str(key), _plain(item)) for key, item in value.items())
    return value
