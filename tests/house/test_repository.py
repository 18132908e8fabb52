"""What is kept in the repository: nothing of one machine, unfinished, undocumented or unused."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import pytest
from flask import Flask

from config import ROOT
from portal.desk.table import ALL_ACTS
from portal.intake.kinds import ROOM_KINDS
from portal.staff import casefile
from tests.figures import Figure

TEMPLATES = ROOT / "templates"
# Spelt in two parts, so that this file does not find itself.
ELSEWHERE = re.compile("|".join(("pypi" + r"\.org", "python" + "hosted", "npmjs" + r"\.", "index" + "-url")))
MACHINE = re.compile(r"(?<![\w.])/(?:wor" + r"k|tm" + r"p|roo" + r"t|hom" + r"e/\w+)/")
UNFINISHED = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME)\b(?!\|)")
SECRET = re.compile(r"(?:^|/)(?:\.env|secret|.*\.(?:db|pem|key|eml|mo|pyc))$")
LIBRARY = {"db", "run", "shell", "routes"}  # commands of Flask and Flask-Migrate, with a help of their own
NAMED = re.compile(r"""\{%-?\s*(?:extends|include|import|from)\s+["']([^"']+)["']""")


@cache
def files() -> list[Path]:
    """Every file of the repository: what is kept, and what is about to be."""
    found = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if found.returncode:
        pytest.skip("not a checkout: nobody can say which files are the repository's")
    paths = [ROOT / name for name in found.stdout.decode().split("\0") if name]
    return [path for path in paths if path.is_file()]


def texts() -> Iterator[tuple[str, str]]:
    """Each file that is text: its name and its words."""
    for path in files():
        raw = path.read_bytes()
        if b"\0" not in raw:
            yield str(path.relative_to(ROOT)), raw.decode("utf-8")


def matches(pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{name}: {line.strip()[:120]}"
        for name, text in texts()
        for line in text.splitlines()
        if pattern.search(line)
    ]


@cache
def constants() -> dict[Path, set[str]]:
    """Every string in the code of the portal, by file."""
    return {
        path: {
            node.value
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
        for path in sorted((ROOT / "portal").rglob("*.py"))
    }


def table(page: str) -> list[list[str]]:
    """The rows of a page's table."""
    lines = (ROOT / "docs" / page).read_text(encoding="utf-8").splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| `")]
    assert rows
    return rows


# ---- Nothing of one machine


def test_no_file_names_a_registry() -> None:
    assert matches(ELSEWHERE) == []


def test_no_file_names_a_folder_of_one_machine() -> None:
    assert matches(MACHINE) == []


def test_nothing_is_left_to_do() -> None:
    assert matches(UNFINISHED) == []


def test_no_data_and_no_secret_is_kept() -> None:
    names = [str(path.relative_to(ROOT)) for path in files()]

    # What servers sent back of the portal's own mail; every name in it is made up.
    assert [
        name for name in names if SECRET.search(name) and not name.startswith("tests/mail/returned/")
    ] == []


def test_every_requirement_is_pinned_with_its_hashes_and_comes_from_nowhere_special() -> None:
    locks = sorted(ROOT.glob("requirements*.txt"))

    assert len(locks) == len(list(ROOT.glob("requirements*.in")))
    for lock in locks:
        text = lock.read_text(encoding="utf-8")
        assert "://" not in text, lock.name
        for entry in text.replace("\\\n", " ").splitlines():
            if entry.strip() and not entry.lstrip().startswith("#"):
                assert re.match(r"[a-z0-9._-]+(?:\[[a-z0-9,_-]+\])?==\S+ ", entry), (
                    f"{lock.name}: {entry[:80]}"
                )
                assert "--hash=sha256:" in entry, f"{lock.name}: {entry[:80]}"
    for wish in ROOT.glob("requirements*.in"):
        for line in wish.read_text(encoding="utf-8").splitlines():
            assert not line.startswith("-") or line.startswith(("-c requirements", "-r requirements")), line


# ---- Nothing undocumented


def commands(group: click.Group, path: str = "flask") -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is None or (path == "flask" and name in LIBRARY):
            continue
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


def test_every_command_is_documented_and_back(app: Flask) -> None:
    """Name, arguments and needed options as `--help` has them; the others by name; the exit status."""
    documented = {row[0].strip("`"): row for row in table("commands.md")}
    found = {}
    for path, command in commands(app.cli):
        words = [path]
        for option in command.params:
            if isinstance(option, click.Argument):
                words.append(option.human_readable_name)
            elif option.required:
                words += [option.opts[0], option.name.upper()]
        found[" ".join(words)] = command

    assert set(documented) == set(found)
    for name, row in documented.items():
        assert re.match(r"0", row[-1]), f"{name} has no exit status"
        for option in (each for each in found[name].params if not getattr(each, "hidden", False)):
            assert isinstance(option, click.Argument) or option.opts[0] in " ".join(row), (
                f"{name} {option.opts}"
            )


def test_every_audit_action_is_documented_and_back() -> None:
    recorded = {act.audit for act in ALL_ACTS}
    for path in constants():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "audit.record":
                action = node.args[1]
                if ast.unparse(action) in ("act.audit", "RELEASE.audit"):  # of the table
                    continue
                assert isinstance(action, ast.Constant), f"{path.name}:{node.lineno} an action is a literal"
                recorded.add(action.value)

    assert {row[0].strip("`") for row in table("audit.md")} == recorded
    assert set(casefile.ACTIONS) == {action for action in recorded if action.startswith("request.")}


def test_every_page_of_the_documentation_is_in_its_index_and_leads_somewhere() -> None:
    docs = ROOT / "docs"
    linked = set()
    for page in [*docs.rglob("*.md"), ROOT / "README.md", ROOT / "SECURITY.md"]:
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            if "://" not in target and not target.startswith("mailto:"):
                place = (page.parent / target).resolve()
                assert place.exists(), f"{page.name}: {target}"
                if page.parent == docs and page.name == "index.md":
                    linked.add(place)

    assert {page for page in docs.glob("*.md") if page.name != "index.md"} <= linked


def test_every_make_target_that_is_named_is_there_and_explained() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    explained = set(re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE))
    pages = [*(ROOT / "docs").rglob("*.md"), ROOT / "README.md", ROOT / "CHANGELOG.md"]
    named = {
        target
        for page in pages
        for target in re.findall(r"(?:`|^ {4})make ([a-z-]+)", page.read_text(encoding="utf-8"), re.MULTILINE)
    }

    assert {"faults", "browsers", "check"} <= named <= explained


