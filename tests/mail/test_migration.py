"""What version 0.1 promised survives the way up and down, to the byte; what it could not say is kept too."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask_migrate import downgrade, upgrade
from sqlalchemy import MetaData, Table, inspect, select, text, update

from portal.db import db, transaction, writes_allowed
from portal.mail import deliver, promise
from portal.mail.models import Body, Delivery, Lane, State
from tests.conftest import START
from tests.house.test_migrations import blank  # noqa: F401 - a fixture
from tests.mail.conftest import FACTS, Sink

BYTES = b"From: portal@pharmacy.example\r\nTo: Ana@clinic.example\r\nMessage-ID: <{}@x>\r\n\r\nHello {}.\r\n"
OLD = (
    # id, message, state, attempts, last_error
    (3, "intake/received", "queued", 0, ""),
    (4, "intake/notice", "queued", 2, "the server said not now (450)"),
    (5, "accounts/invitation", "sent", 1, ""),
    (9, "newsletter/reminder", "dead", 8, "the server said never (550)"),
)


@pytest.fixture
def old(blank: Flask) -> Iterator[Flask]:  # noqa: F811
    """A portal whose tables are those of version 0.1 and the jobs'."""
    with blank.app_context():
        upgrade(revision="0002")
        yield blank
        db.session.remove()
        with writes_allowed(), db.engine.begin() as connection:
            for table in ("mail_delivery", "mail_body"):
                if inspect(connection).has_table(table):
                    connection.execute(text(f"DELETE FROM {table}"))
        downgrade(revision="base")


def outbox() -> Table:
    return Table("outbox", MetaData(), autoload_with=db.engine)


def rows() -> list[dict[str, Any]]:
    table = outbox()
    with db.engine.connect() as connection:
        return [dict(row) for row in connection.execute(select(table).order_by(table.c.id)).mappings()]


def fill() -> list[dict[str, Any]]:
    """One mail in each state, as version 0.1 kept them."""
    table = outbox()
    with writes_allowed(), db.engine.begin() as connection:
        for number, message, state, attempts, error in OLD:
            connection.execute(
                table.insert().values(
                    id=number,
                    message_id=f"<{number}@pharmacy.example>",
                    message=message,
                    cause=f"request:{number}",
                    recipient="Ana@clinic.example",
                    content=BYTES.replace(b"{}", str(number).encode()),
                    created_at=START,
                    state=state,
                    due_at=START + timedelta(minutes=attempts),
                    attempts=attempts,
                    sent_at=START + timedelta(seconds=9) if state == "sent" else None,
                    last_error=error,
                )
            )
    return rows()


def test_what_waited_goes_out_with_its_very_bytes_and_name(old: Flask) -> None:
    before = {row["message_id"]: row for row in fill()}

    upgrade()
    sink = Sink()
    for lane in Lane:
        while deliver.deliver(lane, sink, worker="w", wait=lambda _seconds: False):
            pass

    waited = [row for row in before.values() if row["state"] == "queued"]
    assert sorted(sink.sent) == sorted(row["content"] for row in waited)
    with db.engine.connect() as connection:
        found = connection.execute(
            select(
                Delivery.message_id, Delivery.state, Delivery.attempts, Delivery.over_at, Body.message
            ).join(Body)
        ).all()
    assert {row.message_id: (str(row.state), row.attempts) for row in found} == {
        "<3@pharmacy.example>": ("sent", 1),
        "<4@pharmacy.example>": ("sent", 3),
        "<5@pharmacy.example>": ("sent", 1),
        "<9@pharmacy.example>": ("dead", 8),
    }
    assert {row.message for row in found} == {
        "intake/received",
        "intake/notice",
        "people/invitation",
        "newsletter/reminder",
    }


def test_up_down_and_up_again_changes_no_row(old: Flask) -> None:
    before = fill()

    upgrade(revision="0003")
    downgrade(revision="0002")
    assert rows() == before
    upgrade(revision="0003")
    downgrade(revision="0002")

    assert rows() == before


def test_nothing_that_is_not_written_yet_is_lost_on_the_way_back(
    old: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    """It refuses, and says what to run; then the older version has the bytes that this one would have sent."""
    upgrade()
    with transaction():
        promise.promise("intake/notice", to="a@b.example", cause="test:1", facts=FACTS, at=START)
        promise.promise("intake/notice", to="c@d.example", cause="test:2", facts=FACTS, at=START)
        promise.hold("test:2", at=START)

    with pytest.raises(SystemExit):
        downgrade(revision="0002")
    assert "2 mails are promised and not yet written" in caplog.text
    assert "Run `flask db upgrade` and `flask worker --once`" in caplog.text
    upgrade()
    assert deliver.write_all() == {}
    db.session.remove()
    downgrade(revision="0002")

    first, second = rows()
    assert (first["state"], second["state"]) == ("queued", "dead")
    assert f"Message-ID: {first['message_id']}".encode() in first["content"]
    upgrade()
    with transaction():
        states = dict(db.session.execute(select(Delivery.cause, Delivery.state)).all())
    assert states == {"test:1": State.QUEUED, "test:2": State.HELD}
    sink = Sink()
    for lane in Lane:
        deliver.deliver(lane, sink, worker="w", wait=lambda _seconds: False)
    assert sink.sent == [first["content"]]


def test_what_was_forgotten_and_what_cannot_be_written_come_back_as_they_were(old: Flask) -> None:
    upgrade()
    with transaction():
        promise.promise("intake/notice", to="a@b.example", cause="test:1", facts=FACTS, at=START)
        promise.promise("intake/notice", to="c@d.example", cause="test:2", facts=FACTS, at=START)
    deliver.deliver(Lane.NOW, Sink(), worker="w", wait=lambda _seconds: False)
    with transaction():
        db.session.execute(
            update(Body).where(Body.content.is_(None)).values(message="intake/of_a_newer_version")
        )
    deliver.deliver(Lane.NOW, Sink(), worker="w", wait=lambda _seconds: False)
    with transaction():
        promise.retire(START + timedelta(days=40))
    before = state()

    db.session.remove()
    downgrade(revision="0002")
    upgrade()

    assert state() == before


def state() -> list[tuple[Any, ...]]:
    """All but where the headers stand: on the way down each mail becomes a whole one."""
    columns = (Delivery.cause, Delivery.message_id, Delivery.state, Delivery.last_error, Body.message)
    with db.engine.connect() as connection:
        query = select(*columns, Body.content.is_(None)).join(Body)
        found = connection.execute(query.order_by(Delivery.id)).all()
    return [tuple(row) for row in found]
