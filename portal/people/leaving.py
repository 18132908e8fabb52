"""What must happen when somebody leaves, or may no longer do what they could: the rooms above sign in here.

`accounts.disable` and `accounts.change_roles` do each of these in their own transaction, by whichever door they are
called, so that no page and no command has to remember it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from portal.audit import Actor
from portal.people.models import User
from portal.register import Register

# Called as `step(user, lost, by=…, at=…)` with the roles that are gone.
# None raises because of a race: that would undo the leaving.
STEPS: Register[Callable[..., object]] = Register("steps of leaving", lambda step: step.__qualname__)


def take_leave(user: User, lost: frozenset[str], *, by: Actor | None, at: datetime) -> None:
    """Do all that follows when somebody can no longer do their work."""
    for step in STEPS:
        step(user, lost, by=by, at=at)
