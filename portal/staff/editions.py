"""Newsletter editions: written and tried by pharmacists and managers, sent by managers."""

from __future__ import annotations

from typing import Any

from flask import abort, make_response, redirect, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug import Response

from portal import addresses, web
from portal.clock import now
from portal.db import transaction
from portal.editions import archive, letters, pictures, service, spam
from portal.editions import preview as previews
from portal.editions.models import Edition, State
from portal.editions.progress import Progress, progress, what_limits
from portal.errors import Conflict, Refused
from portal.mail import course
from portal.newsletter.models import Language
from portal.people.rights import Right
from portal.signin import sessions
from portal.signin.gate import current, guarded, keeps_text
from portal.staff.edition_forms import TOPICS, EditionForm, NoteForm, PictureForm, ScheduleForm
from portal.uploads import takes_upload

bp = guarded("editions", Right.WRITE_EDITIONS)
sending_bp = guarded("edition_sending", Right.SEND_EDITIONS)

NAMES = {
    State.DRAFT: "Draft",
    State.SCHEDULED: "Scheduled",
    State.HELD: "Held",
    State.SENDING: "Sending",
    State.PAUSED: "Paused",
    State.SENT: "Sent",
    State.CANCELLED: "Cancelled",
}
DONE = {
    "saved": "The draft is saved.",
    "tested": "A test in each language is on its way to you.",
    "scheduled": "It is scheduled. Until then you can stop it.",
    "stopped": "It is a draft again. Nothing was sent.",
    "paused": "It is paused. What the worker had begun is finished, nothing else goes.",
    "resumed": "It goes on.",
    "cancelled": "It is cancelled. What was not sent is not sent.",
    "noted": "The correction stands on its public page.",
    "withdrawn": "It is out of the archive. Who has the mail still has it.",
    "taken": "The picture is there. Copy its line into the text, and say between the brackets what it shows.",
    "deleted": "The picture is deleted.",
    "published": "Everybody can read it now.",
}
FORM = "staff/edition_form.html"
STATE_OF = {reason: state.value for state, reason in letters.SKIPPED.items()}
# A mail's styles stand in the mail itself: its picture is a page of its own, that may do nothing else.
PREVIEW_POLICY = "default-src 'none'; img-src %s; style-src 'unsafe-inline'; frame-ancestors 'self'; sandbox"
LARGEST_PICTURE = 8_000_000
PICTURES = "staff/edition_pictures.html"


@bp.get(addresses.STAFF_EDITIONS)
def editions() -> ResponseReturnValue:
    """Every edition."""
    return web.private(web.page("staff/editions.html", editions=service.all_editions(), names=NAMES))


@bp.route("/staff/editions/new", methods=["GET", "POST"])
@keeps_text
def new() -> ResponseReturnValue:
    """Begin one."""
    return _write(None)


@bp.route("/staff/editions/<int:edition_id>/text", methods=["GET", "POST"])
@keeps_text
def text(edition_id: int) -> ResponseReturnValue:
    """Go on writing a draft."""
    return _write(service.get(edition_id))


def _write(edition: Edition | None) -> ResponseReturnValue:
    form = EditionForm()
    web.keep(FORM, form, edition=edition)
    if form.validate_on_submit():
        try:
            with transaction():
                edition = service.write(
                    edition, form.values(), version=form.version.data or 0, by=current(), at=now()
                )
        except Refused as refusal:
            form.refuse(refusal.field or "slug", refusal.message)
        except Conflict as conflict:
            # What was typed stays on the page; it is saved when the version is the one that was read.
            form.refuse("slug", conflict.message)
            return web.private(web.page(FORM, form=form, status=409, edition=edition))
        else:
            return _done(edition, "saved")
    if edition is not None and not form.is_submitted():
        _fill(form, edition)
    return web.private(web.page(FORM, form=form, edition=edition))


@bp.get("/staff/editions/<int:edition_id>")
def show(edition_id: int) -> ResponseReturnValue:
    """One edition: what is wrong with it, who gets it, how far it is; with `scored`, whether it looks like spam."""
    edition, verdict = service.get(edition_id), None
    if (language := request.args.get("scored")) in edition.languages:
        verdict = service.as_spam(edition, Language(language), to=current().email, at=now())
    return _page(edition, ScheduleForm(formdata=None), scored=language, verdict=verdict)


