"""People: managers let them in, change what they may, and end it; everybody looks after their own account."""

from __future__ import annotations

from flask import redirect, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug import Response

from portal import addresses, web
from portal.clock import now
from portal.db import transaction
from portal.errors import Refused
from portal.people import accounts, credentials, invitations, passkeys
from portal.people.models import User
from portal.people.rights import ROLES, Right
from portal.signin import sessions
from portal.signin.gate import ask_password, current, guarded, keeps_text
from portal.signin.views import go_on_alone
from portal.staff.people_forms import HINTS, InvitePersonForm, RolesForm

bp = guarded("people", Right.PEOPLE, fresh=True)
account_bp = guarded("account", Right.WORK)

DONE = {
    "cancelled": "The link no longer works.",
    "disabled": "They can no longer sign in. What they were working on is back in the queue.",
    "enabled": "They can sign in again, with the password and the app they had.",
    "ended": "All their sessions are ended.",
    "invited": "The link is on its way to them. It works once, and for 24 hours.",
    "link": "A link to set a new password is on its way to them. Their old password and app no longer work.",
    "resent": "A new link is on its way to them. The one before no longer works.",
    "roles": "The roles are changed. They have to sign in again. What they may not answer now is back in the queue.",
}


@bp.get(addresses.STAFF_PEOPLE)
def people() -> ResponseReturnValue:
    """Everybody with an account, and whoever is still to make one."""
    found = accounts.people()
    last = {one.id: accounts.last_sign_in(one) for one in found}
    return _page("staff/people.html", people=found, last=last, invited=invitations.pending(), at=now())


@bp.route("/staff/people/invite", methods=["GET", "POST"])
@keeps_text
def invite() -> ResponseReturnValue:
    """Mail a one-use link. The password is asked for before anything is typed, which it would cost."""
    if request.method == "GET" and (first := ask_password()):
        return first
    form = InvitePersonForm()
    web.keep("staff/people_invite.html", form, hints=HINTS)
    if form.validate_on_submit():
        values, by, at = form.values(), current(), now()
        values["name"] = values["name"] or ""
        try:
            with transaction():
                token = invitations.invite(**values, by=by, at=at)
                invitations.send(values["email"], token, renews=False, by=by, at=at)
        except Refused as refusal:
            form.refuse(refusal.field or "email", refusal.message)
        else:
            return redirect(url_for(".people", done="invited"), 303)
    return web.page("staff/people_invite.html", form=form, hints=HINTS)


@bp.post("/staff/people/invitations/<int:invite_id>/resend")
def resend(invite_id: int) -> ResponseReturnValue:
    """Mail a new link in place of the one that was sent."""
    link, by, at = invitations.get_pending(invite_id), current(), now()
    with transaction():
        invitations.resend(link, by=by, at=at)
    return redirect(url_for(".people", done="resent"), 303)


@bp.post("/staff/people/invitations/<int:invite_id>/cancel")
def cancel(invite_id: int) -> ResponseReturnValue:
    """Let a link that was sent open nothing."""
    link = invitations.get_pending(invite_id)
    with transaction():
        invitations.cancel(link, by=current(), at=now())
    return redirect(url_for(".people", done="cancelled"), 303)


@bp.get("/staff/people/<int:user_id>")
def person(user_id: int) -> ResponseReturnValue:
    """One person, and what can be done."""
    return _person(accounts.get(user_id), RolesForm(formdata=None))


@bp.post("/staff/people/<int:user_id>/roles")
@keeps_text
def change_roles(user_id: int) -> ResponseReturnValue:
    """Give them just these roles; what they may no longer answer goes back to the queue."""
    form = RolesForm()
    user = _whom(user_id, form)
    if not form.validate_on_submit():
        return _person(user, form)
    with transaction():
        accounts.change_roles(user, form.roles.data or (), by=current(), at=now())
    return _done(user_id, "roles")


