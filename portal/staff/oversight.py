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
HELD_ENTRIES = 500  # all in view, so that whoever lets them go has seen each
DONE = {
    "again": ("1 mail goes", "mails go", "out again, with all tries before it."),
    "released": ("1 mail goes", "mails go", "out now."),
    "withdrawn": ("1 mail is", "mails are", "never sent."),
}
NOTHING_DONE = "Nothing was changed. What you chose was done already, or is no longer kept."

ACTIONS = {
    **casefile.ACTIONS,
    "reply.saved": "Stored reply saved",
    "reply.deleted": "Stored reply deleted",
    "staff.link_cancelled": "One-use link cancelled",
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
    "edition.note": "Edition corrected on its public page",
    "edition.withdrawn": "Edition taken out of the archive",
    "edition.published": "Edition put into the archive",
    "subscriber.bounced": "Subscriber stopped: mail came back",
    "subscriber.complained": "Subscriber called a mail unwanted",
    "subscriber.opened": "Subscriber looked at",
    "subscriber.stopped": "Subscriber stopped by staff",
    "subscriber.undone": "Subscriber put back after mail came back",
    "subscriber.asked_again": "Confirmation mailed once more",
    "subscriber.erased": "Subscriber erased by staff",
    "newsletter.outage": "A whole domain said its people are gone; not believed",
    "newsletter.imported": "Addresses imported",
    "newsletter.exported": "Subscribers exported",
    "edition.began": "Edition frozen, sending began",
    "edition.paused": "Edition paused",
    "edition.resumed": "Edition goes on",
    "edition.cancelled": "Edition cancelled",
    "edition.sent": "Edition sent",
    "mail.released": "Held mail sent",
    "mail.withdrawn": "Held mail withdrawn",
    "backup.restored": "Backup restored",
    "person.erased": "Person erased",
    "audit.ended": "The oldest of the trail ended",
    "consent.ended": "Old evidence of consent ended",
}
# What the trail and the mails speak of, where it has no name (or no longer one).
SUBJECTS = {
    "user": "An account that does not exist",
    "invite": "Somebody new",
    "signup": "A newsletter sign-up",
    "subscriber": "A newsletter subscriber",
    "mail": "Mail",
    "backup": "The whole portal",
    "person": "Somebody who asked for it",
    "audit_entry": "The trail",
    "consent_event": "Evidence of consent",
    "edition": "A newsletter edition",
    "edition-test": "A test of a newsletter edition",
}

Namer = Callable[[str], tuple[str, str]]


@mail_bp.get(addresses.STAFF_MAIL)
def mail() -> ResponseReturnValue:
    """What waits to be sent, and what was given up; never an address or a word of a mail."""
    dead, resting, put_off = lanes.given_up(ENTRIES), lanes.resting(ENTRIES), lanes.put_off(ENTRIES)
    held = lanes.held_by_restore(HELD_ENTRIES)
    about = _namer(row.cause for row in (*dead, *resting, *put_off, *held))
    return web.private(
        web.page(
            "staff/mail.html",
            alert=_said(),
            held=[_trouble(row, about) for row in held],
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


def _trouble(row: Any, about: Namer) -> dict[str, Any]:
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