@bp.get("/staff/editions/<int:edition_id>/far")
def far(edition_id: int) -> ResponseReturnValue:
    """The figures of its page alone, which it asks for again while it is sent; 304 while they are the same."""
    sessions.leave_alone()  # a page that asks by itself keeps no session alive
    edition = service.get(edition_id)
    response = web.private(web.page("staff/_far.html", edition=edition, **_far(edition)))
    response.add_etag()
    return response.make_conditional(request)


@bp.get("/staff/editions/<int:edition_id>/preview/<language>")
def preview(edition_id: int, language: str) -> ResponseReturnValue:
    """The HTML of its mail, as it will arrive; with `as`, in the dark or on a phone."""
    shown = request.args.get("as", "")
    if language not in set(Language) or shown not in previews.VARIANTS:
        abort(404)
    response = make_response(previews.html(service.get(edition_id), Language(language), shown))
    response.headers["Content-Security-Policy"] = PREVIEW_POLICY % web.base_url()
    return web.private(response)


@bp.post("/staff/editions/<int:edition_id>/test")
def test(edition_id: int) -> ResponseReturnValue:
    """Mail it to oneself, in each language."""
    edition, user = service.get(edition_id), current()
    with transaction():
        service.send_test(edition, to=user.email, by=user, at=now())
    return _done(edition, "tested")


@bp.route("/staff/editions/pictures", methods=["GET", "POST"])
@takes_upload("image/*", most=LARGEST_PICTURE)
def all_pictures() -> ResponseReturnValue:
    """The pictures that editions may show, and one more."""
    form = PictureForm()
    web.keep(PICTURES, form, **_pictures())
    if form.validate_on_submit():
        try:
            picture = pictures.anew(form.file.data.read())
            with transaction():
                pictures.keep(picture, by=current(), at=now())
        except Refused as refusal:
            form.refuse(refusal.field or "file", refusal.message)
        else:
            return redirect(url_for(".all_pictures", done="taken"), 303)
    return web.private(web.page(PICTURES, form=form, **_pictures()))


@bp.post("/staff/editions/pictures/<name>/delete")
def delete_picture(name: str) -> ResponseReturnValue:
    """Forget one that no edition shows."""
    pictures.get(name)  # what is not there is refused like all else that is not
    web.keep(PICTURES, PictureForm(formdata=None), **_pictures())
    with transaction():
        pictures.delete(name, by=current(), at=now())
    return redirect(url_for(".all_pictures", done="deleted"), 303)


def _pictures() -> dict[str, Any]:
    shown = [
        (one, addresses.EDITION_PICTURE.of(slug=one.slug), pictures.used_in(one.slug))
        for one in pictures.all_pictures()
    ]
    done = DONE.get(request.args.get("done", "")) if request.method == "GET" else None
    return {"pictures": shown, "alert": {"level": "ok", "heading": "", "text": done} if done else None}


@sending_bp.post("/staff/editions/<int:edition_id>/schedule")
@keeps_text
def schedule(edition_id: int) -> ResponseReturnValue:
    """Let it be sent."""
    edition, form = service.get(edition_id), ScheduleForm()
    web.keep("staff/edition.html", form, **_about(edition))
    if form.validate_on_submit():
        try:
            version, due_at = form.version.data or 0, form.due_at
            with transaction():
                service.schedule(edition, due_at=due_at, version=version, by=current(), at=now())
        except ValueError as fault:
            form.refuse("time", str(fault))
        except Refused as refusal:
            form.refuse("time" if refusal.field else "day", refusal.message)
        else:
            return _done(edition, "scheduled")
    return _page(edition, form)


ACTS: dict[str, tuple[Any, str]] = {
    "stop": (service.stop, "stopped"),
    "pause": (service.pause, "paused"),
    "resume": (service.resume, "resumed"),
    "cancel": (service.cancel, "cancelled"),
    "withdraw": (archive.withdraw, "withdrawn"),
    "publish": (archive.put_back, "published"),
}


@sending_bp.post("/staff/editions/<int:edition_id>/<deed>")
def act(edition_id: int, deed: str) -> ResponseReturnValue:
    """Stop, pause, go on, cancel, take out of the archive, or put back."""
    if deed not in ACTS:
        abort(404)
    edition, (verb, word) = service.get(edition_id), ACTS[deed]
    with transaction():
        verb(edition, by=current(), at=now())
    return _done(edition, word)


