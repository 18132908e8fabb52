"""What the audit trail and the mails speak of, in words and with people's names as they are now."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from flask import url_for
from sqlalchemy import func, select

from portal.db import db
from portal.desk.models import Reply
from portal.people import rights
from portal.people.models import Invite, User
from portal.signin.gate import current
from portal.staff import casefile

ACTIONS = {
    **casefile.ACTIONS,
    "reply.saved": "Stored reply saved",
    "reply.deleted": "Stored reply deleted",
    "text.agreed": "Statements of a text signed",
    "text.change_asked": "Statement of a text to be changed",
    "text.removal_asked": "Statement of a text to be removed",
    "staff.link_cancelled": "One-use link cancelled",
    "staff.link_made": "One-use link made",
    "staff.joined": "Joined",
    "staff.password_set": "Password set anew",
    "staff.password_changed": "Password changed",
    "staff.authenticator_set": "Authenticator app set up",
    "staff.passkey_added": "Passkey added",
    "staff.passkey_removed": "Passkey removed",
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
    "staff.away": "Out of office",
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
    "edition.picture": "Picture kept",
    "edition.picture-deleted": "Picture deleted",
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
    "audit.opened": "Trail read",
    "audit.exported": "Trail exported",
    "settings.saved": "Settings saved",
    "settings.put-back": "Earlier settings put back",
    "requests.exported": "Requests exported",
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
    "audit": "The trail",
    "consent_event": "Evidence of consent",
    "edition": "A newsletter edition",
    "reply": "A stored reply that is gone",
    "settings": "The settings",
    "newsletter": "The newsletter",
    "text": "A text of the site",
    "requests": "Requests",
    "picture": "A picture of an edition",
    "edition-test": "A test of a newsletter edition",
}

Namer = Callable[[str], tuple[str, str]]


def in_words(entry: Any, about: Namer) -> dict[str, Any]:
    """One entry of the trail, or a row with its columns."""
    words, address = about(entry.subject)
    return {
        "at": entry.at,
        "who": entry.actor_name if entry.actor_id else "The portal",
        "what": ACTIONS.get(entry.action, entry.action),
        "detail": detail(entry),
        "about": words,
        "address": address,
    }


def detail(entry: Any) -> str:
    """The reason, the signals, the roles, or the factor that was wrong."""
    if not entry.action.startswith("staff."):
        return casefile.detail(entry)
    return " to ".join(
        rights.in_words(words.split(", ")) or words.capitalize() for words in entry.detail.split(" to ")
    )


def namer(subjects: Iterable[str]) -> Namer:
    """What says of each of these subjects what it is, and where its page is; asks for all names at once."""
    ids: dict[str, set[int]] = {"user": set(), "invite": set(), "reply": set()}
    for kind, _, name in (subject.partition(":") for subject in subjects):
        if kind in ids and name.isdigit():
            ids[kind].add(int(name))
    people = select(User.id, User.name).where(User.id.in_(ids["user"]))
    links = select(Invite.id, func.coalesce(func.nullif(Invite.name, ""), Invite.email)).where(
        Invite.id.in_(ids["invite"])
    )
    names = {f"user:{key}": name for key, name in db.session.execute(people)}
    names |= {f"invite:{key}": name for key, name in db.session.execute(links) if name}
    replies = select(Reply.id, Reply.title).where(Reply.id.in_(ids["reply"]))
    names |= {f"reply:{key}": title for key, title in db.session.execute(replies)}
    is_manager = current().may(rights.Right.PEOPLE)

    def about(subject: str) -> tuple[str, str]:
        kind, _, name = subject.partition(":")
        if kind == "request":
            return name, url_for("case.show", reference=name)
        if kind == "reply" and subject in names:
            return names[subject], url_for("replies.reply", reply_id=name)
        if kind == "settings":
            return SUBJECTS[kind], url_for("settings.versions")
        is_person = is_manager and kind == "user" and subject in names
        return (
            names.get(subject, SUBJECTS.get(kind, subject)),
            url_for("people.person", user_id=name) if is_person else "",
        )

    return about
