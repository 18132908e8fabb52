"""What became of the mail, and the audit trail: for those who answer for both."""

from __future__ import annotations

from typing import Any

from flask import request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from portal import web
from portal.accounts.models import Role
from portal.audit import AuditEntry
from portal.clock import now
from portal.db import db
from portal.mail import service
from portal.mail.models import Outbox, State
from portal.staff import sheet
from portal.staff.gate import guarded

mail_bp = guarded("mail", Role.PHARMACIST, Role.MANAGER)
audit_bp = guarded("audit", Role.MANAGER)

ENTRIES = 50  # on one page


@mail_bp.get("/staff/mail")
def mail() -> ResponseReturnValue:
    """What waits to be sent, and what was given up; never an address or a word of a mail."""
    dead = select(Outbox).where(Outbox.state == State.DEAD).order_by(Outbox.id.desc()).limit(ENTRIES)
    return web.private(
        web.page(
            "staff/mail.html",
            counts=service.counts(),
            oldest_due=service.oldest_due(now()),
            dead=[_given_up(row) for row in db.session.scalars(dead)],
        )
    )


@audit_bp.get("/staff/audit")
def audit() -> ResponseReturnValue:
    """Who did what, newest first."""
    after = request.args.get("after", "")
    query = select(AuditEntry).order_by(AuditEntry.id.desc()).limit(ENTRIES + 1)
    if is_later_page := after.isascii() and after.isdigit() and len(after) < 10:
        query = query.where(AuditEntry.id < int(after))
    entries = list(db.session.scalars(query))
    more, entries = len(entries) > ENTRIES, entries[:ENTRIES]
    return web.private(
        web.page(
            "staff/audit.html",
            entries=[_in_words(entry) for entry in entries],
            newest=url_for(".audit") if is_later_page else None,
            next=url_for(".audit", after=entries[-1].id) if more else None,
        )
    )


def _given_up(row: Outbox) -> dict[str, Any]:
    """A mail without its address and its words."""
    return {
        "message": row.message,
        "cause": row.cause,
        "reference": _reference(row.cause),
        "created_at": row.created_at,
        "attempts": row.attempts,
        "last_error": row.last_error,
    }


def _in_words(entry: AuditEntry) -> dict[str, Any]:
    reference = _reference(entry.subject)
    return {
        "at": entry.at,
        "who": entry.actor_name,
        "what": sheet.action(entry),
        "detail": sheet.detail(entry),
        "about": reference or entry.subject.replace(":", " "),
        "address": url_for("request.show", reference=reference) if reference else "",
    }


def _reference(subject: str) -> str:
    """The reference, if it is a request that is meant."""
    kind, _, name = subject.partition(":")
    return name if kind == "request" else ""
