"""The real texts, loaded once, and a small folder of texts to break."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from portal.library import loading, pages
from portal.library.pages import Library
from tests.pages import Visitor

FOLDER = Path(pages.__file__).resolve().parent / "pages"

FRONT = {
    "title": "A page",
    "description": "What it is about.",
    "path": "/a-page",
    "language": "en",
    "section": "about",
    "gated": "no",
    "review": "pending",
    "updated_on": "2026-01-15",
}
REFERENCES = """
- {id: known2020, title: A known work, kind: trial, certainty: b, tier: core, journal: J Known, year: 2020}
- {id: heard2019, title: A work from memory, kind: letter, certainty: c, tier: extra}
"""
EVIDENCE = """
- id: a-condition
  name: A condition
  certainty: uncontrolled
  summary: One study.
  studies:
    - {name: Known 2020, design: 10 people, result: Nothing changed., reading: uncontrolled, sources: [known2020]}
"""


def write_page(
    folder: Path, body: str = "## One {#one}\n\nWords.\n", name: str = "page.md", **front: str
) -> None:
    """Put one text into `folder`; a value of "" leaves the field out."""
    lines = [f"{key}: {value}" for key, value in {**FRONT, **front}.items() if value]
    (folder / name).write_text("\n".join(["---", *lines, "---", "", body]), "utf-8")


@pytest.fixture(scope="session")
def library() -> Library:
    """The portal's own texts."""
    return loading.load(FOLDER)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a bibliography and evidence, and no page yet."""
    (tmp_path / "references.yaml").write_text(REFERENCES, "utf-8")
    (tmp_path / "evidence.yaml").write_text(EVIDENCE, "utf-8")
    return tmp_path


@pytest.fixture
def faults(folder: Path) -> Callable[[], tuple[str, ...]]:
    """Load the folder and give back what is wrong with it."""

    def load() -> tuple[str, ...]:
        with pytest.raises(pages.ContentError) as raised:
            loading.load(folder)
        return raised.value.faults

    return load


@pytest.fixture
def professional(visitor: Visitor) -> Visitor:
    """Somebody who has passed the gate, and has its cookie (test_views.py)."""
    visitor.client.set_cookie("professional", "yes", domain="localhost", path="/prescribers")
    return visitor
