"""Passwords: what may be one, and the one way to hash and to check them.

Rules of NIST SP 800-63B, 5.1.1.2: length, a list of what everybody tries, words about the person and the place; no
rules of composition, no forced change. A password is neither trimmed nor cut. One letter with its accent can be one
sign or two, as the device has it: so it is hashed in NFKC, and one that was hashed as it was typed, before that was
so, still matches. Argon2id with the parameters of the OWASP Password Storage Cheat Sheet.
"""

from __future__ import annotations

import re
import string
import threading
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

from portal.errors import TooMany

LENGTH_MIN = 15  # code points
LENGTH_MAX = 128
MEMORY_KIB, ROUNDS, LANES = 19456, 2, 1
LEAST_REST = 6  # what must be left of a password without the words everybody would try

TOO_SHORT = f"Choose a password of at least {LENGTH_MIN} characters. Four or five words in a row work well"
TOO_LONG = f"Choose a password of {LENGTH_MAX} characters or less"
TOO_EASY = "This password is easy to guess. Choose words that have nothing to do with you or the pharmacy"

# Two at a time: each takes 19 MiB and a core, and a flood of sign-ins must not starve the pages.
AT_ONCE = 2
WAIT_SECONDS = 5
_slots = threading.BoundedSemaphore(AT_ONCE)
_hasher = PasswordHasher(time_cost=ROUNDS, memory_cost=MEMORY_KIB, parallelism=LANES, type=Type.ID)


def fault(password: str, *, about: Iterable[str] = ()) -> str | None:
    """What is wrong with a new password, as a sentence that says what to do; None when it may be used.

    `about` holds what others know of its owner: name, email address, the pharmacy's name.
    """
    password = _normal(password)
    if len(password) < LENGTH_MIN:
        return TOO_SHORT
    if len(password) > LENGTH_MAX:
        return TOO_LONG
    return TOO_EASY if _is_easy(password, about) else None


def hashed(password: str) -> str:
    """The argon2id hash to keep. Raises TooMany when too many are being made already."""
    with _slot():
        return _hasher.hash(_normal(password))


def matches(kept: str | None, password: str) -> bool:
    """Whether this is the password; takes as long when there is none to compare with (no account, no password)."""
    if len(_normal(password)) > LENGTH_MAX:
        return False
    with _slot():
        # All of them, so that the time tells nothing of which one it was.
        return sum(_verifies(kept, spelling) for spelling in _spellings(password)) > 0


def is_outdated(kept: str) -> bool:
    """Whether a hash was made with other parameters than today's."""
    return _hasher.check_needs_rehash(kept)


def _normal(password: str) -> str:
    return unicodedata.normalize("NFKC", password)


def _spellings(password: str) -> list[str]:
    """As it is hashed today, then as a device may have sent it once; of plain letters there is only one."""
    forms = (_normal(password), password, *(unicodedata.normalize(form, password) for form in ("NFC", "NFD")))
    return list(dict.fromkeys(forms))


def _verifies(kept: str | None, password: str) -> bool:
    try:
        return _hasher.verify(kept or _nobodys(), password) and kept is not None
    except (VerificationError, InvalidHashError):
        return False


@contextmanager
def _slot() -> Iterator[None]:
    if not _slots.acquire(timeout=WAIT_SECONDS):
        raise TooMany("Many people are signing in just now.", retry_after=WAIT_SECONDS)
    try:
        yield
    finally:
        _slots.release()


@cache
def _nobodys() -> str:
    return _hasher.hash("")


@cache
def _common() -> tuple[str, ...]:
    words = Path(__file__).with_name("common_passwords.txt").read_text(encoding="utf-8").split()
    return tuple(sorted(words, key=len, reverse=True))


def _is_easy(password: str, about: Iterable[str]) -> bool:
    """Whether little is left once known words, their neighbours on the keyboard and repetition are taken out."""
    known = {word for text in about for word in re.split(r"[\W_]+", text.casefold()) if len(word) > 2}
    rest = password.casefold()
    for word in (*sorted(known, key=len, reverse=True), *_common()):
        rest = rest.replace(word, " ")
    left = [char for char in rest if not char.isspace() and char not in string.punctuation]
    return len(left) < LEAST_REST or len(set(left)) < LEAST_REST - 1
