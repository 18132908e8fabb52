"""What must happen when somebody leaves, or may no longer do what they could: the rooms above sign in here.

`accounts.disable` and `accounts.change_role` do each of these in their own transaction, by whichever door they are
called, so that no page and no command has to remember it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from portal.audit import Actor
from portal.people.models import User
from portal.register import Register

# Called as `step(user, by=…, at=…)`; none raises because of a race: that would undo the leaving.
STEPS: Register[Callable[..., object]] = Register("steps of leaving", lambda step: step.__qualname__)


def take_leave(user: User, *, by: Actor | None, at: datetime) -> None:
    """Do all that follows when somebody can no longer do their work."""
    for step in STEPS:
        step(user, by=by, at=at)
