"""Subscribers: looked up, looked after, taken in from a file and given out as one."""

from __future__ import annotations

import csv
import io
from typing import Any

from flask import Response, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from portal import addresses, web
from portal.clock import now
from portal.db import transaction
from portal.errors import Refused
from portal.mail import returns
from portal.mail.letters import LETTERS
from portal.newsletter import bounces, importing, proof, roster
from portal.newsletter import record as records
from portal.newsletter.models import Language, State, Subscriber
from portal.people.rights import Right
from portal.settings import settings
from portal.signin.gate import current, guarded, keeps_text
from portal.staff.edition_forms import TOPICS
from portal.staff.subscriber_forms import LANGUAGES, STATES, EraseForm, FilterForm, ImportForm, UndoForm
from portal.uploads import takes_upload

bp = guarded("subscribers", Right.WORK)
manager_bp = guarded("subscriber_files", Right.SUBSCRIBER_FILES)

LARGEST_FILE = 8_000_000
REFUSED_SHOWN = 200
DONE = {
    "stopped": "They get no more mail.",
    "undone": "Mail goes to them again, and the score begins anew.",
    "asked": "The mail with the button is on its way to them once more.",
}
ACTS = {"requested": "Asked for it", "confirmed": "Pressed the button", "topics": "Chose topics",
        "language": "Chose a language", "paused": "Paused", "resumed": "Went on", "left": "Stopped"}  # fmt: skip
MEANS = {"page": "on our page", "one-click": "in their mail program", "time": "the pause was over",
         "mail": "by mail", "bounce": "mail came back", "complaint": "called it unwanted",
         "staff": "staff, at their word"}  # fmt: skip
KINDS = {"hard": "No such mailbox", "soft": "Full, or silent", "policy": "A rule against us",
         "delayed": "Late", "complaint": "Called unwanted", "unsubscribe": "Stopped by mail",
         "auto_reply": "An automatic reply", "unknown": "Not understood"}  # fmt: skip


@bp.get(addresses.STAFF_SUBSCRIBERS)
def subscribers() -> ResponseReturnValue:
    """The list, newest first; ordinary staff find a person by the whole address."""
    filters = _filters()
    after = request.args.get("after", "")
    found, further = roster.search(filters, int(after) if after.isascii() and after.isdigit() else 0)
    asked: dict[str, Any] = {name: value for name, value in request.args.items() if name != "after" and value}
    return web.private(
        web.page(
            "staff/subscribers.html",
            form=FilterForm(request.args),
            people=found,
            counts={STATES[State(state)]: _number(count) for state, count in roster.counts().items()},
            states=STATES,
            topics=TOPICS,
            languages=LANGUAGES,
            filtered=bool(asked),
            further=url_for(".subscribers", after=further, **asked) if further else None,
            export=url_for("subscriber_files.export", **asked),
            waiting=_waiting(filters) if not found else None,
            is_manager=current().may(Right.SUBSCRIBER_FILES),
            snippet=render_template("staff/embed.txt", base_url=web.base_url(), topics=TOPICS),
        )
    )


@bp.get("/staff/subscribers/<int:subscriber_id>")
def show(subscriber_id: int) -> ResponseReturnValue:
    """One person, with the evidence and all that was mailed; opening it is recorded (decision 0010)."""
    subscriber = roster.get(subscriber_id)
    if request.method == "GET":
        with transaction():
            roster.opened(roster.get(subscriber_id), by=current(), at=now())
        subscriber = roster.get(subscriber_id)
    return _page(subscriber, UndoForm(formdata=None))


@bp.post("/staff/subscribers/<int:subscriber_id>/stop")
def stop(subscriber_id: int) -> ResponseReturnValue:
    """No more mail, at their word."""
    with transaction():
        roster.stop(roster.get(subscriber_id, lock=True), by=current(), at=now())
    return _done(subscriber_id, "stopped")


@bp.post("/staff/subscribers/<int:subscriber_id>/undo")
@keeps_text
def undo(subscriber_id: int) -> ResponseReturnValue:
    """Mail came back, and it was no fault of theirs."""
    form = UndoForm()
    if not form.validate_on_submit():
        return _page(roster.get(subscriber_id), form)
    with transaction():
        roster.undo_bounce(roster.get(subscriber_id, lock=True), form.reason.data, by=current(), at=now())
    return _done(subscriber_id, "undone")


@bp.post("/staff/subscribers/<int:subscriber_id>/ask-again")
def ask_again(subscriber_id: int) -> ResponseReturnValue:
    """The mail with the button once more, to somebody who did not press it."""
    with transaction():
        roster.ask_again(roster.get(subscriber_id, lock=True).address, by=current(), at=now())
    return _done(subscriber_id, "asked")


