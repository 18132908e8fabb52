#!/usr/bin/env bash
# Alembic 1.20.1 + SQLAlchemy 2.1.9, SQLite: a batch rebuild makes a NOCASE column case-sensitive, and nobody tells
#
# Guess:    dropping another column in batch mode keeps what the model said of the rest, or warns, as it does for an unnamed
#           CHECK; at the latest the next autogenerate finds the difference.
# Happened: the copy is made from reflection, which knows neither COLLATE NOCASE, nor AUTOINCREMENT, nor DESC in an index, nor
#           triggers: all four are gone, without a warning. "ANA@example.org" beside "ana@example.org" is then accepted by the
#           same UNIQUE constraint. compare_metadata sees the index alone, neither collation nor AUTOINCREMENT nor trigger.
#           Output seen: before ['NOCASE', 'AUTOINCREMENT', 'DESC', 'trigger'], after []; differences: remove_index, add_index
# Matters:  e-mail addresses that must be unique whatever their case, ids that must not come again, append-only
#           triggers. Pass `reflect_args=[Column("email", String(collation="NOCASE"))]` and `table_kwargs`, make the triggers again in the
#           same migration, and let a test compare sqlite_master after "upgrade head" with a database made from the models.
# Source:   this run; sqlite.org/lang_altertable.html (7) on what a rebuild has to make again.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv v && v/bin/pip -q install alembic==1.20.1 sqlalchemy==2.1.9
cat > try.py <<'PY'
import warnings
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.operations import Operations
warnings.simplefilter("error")  # a warning would be a change
metadata = sa.MetaData()
def table(meta, *more):
    return sa.Table("reader", meta,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("email", sa.String(254, collation="NOCASE"), nullable=False),
        sa.Column("at", sa.Integer), *more,
        sa.UniqueConstraint("email", name="uq_reader_email"), sa.Index("ix_reader_at", sa.desc("at")),
        sqlite_autoincrement=True)
table(metadata, sa.Column("old", sa.Text))
wanted = sa.MetaData(); table(wanted)
def marks(c):
    text = " ".join(f"{kind} {sql}" for kind, sql in c.exec_driver_sql("SELECT type, sql FROM sqlite_master") if sql)
    return [word for word in ("NOCASE", "AUTOINCREMENT", "DESC", "trigger") if word in text]
def addresses(c):
    c.exec_driver_sql("INSERT INTO reader (email, at) VALUES ('ANA@example.org', 2)")
engine = sa.create_engine("sqlite://")
with engine.connect() as c:
    metadata.create_all(c)
    c.exec_driver_sql("CREATE TRIGGER kept BEFORE DELETE ON reader BEGIN SELECT RAISE(ABORT, 'append-only'); END")
    c.exec_driver_sql("INSERT INTO reader (email, at) VALUES ('ana@example.org', 1)")
    try:
        addresses(c)
    except sa.exc.IntegrityError as error:
        print("before:", marks(c), error.orig)
    else:
        raise SystemExit("not refused before")
    with Operations(MigrationContext.configure(c)).batch_alter_table("reader") as batch:
        batch.drop_column("old")
    addresses(c)  # no error now
    differences = compare_metadata(
        MigrationContext.configure(c, opts={"compare_type": True, "compare_server_default": True}), wanted)
    print("after:", marks(c), c.exec_driver_sql("SELECT email FROM reader").fetchall())
    print("differences:", [d[0] for d in differences])
    assert marks(c) == [] and [d[0] for d in differences] == ["remove_index", "add_index"]

    # What keeps the collation: saying it again.
    metadata.drop_all(c); metadata.create_all(c)
    with Operations(MigrationContext.configure(c)).batch_alter_table(
        "reader", reflect_args=[sa.Column("email", sa.String(254, collation="NOCASE"), nullable=False)],
        table_kwargs={"sqlite_autoincrement": True},
    ) as batch:
        batch.drop_column("old")
    print("said again:", marks(c))
    assert marks(c) == ["NOCASE", "AUTOINCREMENT"]
PY
v/bin/python try.py
