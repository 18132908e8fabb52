"""Several roles for one person: the way up changes nobody's rights, the way down gives nobody a right."""

from __future__ import annotations

import pytest
from flask_migrate import downgrade, upgrade
from sqlalchemy import select, text

from config import Config
from portal.app import create_app
from portal.clock import now
from portal.db import db, transaction, writes_allowed
from portal.people import invitations
from portal.people.models import Invite, StaffSession, User
from portal.people.rights import SETS, Role, spelled
from tests import world
from tests.conftest import own_postgres

LEFT = {"desk pharmacist": "pharmacist", "desk manager": "manager", "pharmacist manager": "manager"}
LEFT |= {"desk pharmacist manager": "manager"} | {role: role for role in Role}


def test_of_several_roles_one_stays_on_the_way_down_and_comes_up_again(
    tmp_path_factory: pytest.TempPathFactory, settings: dict[str, str], worker_id: str
) -> None:
    own = {**settings, "INSTANCE_DIR": str(tmp_path_factory.mktemp("roles"))}
    if url := settings.get("DATABASE_URL"):
        own["DATABASE_URL"] = own_postgres(url, f"{worker_id}_roles")
    app = create_app(Config.from_env(own))
    with app.app_context():
        upgrade()
        with transaction():
            for number, roles in enumerate(SETS):
                world.sign_in(world.employ(f"Person {number}", spelled(roles)))
                invitations.invite(email=f"{number}@pharmacy.example", roles=roles, by=None, at=now())
        with writes_allowed():
            downgrade(revision="0047")
            downgrade(revision="-1")
            below = [
                db.session.execute(text(f'SELECT role FROM "{table}" ORDER BY id')).scalars().all()
                for table in ("user", "invite")
            ]
            db.session.rollback()
            upgrade()
        above = [db.session.scalars(select(one.roles).order_by(one.id)).all() for one in (User, Invite)]
        there = db.session.scalars(select(User.roles).join(StaffSession, StaffSession.user_id == User.id))
        signed_in = sorted(map(spelled, there))
        db.session.remove()
    for face in (app, app.extensions["staff"]):
        with face.app_context():
            db.engine.dispose()

    wanted = [LEFT[spelled(roles)] for roles in SETS]
    assert below == [wanted, wanted]
    assert above == [[{role} for role in wanted]] * 2
    assert signed_in == sorted(Role), "who lost a right signs in again, nobody else"
