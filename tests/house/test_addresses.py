"""Each address is spelt once, in `portal/addresses.py`; whatever needs one takes it from there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from flask import Flask

from config import ROOT
from portal import addresses
from portal.library.pages import Library

TEMPLATES = ROOT / "templates"
PATHS = {path for address in addresses.ALL for path in address.twins.values()} - {addresses.HOME}
PUBLIC = {path for path in PATHS if not addresses.is_staff(path)}
ROOTS = {path.split("/")[1] for path in PUBLIC} | {"api"}
HOLES = tuple(f"{address.root}/" for address in addresses.ALL if address.root != address)
# Spelt once more, with the reason.
ALLOWED = {
    "templates/errors/standalone.html",  # what is sent when nothing else can be, so it stands on nothing
}


def repeats(words: str) -> bool:
    """Whether this is an address of the list, what stands before its hole, or anything below a public room's."""
    path = re.split(r"[#?]", words)[0]
    return path in PATHS or path in HOLES or (path.startswith("/") and path.split("/")[1] in ROOTS)


def in_code() -> Iterator[tuple[str, str]]:
    for file in sorted((ROOT / "portal").rglob("*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        said = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}  # docstrings
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in said:
                yield f"{file.relative_to(ROOT)}:{node.lineno}", node.value


def in_templates() -> Iterator[tuple[str, str]]:
    for file in sorted(path for path in TEMPLATES.rglob("*") if path.is_file()):
        text = re.sub(r"\{#.*?#\}", "", file.read_text(encoding="utf-8"), flags=re.DOTALL)
        for found in re.findall(r"""(?<=["'}])/[a-z.][^"'\s<>{]*|(?<=href=["'])/(?=["'])""", text):
            yield str(file.relative_to(ROOT)), found


def may_not(place: str) -> bool:
    return not place.startswith(("portal/addresses.py", *ALLOWED))


def test_no_code_spells_an_address_again() -> None:
    assert [found for found in in_code() if may_not(found[0]) and repeats(found[1])] == []


def test_no_template_spells_an_address_again() -> None:
    found = [(place, words) for place, words in in_templates() if may_not(place)]

    assert [one for one in found if repeats(one[1]) or one[1] == addresses.HOME] == []


def test_the_search_finds_what_it_is_for() -> None:
    assert all(
        map(repeats, ("/newsletter", "/es/boletin", "/r/", "/prescribers#start", "/newsletter/nowhere"))
    )
    assert all(map(repeats, ("/staff/requests", "/staff/invite/", "/staff/requests?x=1", "/api/")))
    assert not any(
        map(repeats, ("/", "/staff/components", "/static/", "text/html", "newsletter/signup.html"))
    )
    assert any(Path(place).name == "standalone.html" for place, _ in in_templates())


def test_each_address_is_one_and_of_a_route(app: Flask, staff_app: Flask) -> None:
    routes = {rule.rule for face in (app, staff_app) for rule in face.url_map.iter_rules()}

    assert len(PATHS) == sum(len(address.twins) for address in addresses.ALL) - 1
    assert PATHS - routes == set()


def test_each_public_route_is_in_the_list_or_a_text(app: Flask) -> None:
    library: Library = app.extensions["library"]
    routes = {rule.rule for rule in app.url_map.iter_rules()}

    assert routes - PATHS - set(library.pages) == {addresses.HOME}


def test_the_texts_that_code_names_are_there_with_their_twins(app: Flask) -> None:
    library: Library = app.extensions["library"]

    for text in addresses.TEXTS:
        page = library.pages[text]
        assert (page.language, [page.twin] if page.twin else []) == (
            addresses.USUAL,
            [path for path in text.twins.values() if path != text],
        ), text


def test_a_page_is_found_in_each_language() -> None:
    assert addresses.PRIVACY.speaking("es") == "/es/privacidad"
    assert addresses.PRIVACY.speaking("en") == "/privacy"
    assert addresses.LEFT.speaking("es") == "/newsletter/left?lang=es"
    assert [addresses.language_of(path) for path in ("/es", "/es/nada", "/escape", "/", "")] == [
        *("es", "es", "en", "en", "en")
    ]


def test_robots_leave_alone_what_is_one_persons(app: Flask) -> None:
    assert (
        *("/prescribers", "/staff", "/r/", "/newsletter/confirm/", "/newsletter/preferences/"),
        *("/newsletter/unsubscribe/", "/newsletter/erase/"),
    ) == addresses.NOT_FOR_ROBOTS