@bp.post("/staff/people/<int:user_id>/disable")
def disable(user_id: int) -> ResponseReturnValue:
    """End their access; what they were working on goes back to the queue."""
    user = _whom(user_id)
    with transaction():
        accounts.disable(user, by=current(), at=now())
    return _done(user_id, "disabled")


@bp.post("/staff/people/<int:user_id>/enable")
def enable(user_id: int) -> ResponseReturnValue:
    """Let them sign in again."""
    user = _whom(user_id)
    with transaction():
        accounts.enable(user, by=current(), at=now())
    return _done(user_id, "enabled")


@bp.post("/staff/people/<int:user_id>/link")
def send_link(user_id: int) -> ResponseReturnValue:
    """Void how they sign in, and mail them a link to set it anew: they lost the password or the phone."""
    user, by, at = _whom(user_id), current(), now()
    with transaction():
        token = invitations.renew(user, by=by, at=at)
        invitations.send(user.email, token, renews=True, by=by, at=at)
    return _done(user_id, "link")


@bp.post("/staff/people/<int:user_id>/end-sessions")
def end_sessions(user_id: int) -> ResponseReturnValue:
    """Sign them out everywhere."""
    user = _whom(user_id)
    with transaction():
        credentials.end_sessions(user, by=current(), at=now())
    return _done(user_id, "ended")


@account_bp.get("/staff/")
def root() -> ResponseReturnValue:
    """The staff's front door is the queue."""
    return redirect(addresses.STAFF_REQUESTS)


@account_bp.get(addresses.STAFF_ACCOUNT)
def account() -> ResponseReturnValue:
    """One's own account: factors, and where one is signed in."""
    user, row = current(), sessions.this().row
    return _page(
        "staff/people_account.html",
        codes_left=credentials.recovery_codes_left(user),
        passkeys=passkeys.of(user),
        sessions=credentials.sessions_of(user, at=now()),
        this_session=sessions.this().row_id,
        before=accounts.last_sign_in(user, before=row.created_at if row else None),
    )


@account_bp.post("/staff/account/sessions/<int:session_id>/end")
def end_session(session_id: int) -> ResponseReturnValue:
    """Sign out one place."""
    with transaction():
        credentials.end_session(current(), session_id, by=current(), at=now())
    return redirect(url_for(".account", done="session"), 303)


@account_bp.post("/staff/account/sessions/end-others")
def end_other_sessions() -> ResponseReturnValue:
    """Sign out all other places, and whoever is at their second factor."""
    with transaction():
        cookie = go_on_alone(current(), at=now())
    return sessions.answer(redirect(url_for(".account", done="sessions"), 303), cookie)


def _whom(user_id: int, form: RolesForm | None = None) -> User:
    """The person an act is about; should it be refused, their page says why."""
    user = accounts.get(user_id)
    form = form or RolesForm(formdata=None)
    web.keep("staff/people_person.html", form, **_about(user, form))
    return user


def _person(user: User, form: RolesForm) -> Response:
    return _page("staff/people_person.html", form=form, **_about(user, form))


def _about(user: User, form: RolesForm) -> dict[str, object]:
    if not form.is_submitted():
        form.roles.data = [role for role in ROLES if role in user.roles]
    return {
        "person": user,
        "hints": HINTS,
        "is_me": user.id == current().id,
        "signed_in_at": accounts.last_sign_in(user),
        "sessions": credentials.sessions_of(user, at=now()),
        "codes_left": credentials.recovery_codes_left(user),
        "passkeys": passkeys.of(user),
    }


def _page(template: str, *, form: RolesForm | None = None, **context: object) -> Response:
    """A page of one person, or of people: kept by nobody, and saying first what was just done."""
    done = DONE.get(request.args.get("done", "")) if request.method == "GET" else None
    if done:
        context["alert"] = {"level": "ok", "heading": "", "text": done}
    return web.private(web.page(template, form=form, **context))  # type: ignore[arg-type]


def _done(user_id: int, word: str) -> Response:
    return redirect(url_for(".person", user_id=user_id, done=word), 303)
