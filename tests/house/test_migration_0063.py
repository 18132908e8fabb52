"""What was written before is found by its words too."""

from __future__ import annotations

import pytest
from flask_migrate import downgrade, upgrade
from sqlalchemy import select

from config import Config
from portal.app import create_app
from portal.clock import now
from portal.db import db, transaction, writes_allowed
from portal.desk import acts, asking, contact, perform
from portal.desk.actors import ASKER
from portal.intake.models import Request
from portal.intake.words import RequestWord
from tests import world
from tests.conftest import own_postgres
from tests.intake.samples import submit, submit_resource


def test_the_way_up_gives_every_text_its_words(
    tmp_path_factory: pytest.TempPathFactory, settings: dict[str, str], worker_id: str
) -> None:
    own = {**settings, "INSTANCE_DIR": str(tmp_path_factory.mktemp("texts"))}
    if url := settings.get("DATABASE_URL"):
        own["DATABASE_URL"] = own_postgres(url, f"{worker_id}_texts")
    app = create_app(Config.from_env(own))
    with app.app_context():
        upgrade()
        submit_resource(app)
        for number in range(3):
            submit(app, f"t-{number}", question=f"O’Brien’s zonisamide {number} " + "x y " * 600)
        with transaction():
            grace = world.employ()
            for request in db.session.scalars(select(Request)).all():
                for act, by, text in (
                    (acts.NOTE, grace, "Noted alprazolam"),
                    (contact.CALL, grace, "Told carbamazepine"),
                    (asking.ADD, ASKER, "More bupropion"),
                ):
                    given = {"reason": "reached", "number": "415 555 7788"} if act is contact.CALL else {}
                    given |= {"form_token": f"{act.word}-{request.id}", "text": text}
                    perform.perform(act, request, by=by, at=now(), version=request.version, **given)
        every = select(RequestWord.request_id, RequestWord.term, RequestWord.kind)
        before = sorted(db.session.execute(every).all())
        db.session.rollback()
        with writes_allowed():
            downgrade(revision="0062")
            upgrade()
        after = sorted(db.session.execute(every).all())
        db.session.remove()
    for face in (app, app.extensions["staff"]):
        with face.app_context():
            db.engine.dispose()

    assert after == before
    assert {"obriens", "alprazolam", "bupropion", "4155557788", "reno"} <= {row.term for row in after}
