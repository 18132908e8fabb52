"""What became of the mail, in plain words: for those who answer for it."""

from __future__ import annotations

from typing import Any

from flask import redirect, request, url_for
from flask.typing import ResponseReturnValue

from portal import addresses, audit, jobs, web
from portal.asker import mailbox
from portal.clock import now
from portal.db import transaction
from portal.mail import lanes
from portal.mail.letters import LETTERS
from portal.mail.models import State
from portal.people.rights import Right
from portal.signin.gate import current, guarded
from portal.staff import naming

mail_bp = guarded("mail", Right.MAIL)

ENTRIES = 50  # on one page
HELD_ENTRIES = 500  # all in view, so that whoever lets them go has seen each
DONE = {
    "again": ("1 mail goes", "mails go", "out again, with all tries before it."),
    "released": ("1 mail goes", "mails go", "out now."),
    "withdrawn": ("1 mail is", "mails are", "never sent."),
}
NOTHING_DONE = "Nothing was changed. What you chose was done already, or is no longer kept."


@mail_bp.get(addresses.STAFF_MAIL)
def mail() -> ResponseReturnValue:
    """What waits to be sent, and what was given up; never an address or a word of a mail."""
    dead, resting, put_off = lanes.given_up(ENTRIES), lanes.resting(ENTRIES), lanes.put_off(ENTRIES)
    held = lanes.held_by_restore(HELD_ENTRIES)
    about = naming.namer(row.cause for row in (*dead, *resting, *put_off, *held))
    return web.private(
        web.page(
            "staff/mail.html",
            alert=_said(),
            held=[_trouble(row, about) for row in held],
            unmatched=mailbox.left(),
            inbox=mailbox.folder(),
            put_off=[_trouble(row, about) for row in put_off],
            counts=lanes.counts((State.QUEUED, State.HELD, State.DEAD)),
            oldest_due=lanes.oldest_due(now()),
            dead=[_trouble(row, about) for row in dead],
            resting=[_trouble(row, about) for row in resting],
            ill=[job for job in jobs.standings() if not job.is_well],
        )
    )


@mail_bp.post("/staff/mail/again")
def send_again() -> ResponseReturnValue:
    """Give one mail that was given up, or all, their tries again."""
    which, at = request.form.get("mail", ""), now()
    with transaction():
        count = lanes.revive(at, None if which == "all" else _numbers(which))
        if count:
            audit.record(current(), "mail.revived", "mail", at=at, detail=str(count))
    return redirect(url_for(".mail", again=count), 303)


@mail_bp.post("/staff/mail/held")
def held() -> ResponseReturnValue:
    """Send one mail that a restore holds, or all; or never send them. What was held later than the page stays."""
    form, at = request.form, now()
    withdraw = form.get("act") == "withdraw"
    with transaction():
        count = lanes.release_held(at, _numbers(form.get("mail", "")), withdraw=withdraw)
        if count and withdraw:
            audit.record(current(), "mail.withdrawn", "mail", at=at, detail=str(count))
        elif count:
            audit.record(current(), "mail.released", "mail", at=at, detail=str(count))
    done = url_for(".mail", withdrawn=count) if withdraw else url_for(".mail", released=count)
    return redirect(done, 303)


def _numbers(typed: str) -> list[int]:
    """The numbers of mails in a field of a form; what is none is left out."""
    words = typed.split(",")[:HELD_ENTRIES]
    return [int(word) for word in words if word.isascii() and word.isdigit() and len(word) < 19]


def _said() -> dict[str, str] | None:
    """What the act that led here did."""
    for name, (one, many, words) in DONE.items():
        count = request.args.get(name, "")
        if count.isascii() and count.isdigit() and len(count) < 10:
            if not int(count):
                return {"level": "warn", "heading": "", "text": NOTHING_DONE}
            said = one if int(count) == 1 else f"{int(count)} {many}"
            return {"level": "ok", "heading": "", "text": f"{said} {words}"}
    return None


def _trouble(row: Any, about: naming.Namer) -> dict[str, Any]:
    """A mail without its address and its words."""
    words, address = about(row.cause)
    letter = LETTERS.get(row.message)
    return {
        "id": row.id if row.kept else None,
        "number": getattr(row, "id", None),
        "mail": letter.label if letter else row.message,
        "about": words,
        "address": address,
        "created_at": row.created_at,
        "attempts": row.attempts,
        "last_error": row.last_error,
    }
