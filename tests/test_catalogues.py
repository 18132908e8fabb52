"""The other languages come from their sources, whatever was or was not compiled."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from flask import Flask
from flask_babel import force_locale

from portal import catalogues
from portal.errors import CodeFaults

SOURCE = Path("es", "LC_MESSAGES", "messages.po")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of catalogues to spoil."""
    copy = tmp_path / "translations" / SOURCE
    copy.parent.mkdir(parents=True)
    shutil.copy(catalogues.FOLDER / SOURCE, copy)
    return tmp_path / "translations"


def test_no_word_is_older_than_its_source(folder: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    before = catalogues.load(cache, folder)["es"]
    (folder / SOURCE.with_suffix(".mo")).write_bytes(b"a stale one that somebody compiled")
    changed = (folder / SOURCE).read_text("utf-8").replace('msgstr "Boletín"', 'msgstr "Noticias"')
    (folder / SOURCE).write_text(changed, "utf-8")

    after = catalogues.load(cache, folder)["es"]

    assert (before.gettext("Newsletter"), after.gettext("Newsletter")) == ("Boletín", "Noticias")


def test_a_second_start_reads_what_the_first_made(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalogues.load(tmp_path, folder)
    monkeypatch.setattr("babel.messages.pofile.read_po", lambda *_more, **_named: pytest.fail("read again"))

    assert catalogues.load(tmp_path, folder)["es"].gettext("Newsletter") == "Boletín"


@pytest.mark.parametrize("size", [0, 3, 20, 5000, -1])
def test_what_a_power_cut_left_of_the_cache_is_made_anew(folder: Path, tmp_path: Path, size: int) -> None:
    catalogues.load(tmp_path, folder)
    [kept] = tmp_path.glob("es-*.mo")
    whole = kept.read_bytes()
    kept.write_bytes(whole[:size])

    assert catalogues.load(tmp_path, folder)["es"].gettext("Newsletter") == "Boletín"
    assert kept.read_bytes() == whole


def test_a_cache_that_cannot_be_written_costs_no_start(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    assert catalogues.load(tmp_path / "file", folder)["es"].gettext("Newsletter") == "Boletín"


@pytest.mark.parametrize("spoiled", [None, b"", b'msgid "Newsletter\n', b"\xff\xfe"])
def test_a_language_without_its_words_stops_the_start(
    folder: Path, tmp_path: Path, spoiled: bytes | None
) -> None:
    """Consent is never taken in another language than the page's."""
    (folder / SOURCE).unlink() if spoiled is None else (folder / SOURCE).write_bytes(spoiled)

    with pytest.raises(CodeFaults) as refused:
        catalogues.load(tmp_path, folder)

    (fault,) = refused.value.faults
    assert fault.startswith("the Español catalogue cannot be read") and "\n" not in fault


@pytest.mark.skipif(not shutil.which("msgfmt"), reason="needs msgfmt (Debian: gettext)")
def test_gettexts_own_check_finds_nothing() -> None:
    done = subprocess.run(
        ["msgfmt", "-c", "-o", "/dev/null", str(catalogues.FOLDER / SOURCE)], capture_output=True, text=True
    )

    assert (done.returncode, done.stderr) == (0, "")


WORDS = (
    "{{ _('Stop all emails') }}|{{ _('100%% of %(name)s', name=name) }}|"
    "{{ ngettext('%(num)s <b>', '%(num)s & %(name)s', 2, name=name) }}|"
    "{% trans count=1 %}one{% pluralize %}{{ count }} many{% endtrans %}|{{ _('a <i>') ~ name }}"
)


@pytest.mark.parametrize("language", ["en", "es"])
def test_templates_say_what_jinja_itself_would(app: Flask, language: str) -> None:
    """Values are escaped on pages and not in texts; a word alone, with values, and by number."""
    said = {"en": "Stop all emails", "es": "Dejar de recibir correos"}[language]
    made = []
    with app.test_request_context(), force_locale(language):
        for escapes in ("true", "false"):
            source = f"{{% autoescape {escapes} %}}{WORDS}{{% endautoescape %}}"
            made.append(app.jinja_env.from_string(source).render(name="O'<Brien>"))

    for found, name in zip(made, ("O&#39;&lt;Brien&gt;", "O'<Brien>"), strict=True):
        assert found == f"{said}|100% of {name}|2 & {name}|one|a <i>{name}"
