"""The migrations make what the models say, lead back and forth with rows there, and may be run twice."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import Flask
from flask_migrate import downgrade, upgrade
from sqlalchemy import (
    JSON,
    CheckConstraint,
    Column,
    Connection,
    DateTime,
    ForeignKey,
    Integer,
    Table,
    TypeDecorator,
    func,
    inspect,
    select,
    text,
)
from sqlalchemy.exc import DBAPIError

from config import Config
from portal.app import MIGRATIONS, create_app
from portal.db import db, writes_allowed
from portal.ops import migrations as known
from tests.conftest import START, own_postgres

APPEND_ONLY = {"audit_entry", "audit_seal", "consent_event"}
SCRIPT = ScriptDirectory(str(MIGRATIONS))
REVISIONS = [revision.revision for revision in SCRIPT.walk_revisions()]  # newest first
ONE_OF = re.compile(r"^(\w+) IN \('(\w+)'")


@pytest.fixture(scope="module")
def blank(
    tmp_path_factory: pytest.TempPathFactory, settings: dict[str, str], worker_id: str
) -> Iterator[Flask]:
    """A portal of its own, with a database that no migration has seen."""
    own = {**settings, "INSTANCE_DIR": str(tmp_path_factory.mktemp("blank"))}
    if url := settings.get("DATABASE_URL"):
        own["DATABASE_URL"] = own_postgres(url, f"{worker_id}_blank")
    app = create_app(Config.from_env(own))
    yield app
    for face in (app, app.extensions["staff"]):
        with face.app_context():
            db.engine.dispose()


@pytest.fixture
def migrated(blank: Flask) -> Iterator[Flask]:
    """At the newest revision, and nothing left of it afterwards."""
    with blank.app_context():
        upgrade()
        yield blank
        downgrade(revision="base")


def test_the_portal_reads_its_migrations_as_alembic_does() -> None:
    assert known.head() == SCRIPT.get_current_head()
    assert known.revisions() == set(REVISIONS)


def look(question: Callable[[Connection], Any]) -> Any:
    with db.engine.connect() as connection:
        return question(connection)


def tables() -> set[str]:
    return look(lambda connection: set(inspect(connection).get_table_names())) - {"alembic_version"}


def checks(connection: Connection) -> set[tuple[str, str]]:
    found = inspect(connection)
    return {
        (table, str(check["name"]))
        for table in db.metadata.tables
        for check in found.get_check_constraints(table)
    }


def value(column: Column[Any], choices: dict[str, str]) -> object:
    """Something that the column takes."""
    if column.foreign_keys or (column.primary_key and isinstance(column.type, Integer)):
        return 1
    if column.name in choices:
        return choices[column.name]
    kind = column.type.impl if isinstance(column.type, TypeDecorator) else column.type
    if isinstance(kind, DateTime):
        return START
    if isinstance(kind, JSON):
        return []
    return {str: "x", int: 1, bool: False, bytes: b"x"}[kind.python_type]


def fill() -> None:
    """One row into each table."""
    with writes_allowed(), db.engine.begin() as connection:
        for table in db.metadata.sorted_tables:
            choices = {
                found[1]: found[2]
                for check in table.constraints
                if isinstance(check, CheckConstraint) and (found := ONE_OF.match(str(check.sqltext)))
            }
            row = {column.name: value(column, choices) for column in table.columns if not column.nullable}
            connection.execute(table.insert().values(row))


def rows() -> dict[str, int]:
    def count(connection: Connection) -> dict[str, int]:
        return {
            name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for name, table in db.metadata.tables.items()
        }

    return look(count)


def refuses_change(table: Table) -> bool:
    """Whether neither UPDATE nor DELETE is let through."""
    key = next(iter(table.primary_key.columns))
    for statement in (table.update().values({key: key}), table.delete()):
        with writes_allowed(), db.engine.connect() as connection, connection.begin() as trial:
            try:
                connection.execute(statement)
            except DBAPIError as error:
                if "append-only" not in str(error.orig):
                    return False
            else:
                return False
            finally:
                trial.rollback()
    return True


def test_there_is_one_newest_revision() -> None:
    assert len(SCRIPT.get_heads()) == 1


def test_the_newest_revision_is_what_the_models_say(migrated: Flask) -> None:
    """Tables, columns, types, keys and indexes; and, which Alembic does not compare, the checks."""

    def differences(connection: Connection) -> list[Any]:
        return compare_metadata(
            MigrationContext.configure(connection, opts={"compare_type": True}), db.metadata
        )

    wanted = {
        (table.name, str(check.name))
        for table in db.metadata.sorted_tables
        for check in table.constraints
        if isinstance(check, CheckConstraint)
    }

    assert look(differences) == []
    assert look(checks) == wanted
    assert tables() == set(db.metadata.tables)


def test_every_foreign_key_deletes_as_the_models_say(migrated: Flask) -> None:
    def found(connection: Connection) -> set[tuple[str, str, str]]:
        return {
            (table, key["constrained_columns"][0], str(key["options"].get("ondelete") or ""))
            for table in db.metadata.tables
            for key in inspect(connection).get_foreign_keys(table)
        }

    wanted = {
        (table.name, column.name, key.ondelete or "")
        for table in db.metadata.sorted_tables
        for column in table.columns
        for key in column.foreign_keys
        if isinstance(key, ForeignKey)
    }

    assert look(found) == wanted


def test_upgrading_twice_changes_nothing(migrated: Flask) -> None:
    fill()
    before = rows()

    upgrade()

    assert rows() == before
    assert set(before.values()) == {1}


def test_down_and_up_again_with_rows_there(migrated: Flask) -> None:
    fill()
    assert {name for name, table in db.metadata.tables.items() if refuses_change(table)} == APPEND_ONLY

    for _ in REVISIONS:
        downgrade(revision="-1")
    assert tables() == set()
    upgrade()
    fill()

    assert tables() == set(db.metadata.tables)
    assert {name for name, table in db.metadata.tables.items() if refuses_change(table)} == APPEND_ONLY


def test_nothing_is_left_behind(migrated: Flask) -> None:
    """After the way down no table, trigger or function of ours is there."""
    downgrade(revision="base")

    left = {
        "sqlite": "SELECT name FROM sqlite_master WHERE name NOT LIKE '%alembic_version%'",
        "postgresql": "SELECT proname FROM pg_proc JOIN pg_namespace n ON n.oid = pronamespace "
        "WHERE n.nspname = 'public'",
    }[db.engine.dialect.name]
    assert look(lambda connection: connection.execute(text(left)).all()) == []
    assert tables() == set()


def test_a_moment_keeps_its_fractions(migrated: Flask) -> None:
    """Both databases give back what was stored, to the microsecond."""
    moment: datetime = START.replace(microsecond=123_456)
    table = db.metadata.tables["audit_entry"]
    with writes_allowed(), db.engine.begin() as connection:
        connection.execute(
            table.insert().values(id=1, at=moment, actor_name="x", action="x", subject="x", detail="")
        )

    assert look(lambda connection: connection.execute(select(table.c.at)).scalar_one()) == moment


REBUILD = """
from alembic import op
from sqlalchemy import BigInteger, Column, Integer