@bp.route("/staff/editions/<int:edition_id>/note", methods=["GET", "POST"])
@keeps_text
def note(edition_id: int) -> ResponseReturnValue:
    """Correct what was sent, on its public page."""
    edition, form = service.get(edition_id), NoteForm()
    web.keep("staff/edition_note.html", form, edition=edition)
    if form.validate_on_submit():
        try:
            with transaction():
                archive.add_note(edition, **form.values(), by=current(), at=now())
        except Refused as refusal:
            form.refuse(refusal.field or "words_en", refusal.message)
        else:
            return _done(edition, "noted")
    return web.private(web.page("staff/edition_note.html", form=form, edition=edition))


def _fill(form: EditionForm, edition: Edition) -> None:
    form.version.data = edition.version
    form.slug.data, form.only_english.data = edition.slug, edition.only_english
    form.is_public.data = edition.is_public
    form.paid.data, form.paid_by.data = edition.paid or None, edition.paid_by
    form.topics.data = [topic.value for topic in edition.wanted]
    for text in edition.texts:
        for name in ("subject", "preview", "source"):
            form[f"{name}_{text.language}"].data = getattr(text, name)


def _page(edition: Edition, form: ScheduleForm, **more: Any) -> Response:
    if not form.is_submitted():
        form.version.data = edition.version
    done = DONE.get(request.args.get("done", "")) if request.method == "GET" else None
    alert = {"level": "ok", "heading": "", "text": done} if done else None
    return web.private(web.page("staff/edition.html", form=form, alert=alert, **_about(edition) | more))


def _about(edition: Edition) -> dict[str, Any]:
    is_open = edition.state in (State.DRAFT, State.SCHEDULED, State.HELD)
    audience = service.audience(edition) if is_open else None
    return {
        "edition": edition,
        "name": NAMES[edition.state],
        "topics": ", ".join(TOPICS[topic] for topic in edition.wanted),
        "is_manager": current().may(Right.SEND_EDITIONS),
        "obstacles": service.obstacles(edition) if edition.state in (State.DRAFT, State.HELD) else [],
        "warnings": [
            f"{service.LANGUAGES[language]}: {finding}."
            for language in edition.languages
            for finding in service.check(edition.text_in(language))
            if finding.warns
        ],
        "languages": [
            (
                language.value,
                service.LANGUAGES[language],
                previews.text(edition, language),
                previews.aloud(previews.html(edition, language)),
            )
            for language in edition.languages
        ],
        "audience": audience,
        "read_at": [
            (service.LANGUAGES[language], addresses.EDITION.speaking(language, slug=edition.slug))
            for language in edition.languages
            if archive.is_in(edition)
        ],
        "left_out": [
            (reason, count, STATE_OF.get(reason))
            for reason, count in sorted((audience.left_out if audience else edition.left_out).items())
        ],
        "can_be_scored": spam.is_here(),
        "verdict": None,
        **_far(edition),
    }


def _far(edition: Edition) -> dict[str, Any]:
    """How far it is, once it has begun, and how fast it goes."""
    found = progress(edition) if edition.began_at else None
    return {"progress": found, **(_pace(edition, found) if found else {"rate": "", "limit": ""})}


def _pace(edition: Edition, found: Progress) -> dict[str, str]:
    """How fast it goes, and what limits it, in words."""
    at = now()
    if edition.state in (State.SENDING, State.PAUSED) and found.waiting:
        pace = course.pace(edition.cause, at)
        said = f"{pace.in_a_minute} in the last minute" if pace.in_a_minute else ""
        if pace.in_a_minute and edition.state == State.SENDING:
            left = round(found.waiting / pace.in_a_minute) + 1
            said += f"; about {left} minute{'s' if left > 1 else ''} left at this rate"
        return {"rate": said, "limit": what_limits(edition, pace, at)}
    if edition.began_at is None or not found.sent:
        return {"rate": "", "limit": ""}
    seconds = max(1.0, ((edition.over_at or at) - edition.began_at).total_seconds())
    return {"rate": f"{found.sent / seconds * 60:.0f} a minute since it began", "limit": ""}


def _done(edition: Edition, word: str) -> Response:
    return redirect(url_for("editions.show", edition_id=edition.id, done=word), 303)
