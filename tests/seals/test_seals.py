"""The trail's chain: made without anybody waiting, and what is done to it behind the portal's back is named."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, func, select, text

from portal import audit, jobs, keeping
from portal.audit import AuditEntry, append_only_statements
from portal.backup import files, sqlite
from portal.clock import now
from portal.db import db, transaction, writes_allowed
from portal.errors import Refused
from portal.ops import host
from portal.retention import sealed
from portal.seals import chain, key, verify
from portal.seals import jobs as seals
from portal.seals.models import SEALS, AuditCheck, Seal
from portal.settings import settings
from tests.conftest import Clock

Run = Callable[..., Any]
# Behind the portal's back: whoever can write into the database can take its triggers off.
TABLES = ("audit_entry", "audit_seal")


@pytest.fixture
def run(app: Flask) -> Run:
    return lambda *words: app.test_cli_runner().invoke(args=[str(word) for word in words])


@pytest.fixture
def context(app: Flask, instance: Path) -> Any:
    """A portal whose trail has 30 entries in three seals of 12, 12 and 6, and its clock."""
    (instance / "audit.key").unlink(missing_ok=True)
    with app.app_context():
        yield app


@pytest.fixture
def trail(context: Flask, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Clock:
    monkeypatch.setattr(chain, "BATCH", 12)
    write(30, clock)
    clock.tick(minutes=6)
    while seals.seal_all(now()):
        pass
    return clock


def write(count: int, clock: Clock) -> None:
    for number in range(count):
        clock.tick(1)
        with transaction():
            audit.record(None, "request.opened", f"request:{number}", at=now(), detail="é – words")


def behind(*statements: str) -> None:
    """Change what is append-only, as somebody with the database's password would."""
    dialect = db.engine.dialect.name
    with writes_allowed(), db.engine.begin() as connection:
        for table in TABLES:
            if dialect == "sqlite":
                connection.execute(text(f"DROP TRIGGER {table}_no_delete"))
                connection.execute(text(f"DROP TRIGGER {table}_no_update"))
            else:
                connection.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER ALL"))
        for statement in statements:
            connection.execute(text(statement))
        for table in TABLES:
            if dialect == "sqlite":
                for again in append_only_statements(table, dialect):
                    connection.execute(text(again))
            else:
                connection.execute(text(f"ALTER TABLE {table} ENABLE TRIGGER ALL"))


def ids() -> list[int]:
    return list(db.session.scalars(select(AuditEntry.id).order_by(AuditEntry.id)))


def look() -> str:
    return seals.look(now(), {}).fault


def test_a_whole_trail_holds_and_a_seal_is_over_each_entry_once(trail: Clock, run: Run) -> None:
    tags = [chain.tags_of(row) for row in db.session.execute(select(SEALS).order_by(Seal.id)).mappings()]

    assert [len(each) for each in tags] == [12, 12, 6]
    assert [number for each in tags for number, _tag in each] == ids()
    done = run("audit", "verify")
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[0] == "30 entries are as they were sealed; 0 are not sealed yet."
    assert done.stdout.splitlines()[1] == f"head {chain.head()}"
    assert key.path_of(settings()).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("place", [0, 11, 12, 29])
@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE audit_entry SET detail = 'x' WHERE id = {0}", "entry {0} was changed"),
        ("UPDATE audit_entry SET at = '2020-01-01 00:00:00.000000' WHERE id = {0}", "entry {0} was changed"),
        ("UPDATE audit_entry SET actor_id = 7 WHERE id = {0}", "entry {0} was changed"),
        ("DELETE FROM audit_entry WHERE id = {0}", "entry {0} is missing"),
    ],
)
def test_the_first_row_that_was_changed_or_taken_away_is_named(
    trail: Clock, run: Run, place: int, statement: str, said: str
) -> None:
    number = ids()[place]
    behind(statement.format(number))

    done = run("audit", "verify")

    assert done.exit_code == 1
    assert done.stderr.strip() == f"BROKEN: {said.format(number)}."


