"""The law of `.importlinter`: it is kept, it reaches each module, and it refuses what was made to break it."""

from __future__ import annotations

import configparser
import shutil
import subprocess
import sys
from fnmatch import fnmatchcase
from pathlib import Path

import grimp
import pytest

from tests.live import ROOT

LAW = ROOT / ".importlinter"
EDGE = "importlinter:contract:no-http-below-the-edge"
LINT = "import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command())"

# What is planted, in which module of a copy, and what the law must say of it. Each breaks the law in its own way.
PLANTED = {
    "flask in a service": (
        "portal/newsletter/service.py",
        "from flask import request",
        "portal.newsletter.service is not allowed to import flask",
    ),
    "flask in a function of a service": (
        "portal/desk/perform.py",
        "def late():\n    from flask import abort",
        "portal.desk.perform is not allowed to import flask",
    ),
    "wtforms in a verb": (
        "portal/intake/submissions.py",
        "import wtforms",
        "portal.intake.submissions is not allowed to import wtforms",
    ),
    "werkzeug in a module at the foot": (
        "portal/text.py",
        "from werkzeug.exceptions import NotFound",
        "portal.text is not allowed to import werkzeug",
    ),
    "flask_wtf in a room without pages": (
        "portal/people/models.py",
        "import flask_wtf",
        "portal.people.models is not allowed to import flask_wtf",
    ),
    "flask_security in an audit": (
        "portal/audit.py",
        "import flask_security",
        "portal.audit is not allowed to import flask_security",
    ),
    "a page in a table": (
        "portal/intake/models.py",
        "from portal.intake import views",
        "portal.intake.models is not allowed to import portal.intake.views",
    ),
    "a form in a verb": (
        "portal/newsletter/subscriptions.py",
        "from portal.newsletter import forms",
        "portal.newsletter.subscriptions is not allowed to import portal.newsletter.forms",
    ),
    "a room above": (
        "portal/library/words.py",
        "from portal.resource import views",
        "portal.library is not allowed to import portal.resource",
    ),
    "a room beside": (
        "portal/newsletter/models.py",
        "from portal.intake import models",
        "portal.newsletter is not allowed to import portal.intake",
    ),
    "a module of a room that the layers do not name": (
        "portal/print/folding.py",
        "",
        "- portal.print.folding",
    ),
    "a new module with HTTP in it": (
        "portal/print/folding.py",
        "import werkzeug",
        "portal.print.folding is not allowed to import werkzeug",
    ),
    "a room that the floors do not name": (
        "portal/registry/__init__.py",
        "",
        "- portal.registry",
    ),
}


def lint(folder: Path) -> tuple[int, str]:
    """Hold the law to the tree in a folder, in a process of its own: here `portal` is another tree already."""
    done = subprocess.run(
        [sys.executable, "-c", LINT, "--no-cache"], cwd=folder, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the law says of a copy with everything planted in it."""
    copy = tmp_path_factory.mktemp("tree")
    shutil.copy(LAW, copy)
    shutil.copytree(
        ROOT / "portal", copy / "portal", ignore=lambda _, names: [n for n in names if n == "__pycache__"]
    )
    for path, words, _ in PLANTED.values():
        module = copy / path
        module.parent.mkdir(exist_ok=True)
        with module.open("a") as file:
            file.write(f"\n{words}\n")
    (copy / "portal/registry").mkdir(exist_ok=True)
    status, said = lint(copy)
    assert status != 0
    return " ".join(said.split())  # it folds its lines


@pytest.fixture(scope="module")
def law() -> configparser.ConfigParser:
    """The contracts as they are written."""
    found = configparser.ConfigParser()
    found.read(LAW)
    return found


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    """Which module imports which."""
    return grimp.build_graph("portal", include_external_packages=True, cache_dir=None)


def test_the_law_is_kept() -> None:
    status, said = lint(ROOT)

    assert status == 0, said


@pytest.mark.parametrize("what", PLANTED)
def test_the_law_refuses(what: str, refused: str) -> None:
    assert PLANTED[what][2] in refused


def test_every_room_has_a_law_of_its_own(law: configparser.ConfigParser) -> None:
    rooms = {f"portal.{folder.parent.name}" for folder in (ROOT / "portal").glob("*/__init__.py")}
    layers = [section for name, section in law.items() if section.get("type") == "layers"]

    assert {section["containers"].strip() for section in layers} - {"portal"} == rooms
    assert all(section.getboolean("exhaustive") for section in layers)


def test_nobody_is_let_through_to_http_without_need(
    law: configparser.ConfigParser, graph: grimp.ImportGraph
) -> None:
    forbidden = set(law[EDGE]["forbidden_modules"].split())
    allowed = [line.partition(" -> ") for line in law[EDGE]["ignore_imports"].split("\n") if "->" in line]
    assert allowed

    idle = [
        f"{pattern} -> {what}"
        for pattern, _, what in allowed
        if not any(
            imported in forbidden and fnmatchcase(imported, what)
            for module in graph.modules
            if fnmatchcase(module, pattern) and module.count(".") == pattern.count(".")
            for imported in graph.find_modules_directly_imported_by(module)
        )
    ]

    assert idle == []
    assert law[EDGE]["source_modules"].strip() == "portal.**"
