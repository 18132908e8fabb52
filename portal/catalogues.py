"""The interface in other languages, made from the `.po` files themselves: no install can forget to compile them.

What was made is kept in the cache by the digest of its source: a catalogue is never older than its words, and a start
reads one small file. A language without its catalogue stops the start.
"""

from __future__ import annotations

import hashlib
import io
import struct
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

import flask_babel
from babel.support import NullTranslations, Translations
from flask_babel import get_locale
from jinja2 import Environment, pass_eval_context
from jinja2.nodes import EvalContext
from markupsafe import Markup

from portal import addresses, disk
from portal.errors import CodeFaults

FOLDER = Path(__file__).resolve().parent / "translations"
OTHERS = [code for code in addresses.LANGUAGES if code != addresses.USUAL]


def load(cache: Path, folder: Path = FOLDER) -> dict[str, NullTranslations]:
    """Each language's catalogue, by code; the usual one needs none. Raises CodeFaults for what is missing."""
    found: dict[str, NullTranslations] = {addresses.USUAL: NullTranslations()}
    faults = []
    for code in OTHERS:
        source = folder / code / "LC_MESSAGES" / "messages.po"
        try:
            found[code] = _catalogue(source, cache)
        except (OSError, ValueError) as fault:
            faults.append(f"the {addresses.LANGUAGES[code]} catalogue cannot be read: {source.name}: {fault}")
    if faults:
        raise CodeFaults(faults)
    return found


class Catalogues(flask_babel.Babel):
    """Flask-Babel, with the catalogues that `load` found."""

    def __init__(self, *args: object, found: dict[str, NullTranslations], **kwargs: object) -> None:
        self._domain = _Domain(found)
        super().__init__(*args, **kwargs)

    @property
    def domain_instance(self) -> flask_babel.Domain:
        """Where the words come from."""
        return self._domain


def speak(env: Environment, found: dict[str, NullTranslations]) -> None:
    """Let an app's templates translate: as Jinja's own functions do (newstyle), which look for the catalogue three
    times for each word; a page of staff has hundreds."""

    @pass_eval_context
    def gettext(eval_ctx: EvalContext, message: str, /, **values: object) -> str:
        said = _current(found).gettext(message)
        if not eval_ctx.autoescape:
            return said % values
        return Markup(said) % values if values else _plain(said)  # noqa: S704 - our own words

    @pass_eval_context
    def ngettext(eval_ctx: EvalContext, one: str, many: str, num: int, /, **values: object) -> str:
        said = _current(found).ngettext(one, many, num)
        values.setdefault("num", num)
        return (Markup(said) if eval_ctx.autoescape else said) % values  # noqa: S704

    env.globals.update(_=gettext, gettext=gettext, ngettext=ngettext)


@lru_cache(maxsize=2048)
def _plain(said: str) -> Markup:
    return Markup(said) % {}  # noqa: S704


def _current(found: dict[str, NullTranslations]) -> NullTranslations:
    locale = get_locale()
    return found[locale.language if locale else addresses.USUAL]


class _Domain(flask_babel.Domain):
    def __init__(self, found: dict[str, NullTranslations]) -> None:
        super().__init__()
        self._found = found

    def get_translations(self) -> NullTranslations:
        return _current(self._found)


def _catalogue(source: Path, cache: Path) -> NullTranslations:
    text = source.read_bytes()
    kept = cache / f"{source.parent.parent.name}-{hashlib.sha256(text).hexdigest()[:20]}.mo"
    with suppress(OSError, struct.error):  # not there, or not whole
        return Translations(io.BytesIO(kept.read_bytes()))
    made = _compiled(text)
    with suppress(OSError):  # a cache that cannot be written costs time and nothing else
        cache.mkdir(exist_ok=True)  # in a folder that is there: that one is made for its owner alone
        disk.keep(kept, made)
    return Translations(io.BytesIO(made))


def _compiled(text: bytes) -> bytes:
    # Here, not above: it takes longer to import than to work, and most starts need neither.
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import PoFileError, read_po

    try:
        catalogue = read_po(io.BytesIO(text), abort_invalid=True)
    except PoFileError as fault:
        raise ValueError(str(fault)) from fault
    if not any(message.id and message.string for message in catalogue):
        raise ValueError("it holds no word")
    made = io.BytesIO()
    write_mo(made, catalogue, use_fuzzy=True)
    return made.getvalue()