def test_two_rows_that_changed_places_are_named(trail: Clock) -> None:
    first, second = ids()[3], ids()[8]
    behind(
        f"UPDATE audit_entry SET id = -1 WHERE id = {first}",
        f"UPDATE audit_entry SET id = {first} WHERE id = {second}",
        f"UPDATE audit_entry SET id = {second} WHERE id = -1",
    )

    assert look() == f"entry {first} stands in the place of another"


@pytest.mark.parametrize("is_before_all", [True, False])
def test_a_row_that_was_put_in_later_is_named(trail: Clock, is_before_all: bool) -> None:
    """In a number that was free: before the first, or as one that a write left that was rolled back."""
    columns = "INSERT INTO audit_entry (id, at, actor_name, action, subject, detail)"
    row = "VALUES ({0}, '2026-01-15 18:00:01.000000', 'the portal', 'request.opened', 'request:1', '')"
    last = ids()[-1]
    behind(f"{columns} {row.format(last + 5)}")
    trail.tick(minutes=6)
    seals.seal_all(now())
    assert look() == ""
    number = ids()[0] - 1 if is_before_all else last + 2

    behind(f"{columns} {row.format(number)}")

    assert look() == f"entry {number} was added after its time"


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("DELETE FROM audit_seal WHERE id = 1", "seal 1 is missing"),
        ("DELETE FROM audit_seal WHERE id = 2", "seal 2 is missing"),
        ("UPDATE audit_seal SET oldest_at = '2016-01-01 00:00:00.000000' WHERE id = 2", "seal 2 "),
        ("UPDATE audit_seal SET mac = (SELECT mac FROM audit_seal WHERE id = 1) WHERE id = 2", "seal 2 "),
        ("UPDATE audit_seal SET tags = (SELECT tags FROM audit_seal WHERE id = 2) WHERE id = 1", "seal 1 "),
        ("UPDATE audit_seal SET key_id = '0123456789abcdef' WHERE id = 3", "seal 3 was made with a key"),
    ],
)
def test_the_seals_themselves_are_held_to_the_key(trail: Clock, statement: str, said: str) -> None:
    behind(statement)

    assert look().startswith(said)


@pytest.mark.parametrize("kept", [2, 0])
def test_an_end_that_was_cut_off_is_seen_by_what_was_kept_elsewhere(
    trail: Clock, run: Run, kept: int
) -> None:
    """Rows and their seals together, so that nothing that is left is wrong."""
    last = ids()[kept * 12 - 1] if kept else 0
    behind(f"DELETE FROM audit_seal WHERE id > {kept}", f"DELETE FROM audit_entry WHERE id > {last}")

    assert look().startswith(f"the chain ends at seal {kept}, and audit.head knows it with seal 3")

    key.reach(settings(), "")
    assert look() == ""
    seals.look(now(), {})
    done = seals.look(now(), {"portal-20260115.backup": f"3:{'0' * 64}"})
    assert "portal-20260115.backup knows it with seal 3" in done.fault


