"""How migrations run: on the app's own engine, with foreign keys off while SQLite rebuilds a table.

A batch rebuild of a parent with foreign keys on deletes its children (ON DELETE CASCADE); so they are off before the
transaction begins, and checked after it. A column that is added and may not be empty is written with what the rows
that are there get, so that `flask db migrate` writes a migration that runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from alembic import context
from alembic.operations.ops import AddColumnOp
from alembic.util import CommandError
from flask import current_app
from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    DefaultClause,
    Integer,
    LargeBinary,
    String,
    false,
    inspect,
    text,
)

from portal.db import BUSY_TIMEOUT_MS, db, writes_allowed

UPGRADE_LOCK = 0x1D4  # any number that is always the same


def _fill_what_may_not_be_empty(_context: object, _revision: object, directives: list[Any]) -> None:
    for script in directives:
        for added in _added(script.upgrade_ops):
            if not added.column.nullable and added.column.server_default is None:
                added.column.server_default = DefaultClause(_of_old_rows(added.column))


def _added(operation: Any) -> Iterator[AddColumnOp]:
    if isinstance(operation, AddColumnOp):
        yield operation
    for inner in getattr(operation, "ops", ()):
        yield from _added(inner)


def _of_old_rows(column: Column[Any]) -> Any:
    """What the model gives by itself, or the empty value of that kind."""
    default = getattr(column.default, "arg", None)
    if isinstance(default, str):
        return str(default)
    if isinstance(column.type, Boolean):
        return text("true") if default is True else false()
    if isinstance(column.type, Integer):
        return text(str(default if isinstance(default, int) else 0))
    if isinstance(column.type, LargeBinary | String):
        return ""
    if type(column.type).__name__ == "JSON":
        return "{}" if "dict" in repr(default) else "[]"
    raise CommandError(
        f"{column.name} may not be empty: say by server_default what the rows that are there get"
    )


def _triggers(connection: Connection) -> dict[str, tuple[str, str]]:
    """Each trigger's table and SQL."""
    found = connection.exec_driver_sql("SELECT name, tbl_name, sql FROM sqlite_master WHERE type = 'trigger'")
    return {name: (table, sql) for name, table, sql in found}


def _put_back(triggers: dict[str, tuple[str, str]]) -> Callable[..., None]:
    """After each step, in its transaction: a batch rebuild drops the triggers of its table without a word, and with
    them what makes it append-only."""

    def after_step(ctx: Any, **_more: object) -> None:
        connection = ctx.connection
        there, tables = _triggers(connection), set(inspect(connection).get_table_names())
        for name in triggers.keys() - there.keys():
            table, sql = triggers.pop(name)
            if table in tables:
                connection.exec_driver_sql(sql)
                there[name] = table, sql
        triggers.update(there)

    return after_step


def run() -> None:
    """Bring the database to the revision that was asked for."""
    engine = db.engine
    is_sqlite = engine.dialect.name == "sqlite"
    for table in db.metadata.tables.values():
        for index in table.indexes:
            # Said here and not in the models: to hear it, SQLAlchemy loads all it has for PostgreSQL, in every start.
            if (where := index.kwargs.get("sqlite_where")) is not None:
                index.kwargs["postgresql_where"] = where
    with engine.connect() as connection, writes_allowed(limited=False):
        if is_sqlite:
            connection.connection.driver_connection.execute("PRAGMA foreign_keys=OFF")
            connection.connection.driver_connection.execute("PRAGMA cache_size=-65536")
            # The other one's upgrade may take its time; PostgreSQL waits for it without an end.
            connection.connection.driver_connection.execute("PRAGMA busy_timeout=600000")
        changed: list[object] = []
        steps = (
            {
                "on_version_apply": (
                    _put_back(_triggers(connection)),
                    lambda **step: changed.append(step["step"]),
                )
            }
            if is_sqlite
            else {}
        )
        connection.rollback()
        context.configure(
            connection=connection,
            target_metadata=db.metadata,
            process_revision_directives=_fill_what_may_not_be_empty,
            **steps,
            **current_app.extensions["migrate"].configure_args,
        )
        with context.begin_transaction():
            # Two that upgrade at once take turns, and the second finds nothing more to do.
            connection.execute(
                text("SELECT 1" if is_sqlite else f"SELECT pg_advisory_xact_lock({UPGRADE_LOCK})")
            )
            context.run_migrations()
            if changed:  # it looks up each key: half a minute for a million requests
                broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
                if broken:
                    raise RuntimeError(f"the migration would break foreign keys: {broken[:5]}")
        if is_sqlite:
            connection.connection.driver_connection.execute("PRAGMA foreign_keys=ON")
            connection.connection.driver_connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")


run()
