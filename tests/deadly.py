"""`python -m tests.deadly STEP NUMBER`: the worker, which kills itself (SIGKILL) at a step of the NUMBER-th mail.

The steps of a delivery: `connect` before the first connection, `mail` and `data` after the server took MAIL and DATA,
`accepted` after its answer to the final dot, `commit` after what became of the NUMBER-th batch was written and before
it is committed.
"""

from __future__ import annotations

import os
import runpy
import signal
import smtplib
import sys
from collections.abc import Callable
from itertools import count
from typing import Any

from portal.mail import lanes, transport

STEPS = ("connect", "mail", "data", "accepted", "commit")


def die() -> None:
    """At once: nothing is closed, rolled back or told."""
    os.kill(os.getpid(), signal.SIGKILL)


def after(run: Callable[..., Any], number: int, wanted: Callable[..., bool]) -> Callable[..., Any]:
    """The same, and death after the NUMBER-th time that it was what is wanted."""
    seen = count(1)

    def around(*words: Any, **more: Any) -> Any:
        result = run(*words, **more)
        if wanted(*words) and next(seen) == number:
            die()
        return result

    return around


def arm(step: str, number: int) -> None:
    """Lay the trap."""
    if step == "connect":
        transport.SmtpTransport._open = lambda _self: die()  # type: ignore[assignment,method-assign,return-value]
    elif step in ("mail", "data"):
        answers, place = (
            count(9),
            {"mail": 1, "data": 3}[step],
        )  # of an envelope's three, asked at once or not
        begin = transport._envelope

        def envelope(*words: Any) -> Any:
            nonlocal answers
            answers = count(1)
            return begin(*words)

        transport._envelope = envelope
        smtplib.SMTP.getreply = after(  # type: ignore[method-assign]
            smtplib.SMTP.getreply, number, lambda _self: next(answers) == place
        )
    elif step == "accepted":
        transport._content = after(transport._content, number, lambda *_words: True)
    else:
        lanes.finish = after(lanes.finish, number, lambda _worker, outcomes: bool(outcomes))


if __name__ == "__main__":
    arm(sys.argv[1], int(sys.argv[2]))
    sys.argv = ["flask", "worker"]
    runpy.run_module("flask", run_name="__main__", alter_sys=True)