def test_what_is_new_is_not_sealed_yet_and_nobody_waits(context: Flask, clock: Clock) -> None:
    """A lower number may still come, on PostgreSQL; and each seal is one INSERT, read and digested before it."""
    write(3, clock)
    assert seals.seal_all(now()) is False and chain.head().id == 0
    clock.tick(minutes=6)
    write(2, clock)
    seen: list[str] = []

    def saw(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        seen.append(statement.split()[0])

    event.listen(db.engine, "before_cursor_execute", saw)
    seals.seal_all(now())
    event.remove(db.engine, "before_cursor_execute", saw)

    assert seals.look(now(), {}).sealed == 3
    began = seen.index("BEGIN") if "BEGIN" in seen else seen.index("INSERT")
    assert [word for word in seen[began:] if word not in ("BEGIN", "SET", "SELECT")] == ["INSERT"]


def test_a_clock_that_ran_ahead_holds_up_no_seal(context: Flask, clock: Clock) -> None:
    start = now()
    clock.tick(days=400)
    write(1, clock)
    clock.set(start)
    write(1, clock)
    clock.tick(minutes=6)

    seals.seal_all(now())

    assert seals.look(now(), {}).sealed == 2


def test_two_sealers_make_one_chain(trail: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second finds the number taken, and leaves."""
    first = key.made(settings())[0]
    write(1, trail)
    trail.tick(minutes=6)
    late = chain.Head(2, ids()[23], db.session.scalar(select(Seal.mac).where(Seal.id == 2)) or "")
    with monkeypatch.context() as stale:
        stale.setattr(chain, "head", lambda: late)
        assert chain.seal_some(first, key.id_of(first), at=now()) is None

    seals.seal_all(now())

    assert (chain.head().id, look()) == (4, "")


def test_what_ended_by_its_age_is_missing_by_right(trail: Clock, run: Run) -> None:
    trail.tick(days=audit.KEPT_FOR.days + 1)
    assert run("jobs", "run", "retention.sealed").exit_code == 0
    trail.tick(minutes=6)
    seals.seal_all(now())

    done = run("audit", "verify")

    assert done.exit_code == 0, done.output
    assert "31 entries are as they were sealed, 30 of them ended by their age" in done.stdout


@pytest.mark.parametrize(
    ("days", "told"),
    [
        (1, "{0} rows, {1} to {2}"),  # long before their age
        (audit.KEPT_FOR.days + 1, "1 rows, {1} to {2}"),  # more than it says
        (audit.KEPT_FOR.days + 1, "{0} rows, {1} to {1}"),  # others than it says
    ],
)
def test_an_end_that_somebody_made_up_excuses_nothing(trail: Clock, days: int, told: str) -> None:
    first, last = ids()[0], ids()[29]
    trail.tick(days=days)
    with transaction():
        detail = f"{told.format(30, first, last)}, SHA-256 {'0' * 64}"
        audit.record(None, "audit.ended", "audit_entry", at=now(), detail=detail)
    behind(f"DELETE FROM audit_entry WHERE id BETWEEN {first} AND {last}")

    assert "missing" in look()


def test_an_end_from_the_future_excuses_nothing(trail: Clock) -> None:
    first = ids()[0]
    with transaction():
        detail = f"1 rows, {first} to {first}, SHA-256 {'0' * 64}"
        audit.record(None, "audit.ended", "audit_entry", at=now() + timedelta(days=3000), detail=detail)
    behind(f"DELETE FROM audit_entry WHERE id = {first}")
    trail.tick(minutes=6)
    seals.seal_all(now())

    assert look() == f"entry {first} is missing"


def test_ended_rows_and_their_digest_as_the_seal_says_them(trail: Clock) -> None:
    """What `retention.sealed` writes is what is read here."""
    trail.tick(days=audit.KEPT_FOR.days + 1)
    sealed.end(sealed.ENDINGS[0], at=now())
    detail = db.session.scalar(select(AuditEntry.detail).where(AuditEntry.action == "audit.ended")) or ""

    found = verify.TOLD.fullmatch(detail)
    assert found is not None and found[1] == "30"


def test_a_new_key_seals_on_and_the_old_one_is_believed(trail: Clock) -> None:
    path = key.path_of(settings())
    path.write_text("n" * 64 + "\n" + path.read_text())
    write(1, trail)
    trail.tick(minutes=6)
    seals.seal_all(now())
    assert look() == ""

    path.write_text("n" * 64 + "\n")
    assert look().startswith("seal 1 was made with a key that AUDIT_KEY_FILE does not hold")


def test_a_chain_without_its_key_waits_for_a_person(trail: Clock, run: Run) -> None:
    """No new key is made in its place; one that is no key is refused too."""
    path = key.path_of(settings())
    path.unlink()
    write(1, trail)

    done = run("jobs", "run", "audit.seal")

    assert done.exit_code == 1 and "put it back" in done.stderr
    assert not path.exists()
    path.write_text("short")
    with pytest.raises(Refused, match="shorter than"):
        seals.seal_all(now())
    assert run("audit", "verify").exit_code == 2


def test_memory_is_bounded_whatever_is_added(trail: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """No more rows are asked for at once than a seal is over, and one; nor more seals than a few."""
    monkeypatch.setattr(verify, "AT_ONCE", 2)
    most: list[int] = []
    asked = db.session.execute

    def execute(*args: Any, **more: Any) -> Any:
        result = asked(*args, **more)
        rows = result.freeze()
        most.append(len(rows.data))
        return rows()

    monkeypatch.setattr(db.session, "execute", execute)
    assert verify.verify(key.read(settings()), at=now(), heads={}).fault == ""

    assert max(most) <= 13


def test_the_doctor_says_when_it_was_looked_through(trail: Clock, run: Run) -> None:
    assert host.trail().advice
    for name in (seals.SEAL, seals.CHECK):
        assert run("jobs", "run", name).exit_code == 0
    assert host.trail().ok

    trail.tick(days=3)
    assert "flask worker" in host.trail().remedy
    for name in (seals.SEAL, seals.CHECK):
        run("jobs", "run", name)
    assert host.trail().ok
    behind(f"DELETE FROM audit_entry WHERE id = {ids()[4]}")
    run("jobs", "run", seals.CHECK)
    assert host.trail().detail == f"entry {ids()[3] + 1} is missing" and host.trail().is_fault
    key.path_of(settings()).chmod(0o644)
    assert "others can read" in host.trail().detail


def test_what_looks_found_is_kept_for_13_months(trail: Clock) -> None:
    look()
    trail.tick(days=397)
    look()
    keeping.forget(now())

    assert db.session.scalar(select(func.count()).select_from(AuditCheck)) == 1


def test_a_backup_holds_the_head_and_is_refused_without_it(
    trail: Clock, run: Run, app: Flask, tmp_path: Path
) -> None:
    if db.engine.dialect.name != "sqlite":
        pytest.skip("tests/backup has PostgreSQL's")
    made = Path(run("backup", "create", tmp_path).stdout.strip())
    with files.unpacked(made, tmp_path) as (manifest, folder):
        assert manifest.audit_seal == str(chain.head())
        copy = tmp_path / "copy.db"
        shutil.copy(folder / sqlite.MEMBER, copy)
    with sqlite.opened(copy) as cut:
        cut.execute("DROP TRIGGER audit_seal_no_delete")
        cut.execute("DROP TRIGGER audit_seal_no_update")
        cut.execute("UPDATE audit_seal SET mac = 'x' WHERE id = 3")
    assert sqlite.fault_of(copy, manifest.facts) == "its audit trail does not end where it says"

    assert run("audit", "verify", "--backup", made).exit_code == 0
    key.reach(settings(), "")
    behind("DELETE FROM audit_seal WHERE id > 1", f"DELETE FROM audit_entry WHERE id > {ids()[11]}")
    done = run("audit", "verify", "--backup", made)
    assert done.exit_code == 1 and f"{made.name} knows it with seal 3" in done.stderr


def test_a_job_that_is_hastened_is_due(trail: Clock, run: Run) -> None:
    run("jobs", "run", seals.CHECK)
    job = jobs.JOBS.get(seals.CHECK)
    assert job is not None and not jobs.begin(job, worker="w", at=now())
    with transaction():
        jobs.hasten(seals.CHECK, at=now())

    assert jobs.begin(job, worker="w", at=now())


def test_a_seal_is_never_changed_and_never_goes(trail: Clock) -> None:
    for statement in ("UPDATE audit_seal SET id = 9", "DELETE FROM audit_seal"):
        with pytest.raises(Exception, match="append-only"), transaction():
            db.session.execute(text(statement))
