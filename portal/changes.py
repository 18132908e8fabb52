"""Whether anybody saved something: what an idle worker looks at, in place of each of its jobs."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from sqlalchemy.engine import Engine
from sqlalchemy.exc import SQLAlchemyError

from portal.db import identity


class Changes:
    """Whether anybody saved something since the last look; a look reads no table.

    SQLite counts the commits of others than the connection that asks (https://www.sqlite.org/pragma.html#pragma_data_version).
    PostgreSQL's snapshot is another one once a transaction that writes has begun or ended (pg_current_snapshot), in
    whichever database of the server: a look too many does no harm.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine, self._seen = engine, ""
        self._file: sqlite3.Connection | None = None
        self._opened = list[tuple[int, int]]()

    def look(self) -> bool:
        """Whether something may have been saved: also at the first look, and where the database cannot say."""
        before = self._seen
        try:
            self._seen = self._number() if self._engine.dialect.name == "sqlite" else self._snapshot()
        except (sqlite3.Error, SQLAlchemyError):
            self.close()
            self._seen = ""
        return not self._seen or self._seen != before

    def close(self) -> None:
        """Let go of the database."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _number(self) -> str:
        if self._file is None or self._opened != identity(self._engine):
            self.close()
            self._opened = identity(self._engine)
            file = Path(self._engine.url.database or "").resolve().as_uri()
            self._file = sqlite3.connect(f"{file}?mode=rw", uri=True, isolation_level=None)
        return f"{self._opened} {self._file.execute('PRAGMA data_version').fetchone()[0]}"

    def _snapshot(self) -> str:
        with self._engine.connect() as connection:
            return str(connection.exec_driver_sql("SELECT pg_current_snapshot()").scalar())
