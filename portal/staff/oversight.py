"""What became of the mail, and the audit trail, in plain words: for those who answer for both."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from flask import redirect, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import func, select

from portal import addresses, audit, jobs, web
from portal.audit import AuditEntry
from portal.clock import now
from portal.db import db, transaction
from portal.mail import lanes
from portal.mail.letters import LETTERS
from portal.people.models import ROLE_LABELS, Invite, Role, User
from portal.signin.gate import current, guarded
from portal.staff import casefile

mail_bp = guarded("mail", Role.PHARMACIST, Role.MANAGER)
audit_bp = guarded("audit", Role.MANAGER)

ENTRIES = 50  # on one page

ACTIONS = {
    **casefile.ACTIONS,
    "staff.link_made": "One-use link made",
    "staff.joined": "Joined",
    "staff.password_set": "Password set anew",
    "staff.password_changed": "Password changed",
    "staff.authenticator_set": "Authenticator app set up",
    "staff.factors_voided": "Sign-in reset",
    "staff.recovery_codes_made": "Recovery codes made",
    "staff.recovery_code_used": "Recovery code used",
    "staff.signed_in": "Signed in",
    "staff.sign_in_failed": "Sign-in failed",
    "staff.signed_out": "Signed out",
    "staff.session_ended": "One session ended",
    "staff.sessions_ended": "Sessions ended",
    "staff.role_changed": "Role changed",
    "staff.disabled": "Account disabled",
    "staff.enabled": "Account enabled",
    "mail.revived": "Mail sent again",
    "edition.written": "Edition written",
    "edition.changed": "Edition changed",
    "edition.tested": "Edition sent to oneself as a test",
    "edition.scheduled": "Edition scheduled",
    "edition.stopped": "Edition taken back before sending",
    "edition.held": "Edition held: it was too late",
    "edition.began": "Edition frozen, sending began",
    "edition.paused": "Edition paused",
    "edition.resumed": "Edition goes on",
    "edition.cancelled": "Edition cancelled",
    "edition.sent": "Edition sent",
    "mail.released": "Held mail sent",
    "mail.withdrawn": "Held mail withdrawn",
    "backup.restored": "Backup restored",
    "person.erased": "Person erased",
}
# What the trail and the mails speak of, where it has no name (or no longer one).
SUBJECTS = {
    "user": "An account that does not exist",
    "invite": "Somebody new",
    "signup": "A newsletter sign-up",
    "subscriber": "A newsletter subscriber",
    "mail": "Mail that was given up",
    "edition": "A newsletter edition",
    "edition-test": "A test of a newsletter edition",
}

Namer = Callable[[str], tuple[str, str]]


@mail_bp.get(addresses.STAFF_MAIL)
def mail() -> ResponseReturnValue:
    """What waits to be sent, and what was given up; never an address or a word of a mail."""
    dead, resting, put_off = lanes.given_up(ENTRIES), lanes.resting(ENTRIES), lanes.put_off(ENTRIES)
    about = _namer(row.cause for row in (*dead, *resting, *put_off))
    again = request.args.get("again", "")
    return web.private(
        web.page(
            "staff/mail.html",
            alert=_again(int(again)) if again.isascii() and again.isdigit() else None,
            put_off=[_trouble(row, about) for row in put_off],
            counts=lanes.counts(),
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
    ids = [int(which)] if which.isascii() and which.isdigit() and len(which) < 19 else []
    with transaction():
        count = lanes.revive(at, None if which == "all" else ids)
        if count:
            audit.record(current(), "mail.revived", "mail", at=at, detail=str(count))
    return redirect(url_for(".mail", again=count), 303)


@audit_bp.get(addresses.STAFF_AUDIT, endpoint="audit")
def trail() -> ResponseReturnValue:
    """Who did what, newest first."""
    after = request.args.get("after", "")
    query = select(AuditEntry).order_by(AuditEntry.id.desc()).limit(ENTRIES + 1)
    if is_later_page := after.isascii() and after.isdigit() and len(after) < 10:
        query = query.where(AuditEntry.id < int(after))
    entries = list(db.session.scalars(query))
    more, entries = len(entries) > ENTRIES, entries[:ENTRIES]
    about = _namer(entry.subject for entry in entries)
    return web.private(
        web.page(
            "staff/audit.html",
            entries=[_in_words(entry, about) for entry in entries],
            newest=url_for(".audit") if is_later_page else None,
            next=url_for(".audit", after=entries[-1].id) if more else None,
        )
    )


def _again(count: int) -> dict[str, str]:
    if not count:
        text = "Nothing was changed. What you chose was sent again already, or is no longer kept."
        return {"level": "warn", "heading": "", "text": text}
    said = "1 mail goes" if count == 1 else f"{count} mails go"
    return {"level": "ok", "heading": "", "text": f"{said} out again, with all tries before it."}


def _trouble(row: Any, about: Namer) -> dict[str, Any]:
    """A mail without its address and its words."""
    words, address = about(row.cause)
    letter = LETTERS.get(row.message)
    return {
        "id": row.id if row.kept else None,
        "mail": letter.label if letter else row.message,
        "about": words,
        "address": address,
        "created_at": row.created_at,
        "attempts": row.attempts,
        "last_error": row.last_error,
    }


def _in_words(entry: AuditEntry, about: Namer) -> dict[str, Any]:
    words, address = about(entry.subject)
    return {
        "at": entry.at,
        "who": entry.actor_name if entry.actor_id else "The portal",
        "what": ACTIONS.get(entry.action, entry.action),
        "detail": _detail(entry),
        "about": words,
        "address": address,
    }


def _detail(entry: AuditEntry) -> str:
    """The reason, the signals, the role, or the factor that was wrong."""
    if not entry.action.startswith("staff."):
        return casefile.detail(entry)
    roles: dict[str, str] = {role.value: label for role, label in ROLE_LABELS.items()}
    return " to ".join(roles.get(word, word.capitalize()) for word in entry.detail.split(" to "))


def _namer(subjects: Iterable[str]) -> Namer:
    """What says of each of these subjects what it is, and where its page is; asks for all names at once."""
    ids: dict[str, set[int]] = {"user": set(), "invite": set()}
    for kind, _, name in (subject.partition(":") for subject in subjects):
        if kind in ids and name.isdigit():
            ids[kind].add(int(name))
    people = select(User.id, User.name).where(User.id.in_(ids["user"]))
    links = select(Invite.id, func.coalesce(func.nullif(Invite.name, ""), Invite.email)).where(
        Invite.id.in_(ids["invite"])
    )
    names = {f"user:{key}": name for key, name in db.session.execute(people)}
    names |= {f"invite:{key}": name for key, name in db.session.execute(links) if name}
    is_manager = current().role == Role.MANAGER

    def about(subject: str) -> tuple[str, str]:
        kind, _, name = subject.partition(":")
        if kind == "request":
            return name, url_for("case.show", reference=name)
        is_person = is_manager and kind == "user" and subject in names
        return (
            names.get(subject, SUBJECTS.get(kind, subject)),
            url_for("people.person", user_id=name) if is_person else "",
        )

    return about
