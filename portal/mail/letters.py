"""The register of letters: each room lists what it mails, so that whoever writes, delivers or shows a mail knows it.

A letter that this version does not know stops nothing: its deliveries rest until a version comes that does.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from portal.register import Register

FACTS_MAX = 1000


class NotToBeSent(Exception):
    """Whom this would go to may not get it, at the moment of sending; the text says why and names nobody."""


class Wait(Exception):
    """It is not to go now: it is held until it is released."""


@dataclass(frozen=True, kw_only=True)
class Own:
    """What of a mail is its recipient's alone: headers, and for words of the body others of the same length."""

    headers: Mapping[str, str]
    words: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Letter:
    """One kind of mail. `message` names its templates, as `room/name`; `label` names it to staff.

    `context` makes of the facts what the templates need, read when the mail is written: a text that somebody typed
    is never a fact; its `headers` are those of this mail. `headers` are the same for every mail of the kind. What
    `is_personal` a person wrote.
    """

    message: str
    label: str
    context: Callable[[Mapping[str, Any]], Mapping[str, Any]] = dict
    headers: Callable[[], Mapping[str, str]] = dict
    is_personal: bool = False
    reply_to: Callable[[Mapping[str, Any]], str] | None = (
        None  # of the context: an address of its own for replies
    )
    own: Callable[[str, str, str], Own] | None = None  # of a cause, a recipient's key, the language it is in


LETTERS: Register[Letter] = Register("letters", lambda letter: letter.message)


def pack(facts: Mapping[str, object]) -> dict[str, Any]:
    """Facts as they are stored. Raises ValueError when they are more than facts, TypeError for what is not JSON."""
    packed = {
        name: {"time": value.isoformat()} if isinstance(value, datetime) else value
        for name, value in facts.items()
    }
    if len(json.dumps(packed)) > FACTS_MAX:
        raise ValueError("the facts of a mail are small: a text is read when the mail is written")
    return packed


def unpack(packed: Mapping[str, Any]) -> dict[str, Any]:
    """The same facts again, times as times."""
    return {
        name: datetime.fromisoformat(value["time"]) if isinstance(value, dict) else value
        for name, value in packed.items()
    }