@bp.post("/staff/subscribers/ask-again")
def ask_again_unconfirmed() -> ResponseReturnValue:
    """The same for an address that nobody confirmed yet."""
    with transaction():
        roster.ask_again(str(request.form.get("address", "")), by=current(), at=now())
    return redirect(url_for(".subscribers", done="asked"), 303)


@manager_bp.route("/staff/subscribers/<int:subscriber_id>/erase", methods=["GET", "POST"])
def erase(subscriber_id: int) -> ResponseReturnValue:
    """Everything about them, at their word."""
    subscriber, form = roster.get(subscriber_id), EraseForm()
    context: dict[str, Any] = {"subscriber": subscriber}
    web.keep("staff/subscriber_erase.html", form, **context)
    if not form.validate_on_submit():
        return web.private(web.page("staff/subscriber_erase.html", form=form, **context))
    with transaction():
        roster.erase(roster.get(subscriber_id, lock=True), by=current(), at=now())
    return redirect(url_for("subscribers.subscribers", done="erased"), 303)


@manager_bp.post("/staff/subscribers/export")
def export() -> ResponseReturnValue:
    """Who matches, as CSV."""
    text = io.StringIO()
    table = csv.DictWriter(text, roster.EXPORTED)
    table.writeheader()
    rows = list(roster.export(_filters()))
    table.writerows(rows)
    with transaction():
        roster.exported(len(rows), by=current(), at=now())
    response = make_response(text.getvalue())
    response.headers["Content-Type"] = "text/csv; charset=utf-8"
    response.headers["Content-Disposition"] = 'attachment; filename="subscribers.csv"'
    return web.private(response)


@manager_bp.route("/staff/subscribers/import", methods=["GET", "POST"])
@takes_upload("text/csv", most=LARGEST_FILE)
def take_in() -> ResponseReturnValue:
    """People of a file: first what would become of each, then for good."""
    form, report = ImportForm(), None
    web.keep("staff/subscribers_import.html", form, report=None, is_done=False, shown=REFUSED_SHOWN)
    if form.validate_on_submit():
        try:
            rows = importing.read(importing.decode(form.file.data.read()))
            with transaction():
                report = importing.apply(
                    rows,
                    form.terms(),
                    keys=settings().keys,
                    by=current(),
                    at=now(),
                    dry_run=not form.for_good,
                )
        except Refused as refusal:
            form.refuse(refusal.field or "file", refusal.message)
    is_done = report is not None and form.for_good
    return web.private(
        web.page(
            "staff/subscribers_import.html", form=form, report=report, is_done=is_done, shown=REFUSED_SHOWN
        )
    )


def _page(subscriber: Subscriber, form: UndoForm) -> Response:
    found = records.record_of(subscriber)
    history = zip(found["consent"], (event.at for event in proof.events(subscriber)), strict=True)
    labels = {letter.message: letter.label for letter in LETTERS}
    done = DONE.get(request.args.get("done", "")) if request.method == "GET" else None
    return web.private(
        web.page(
            "staff/subscriber.html",
            form=form,
            alert={"level": "ok", "heading": "", "text": done} if done else None,
            subscriber=subscriber,
            state=STATES[subscriber.state],
            topics=", ".join(TOPICS[topic] for topic in subscriber.topics),
            language=LANGUAGES[Language(subscriber.language)],
            history=[
                (event, at, ACTS.get(event["act"], event["act"]), MEANS[event["means"]]) for event, at in history
            ],
            mails=[(mail, labels.get(mail.message, mail.message)) for mail in roster.mails(subscriber)],
            back=[(one, KINDS[one.kind]) for one in returns.told_of(subscriber.address_key, bounces.MESSAGES)],
            score=bounces.score_of(subscriber, now()),
            may_ask=subscriber.state == State.PENDING,
            is_manager=current().may(Right.SUBSCRIBER_FILES),
        )
    )  # fmt: skip


def _number(count: int) -> int | str:
    return count if count < roster.COUNTED_TO else f"{count:,} or more"


def _filters() -> roster.Filters:
    asked = {name: request.args.get(name, "") for name in ("q", "state", "topic", "language")}
    return roster.Filters(**asked, part=current().may(Right.SUBSCRIBER_FILES))


def _waiting(filters: roster.Filters) -> Any:
    """Who asked with the address that was looked for, and did not press the button yet."""
    return roster.waiting(filters.q) if "@" in filters.q else None


def _done(subscriber_id: int, word: str) -> Response:
    return redirect(url_for("subscribers.show", subscriber_id=subscriber_id, done=word), 303)  # type: ignore[return-value]
