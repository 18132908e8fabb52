"""The one table of who may what. A person has one role or several, and may what any of them may.

Pages ask `user.may(Right.…)`, blueprints are `guarded` by a right, and the acts on requests take their roles from
here. What the desk may do with its own requests alone stands with the act (`desk_may`, `desk_own`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from itertools import combinations


class Role(StrEnum):
    """What somebody works as; whoever has several has the rights of each."""

    DESK = "desk"
    PHARMACIST = "pharmacist"
    MANAGER = "manager"


class Right(StrEnum):
    """One thing that not everybody may do."""

    WORK = "work"  # list, filter, see who asks and the verdict; claim, note, wait, snooze, join, spam; one's account
    LEAD = "lead"  # read every question, take over, reopen, part, vouch for a license; say of others they are away
    ANSWER_CONSULTATIONS = "answer-consultations"
    ANSWER_MATERIALS = "answer-materials"
    REPLIES = "replies"  # to write them; all insert them
    CLINICAL_REPLIES = "clinical-replies"  # to write them, and to answer for them
    MAIL = "mail"  # all that went, and to send it again
    ALL_REPORTS = "all-reports"  # without it, one's own
    EXPORT_REQUESTS = "export-requests"
    EXPORT_WORDS = "export-words"  # what was typed freely in them
    SUBSCRIBER_FILES = "subscriber-files"  # import, export, search by a part of the address, erase
    WRITE_EDITIONS = "write-editions"
    SEND_EDITIONS = "send-editions"
    READ_TEXTS = "read-texts"  # what is signed of them
    SIGN_TEXTS = "sign-texts"
    AUDIT = "audit"
    PEOPLE = "people"
    SETTINGS = "settings"


_ALL = frozenset(Role)
_SENIOR = frozenset({Role.PHARMACIST, Role.MANAGER})
_PHARMACIST, _MANAGER = frozenset({Role.PHARMACIST}), frozenset({Role.MANAGER})

RIGHTS: Mapping[Right, frozenset[Role]] = {
    Right.WORK: _ALL,
    Right.LEAD: _SENIOR,
    Right.ANSWER_CONSULTATIONS: _PHARMACIST,
    Right.ANSWER_MATERIALS: _ALL,
    Right.REPLIES: _SENIOR,
    Right.CLINICAL_REPLIES: _PHARMACIST,
    Right.MAIL: _SENIOR,
    Right.ALL_REPORTS: _SENIOR,
    Right.EXPORT_REQUESTS: _SENIOR,
    Right.EXPORT_WORDS: _MANAGER,
    Right.SUBSCRIBER_FILES: _MANAGER,
    Right.WRITE_EDITIONS: _SENIOR,
    Right.SEND_EDITIONS: _MANAGER,
    Right.READ_TEXTS: _SENIOR,
    Right.SIGN_TEXTS: _PHARMACIST,
    Right.AUDIT: _MANAGER,
    Right.PEOPLE: _MANAGER,
    Right.SETTINGS: _MANAGER,
}

ROLES: tuple[str, ...] = tuple(role.value for role in Role)
ROLE_LABELS = {Role.DESK: "Desk", Role.PHARMACIST: "Pharmacist", Role.MANAGER: "Manager"}
# Each set that somebody can have, the smallest first.
SETS = tuple(frozenset(some) for size in range(1, len(Role) + 1) for some in combinations(Role, size))


def spelled(roles: Iterable[str], by: str = " ") -> str:
    """The one spelling of a set: its words in the order above. Raises ValueError for a word that is no role."""
    wanted = set(map(Role, roles))
    return by.join(role for role in Role if role in wanted)


def in_words(roles: Iterable[str]) -> str:
    """The roles as pages write them."""
    return ", ".join(label for role, label in ROLE_LABELS.items() if role in roles)
