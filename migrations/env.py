"""How migrations run: on the app's own engine, with foreign keys off while SQLite rebuilds a table.

A batch rebuild of a parent with foreign keys on deletes its children (ON DELETE CASCADE); so they are off before the
transaction begins, and checked after it.
"""

from __future__ import annotations

from alembic import context
from flask import current_app

from portal.db import db, writes_allowed


def run() -> None:
    """Bring the database to the revision that was asked for."""
    engine = db.engine
    is_sqlite = engine.dialect.name == "sqlite"
    with engine.connect() as connection, writes_allowed():
        if is_sqlite:
            connection.connection.driver_connection.execute("PRAGMA foreign_keys=OFF")
        context.configure(
            connection=connection,
            target_metadata=db.metadata,
            **current_app.extensions["migrate"].configure_args,
        )
        with context.begin_transaction():
            context.run_migrations()
            if is_sqlite:
                broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
                if broken:
                    raise RuntimeError(f"the migration would break foreign keys: {broken[:5]}")
        if is_sqlite:
            connection.connection.driver_connection.execute("PRAGMA foreign_keys=ON")


run()
