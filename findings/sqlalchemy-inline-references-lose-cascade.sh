#!/usr/bin/env bash
# SQLAlchemy 2.1.9 + Alembic 1.20.1, SQLite: `REFERENCES p(id) ON DELETE CASCADE` beside a column is reflected without its action
#
# Guess:    a foreign key is reflected alike, whether it stands beside its column or as FOREIGN KEY (...) at the end.
# Happened: only the second form keeps ON DELETE, ON UPDATE, its name and DEFERRABLE. Beside the column the options are {} (SQLite's own
#           foreign_key_list knows them), so a batch rebuild that drops another column turns CASCADE into NO ACTION: deleting
#           the parent, which took its children along before, is refused from then on. No warning.
#           Output seen: inline {} CASCADE -> NO ACTION; at the end {'ondelete': 'CASCADE'} CASCADE -> CASCADE
# Matters:  tables made by op.create_table are safe, since SQLAlchemy writes the second form. One written by hand
#           in a migration is not: erasing a person would fail, or leave rows behind, after a migration of something else. Write
#           foreign keys at the end, and compare PRAGMA foreign_key_list before and after each rebuild.
# Source:   this run; sqlite.org/foreignkeys.html, 4.3.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv v && v/bin/pip -q install alembic==1.20.1 sqlalchemy==2.1.9
cat > try.py <<'PY'
import warnings
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations
warnings.simplefilter("error")
def rebuilt(ddl):
    engine = sa.create_engine("sqlite://")
    with engine.connect() as c:
        run = c.exec_driver_sql
        run("CREATE TABLE person (id INTEGER PRIMARY KEY)")
        run(ddl)
        action = lambda: run("PRAGMA foreign_key_list(token)").one()[6]
        options, before = sa.inspect(c).get_foreign_keys("token")[0]["options"], action()
        with Operations(MigrationContext.configure(c)).batch_alter_table("token") as batch:
            batch.drop_column("old")
        run("INSERT INTO person VALUES (1)")
        run("INSERT INTO token VALUES (1, 1)")
        c.commit()
        c.connection.driver_connection.execute("PRAGMA foreign_keys=ON")
        try:
            run("DELETE FROM person")
            erased = "children gone" if not run("SELECT * FROM token").fetchall() else "children left"
        except sa.exc.IntegrityError as error:
            erased = str(error.orig)
        seen = options, before, action(), erased
        print(*seen, sep=" | ")
        return seen
beside = rebuilt("CREATE TABLE token (id INTEGER PRIMARY KEY, "
                 "person_id INTEGER NOT NULL REFERENCES person (id) ON DELETE CASCADE, old TEXT)")
at_end = rebuilt("CREATE TABLE token (id INTEGER PRIMARY KEY, person_id INTEGER NOT NULL, old TEXT, "
                 "FOREIGN KEY (person_id) REFERENCES person (id) ON DELETE CASCADE)")
assert beside == ({}, "CASCADE", "NO ACTION", "FOREIGN KEY constraint failed"), beside
assert at_end == ({"ondelete": "CASCADE"}, "CASCADE", "CASCADE", "children gone"), at_end
PY
v/bin/python try.py