# ---- Nothing unused


def templates() -> set[str]:
    return {str(path.relative_to(TEMPLATES)) for path in TEMPLATES.rglob("*") if path.is_file()}


def messages() -> set[str]:
    """Every mail there is a text for, as `room/name`."""
    found = {name.removeprefix("mail/").partition(".")[0] for name in templates() if name.startswith("mail/")}
    return {name for name in found if "/" in name}


def test_every_template_that_is_named_exists() -> None:
    in_code = {
        value
        for values in constants().values()
        for value in values
        if re.fullmatch(r"\w[\w/]*/[\w.]+\.(?:html|txt|xml)", value)
    }
    in_templates = {
        name
        for path in TEMPLATES.rglob("*")
        if path.is_file()
        for name in NAMED.findall(path.read_text(encoding="utf-8"))
    }

    assert len(in_code) > 30
    assert in_code | in_templates <= templates()


def test_every_template_is_used() -> None:
    used = {value for values in constants().values() for value in values}
    for path in TEMPLATES.rglob("*"):
        if path.is_file():
            used |= set(NAMED.findall(path.read_text(encoding="utf-8")))
    mails = {name for name in templates() if name.startswith("mail/") and "/" in name.removeprefix("mail/")}

    forms = {f"intake/{kind.page}.html" for kind in ROOM_KINDS}

    assert sorted(templates() - used - mails - forms) == []


def test_every_mail_has_its_three_parts_and_is_sent() -> None:
    for message in messages():
        room, _, name = message.partition("/")
        for part in ("subject.txt", "txt", "html"):
            assert f"mail/{message}.{part}" in templates()
        said = {value for path, values in constants().items() if room in path.parts for value in values}
        assert {message, name} & said, f"nobody sends {message}"


# ---- Nothing that has outgrown its room

LONGEST = 320  # lines that are read in one sitting
LISTS = {"patient_data.py"}  # of data
BEFORE = 14_269  # lines of the portal's code in version 0.1.0


def test_a_file_is_read_in_one_sitting(figure: Figure) -> None:
    lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in constants()}
    figure("lines of the portal's code", sum(lines.values()), f"where version 0.1.0 had {BEFORE:,}")

    assert [path.name for path, count in lines.items() if count > LONGEST and path.name not in LISTS] == []
