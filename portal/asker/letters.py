"""What the side of whoever asked mails: a code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from portal.asker import codes
from portal.mail.letters import Letter
from portal.settings import settings


def _code(facts: Mapping[str, Any]) -> Mapping[str, Any]:
    """The code is made when the mail is written."""
    return {**facts, "code": codes.in_groups(codes.code_of(facts["seed"], settings().SECRET_KEY))}


LETTERS = (Letter(message="asker/code", label="Code to read one's own request", context=_code),)