revision, down_revision = "9999", "{head}"


def upgrade():
    for table in {tables}:
        with op.batch_alter_table(table) as batch:
            batch.add_column(Column("note", Integer))
        with op.batch_alter_table(table) as batch:  # which SQLite can do by a rebuild only
            batch.alter_column("note", type_=BigInteger)


def downgrade():
    for table in {tables}:
        with op.batch_alter_table(table) as batch:
            batch.drop_column("note")
"""


def test_a_table_that_is_rebuilt_stays_append_only(migrated: Flask, tmp_path: Path) -> None:
    """SQLite's batch mode drops triggers without a word; `env.py` puts them back."""
    fill()
    (tmp_path / "9999_rebuild.py").write_text(REBUILD.format(head=REVISIONS[0], tables=sorted(APPEND_ONLY)))
    config = migrated.extensions["migrate"].migrate.get_config()
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", f"{MIGRATIONS / 'versions'}\n{tmp_path}")
    for step, is_there in ((command.upgrade, True), (command.downgrade, False)):
        step(config, "9999" if is_there else REVISIONS[0])

        for name in APPEND_ONLY:
            columns = look(lambda c, name=name: {one["name"] for one in inspect(c).get_columns(name)})
            assert ("note" in columns) is is_there
            assert refuses_change(db.metadata.tables[name]), name
