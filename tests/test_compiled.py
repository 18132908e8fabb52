"""Compiled templates are kept, and never older than what they are made of."""

from __future__ import annotations

from pathlib import Path

import pytest
from jinja2 import DictLoader, Environment

from portal.compiled import Compiled


def said(folder: Path, source: str = "{{ 6 * 7 }} words", rules: bytes = b"") -> str:
    """What a new process would render."""
    env = Environment(loader=DictLoader({"page": source}), autoescape=True)
    env.bytecode_cache = Compiled(folder, rules)
    return env.get_template("page").render()


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """The file of a template that was rendered."""
    assert said(tmp_path) == "42 words"
    [file] = tmp_path.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    return file


def test_a_second_process_compiles_nothing(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Environment, "compile", lambda *_what, **_more: pytest.fail("compiled again"))

    assert said(kept.parent) == "42 words"


def test_no_template_is_older_than_its_source_or_the_rules(
    kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert said(kept.parent, "other words") == "other words"
    assert said(kept.parent) == "42 words"

    compiled: list[str] = []
    usual = Environment.compile
    monkeypatch.setattr(
        Environment, "compile", lambda *what, **more: compiled.append("") or usual(*what, **more)
    )
    said(kept.parent, rules=b"other filters")
    assert compiled


@pytest.mark.parametrize("size", [0, 3, 20, 60, -1])
def test_what_a_power_cut_left_is_compiled_anew(kept: Path, size: int) -> None:
    whole = kept.read_bytes()
    kept.write_bytes(whole[:size])

    assert said(kept.parent) == "42 words"
    assert kept.read_bytes() == whole


def test_a_cache_that_cannot_be_written_costs_no_page(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    assert said(tmp_path / "file") == "42 words"
