"""The first recipe of `docs/changing.md`, done from beginning to end on a copy of the tree: a field is added.

Five files are touched and no other: model, migration (as `flask db migrate` writes it, on a database with rows),
form, fact, template. Then the room's own tests pass, the demo world is planted, and the desk sees the answer. The
suite plants once and asks the tests of fields and facts alone; `make faults` does all of it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import SETTINGS
from tests.figures import is_full
from tests.live import ROOT

COPIED = (
    "portal",
    "migrations",
    "templates",
    "tests",
    "config.py",
    "wsgi.py",
    "pyproject.toml",
    "docs",
    "README.md",
)
# In the suite the tests that walk fields and facts; with `--full` all that the room does with a request.
ROOM = ["tests/intake/test_kinds.py"]
ROOM += ["tests/intake/test_submissions.py", "tests/intake/test_views.py"] if is_full() else []
COLUMN = '    fellow: Mapped[str] = mapped_column(String(80), default="")\n'
FIELD = """    fellow = TextField(
        "Fellowship",
        [MayBeEmpty()],
        max_length=80,
        description="If you have one",
    )
"""
FACT = '        Fact(field="fellow", label="Fellowship"),\n'
# Asks as a prescriber does and looks as the desk does, in the changed tree.
LOOK = """
from config import Config
from portal.app import create_app
from portal.db import db
from portal.desk import perform
from portal.intake import kinds
from portal.intake.models import Request
from portal.people.models import User
from portal.staff.casefile import CaseFile
from sqlalchemy import select
app = create_app(Config.from_env())
import re
client, base = app.test_client(), "http://localhost:8000"
page = client.get("/requests/consultation", base_url=base).text
assert "Fellowship" in page
sent = dict(re.findall(r'name="(csrf_token|form_token)"[^>]*value="([^"]+)"', page)) | {
    "name": "Ana Ruiz", "npi": "1234567893", "email": "ana@clinic.example", "topics": "dosing",
    "question": "How slowly?", "contact_method": "email", "fellow": "Pain medicine at Mercy"}
check = client.post("/requests/consultation", data=sent, base_url=base)
assert check.status_code == 200 and "Pain medicine at Mercy" in check.text, check.text
assert client.post("/requests/consultation", data=sent | {"confirmed": "1"}, base_url=base).status_code == 303
with app.app_context():
    asked = db.session.scalars(select(Request).order_by(Request.id.desc())).first()
    old = db.session.scalars(select(Request).order_by(Request.id)).first()
    user = db.session.scalars(select(User).where(User.roles == frozenset({"pharmacist"}))).one()
    assert old.id != asked.id and old.fellow == "", "the rows that were there have the empty answer"
    assert kinds.export_row(asked)["Fellowship"] == "Pain medicine at Mercy"
    reference = asked.reference
from portal.db import transaction
from tests import world
with app.extensions["staff"].app_context(), transaction():
    value = world.sign_in(db.session.get(User, user.id))
client.set_cookie(app.extensions["settings"].staff_cookie, value, domain="localhost")
shown = client.get(f"/staff/requests/{reference}", base_url=base).text
assert "Fellowship" in shown and "Pain medicine at Mercy" in shown, shown
print("the desk sees it")
"""


def insert(file: Path, before: str, words: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert text.count(before) == 1, f"{before!r} stands {text.count(before)} times in {file.name}"
    file.write_text(text.replace(before, words + before), encoding="utf-8")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the tree."""
    copy = tmp_path / "tree"
    copy.mkdir()
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            # What is compiled comes along: ten processes start here, and only what is changed needs it again.
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("screenshots"))
        else:
            shutil.copy(source, copy / name)
    return copy


@pytest.mark.recipe
@pytest.mark.xdist_group("recipe")
def test_a_field_is_added_by_the_recipe(tree: Path, tmp_path: Path) -> None:
    env = {
        **{name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ},
        **SETTINGS,
        "INSTANCE_DIR": str(tmp_path / "instance"),
    }

    def run(*command: str) -> str:
        done = subprocess.run(
            [sys.executable, *command], cwd=tree, env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}: {done.stdout[-2000:]} {done.stderr[-3000:]}"
        return done.stdout

    # Somebody uses the portal already.
    (tmp_path / "instance").mkdir(mode=0o700)
    run("-m", "flask", "db", "upgrade")
    run("-m", "flask", "seed")

    insert(tree / "portal/intake/models.py", "    # Materials\n", COLUMN)
    insert(tree / "portal/intake/forms.py", "    on_behalf = CheckField(\n", FIELD)
    insert(tree / "portal/intake/kinds.py", '        Fact(field="on_behalf"', FACT)
    insert(
        tree / "templates/intake/consultation.html",
        '{% call group("Only if you write for a prescriber") %}',
        "{{ field(form.fellow) }}\n",
    )
    run("-m", "flask", "db", "migrate", "-m", "a fellowship", "--rev-id", "9999")
    [migration] = (tree / "migrations/versions").glob("9999*.py")
    assert re.search(
        r"add_column\(sa.Column\('fellow'.*server_default=''", migration.read_text(encoding="utf-8")
    )
    run("-m", "flask", "db", "upgrade")

    assert "the desk sees it" in run("-c", LOOK)
    run("-m", "flask", "db", "downgrade")
    run("-m", "pytest", "-q", "-x", "-p", "no:randomly", *ROOM, "-k", "not every_fact_is_shown")
    if not is_full():
        return
    shutil.rmtree(tmp_path / "instance")
    (tmp_path / "instance").mkdir(mode=0o700)
    run("-m", "flask", "db", "upgrade")
    assert "requests" in run("-m", "flask", "seed")
