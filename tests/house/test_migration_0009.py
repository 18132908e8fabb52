"""Requests that were there before are found by their words too."""

from __future__ import annotations

import pytest
from flask_migrate import downgrade, upgrade
from sqlalchemy import select

from config import Config
from portal.app import create_app
from portal.db import db, writes_allowed
from portal.intake.models import Request, RequestTerm
from portal.intake.terms import has
from tests.conftest import own_postgres
from tests.intake.samples import submit


def test_the_way_up_gives_every_request_its_words(
    tmp_path_factory: pytest.TempPathFactory, settings: dict[str, str], worker_id: str
) -> None:
    own = {**settings, "INSTANCE_DIR": str(tmp_path_factory.mktemp("words"))}
    if url := settings.get("DATABASE_URL"):
        own["DATABASE_URL"] = own_postgres(url, f"{worker_id}_words")
    app = create_app(Config.from_env(own))
    with app.app_context():
        upgrade()
        references = [submit(app, f"t-{number}", name=f"Núñez {number}") for number in range(3)]
        before = sorted(db.session.execute(select(RequestTerm.request_id, RequestTerm.term)).all())
        db.session.rollback()
        with writes_allowed():
            downgrade(revision="0006")
            upgrade()
        after = sorted(db.session.execute(select(RequestTerm.request_id, RequestTerm.term)).all())
        found = db.session.scalars(select(Request.reference).where(has("nunez"))).all()
        db.session.remove()
    for face in (app, app.extensions["staff"]):
        with face.app_context():
            db.engine.dispose()

    assert after == before and len(before) > 20
    assert sorted(found) == sorted(references)
