"""The newsletter's pages. A GET changes nothing; every act is a button; nothing tells whether an address is known.

Two addresses take posts from elsewhere by design (`FOREIGN_POSTS`): the one-click of RFC 8058 and the JSON sign-up.
Every way in that accepts a sign-up goes through `entry.accept`.
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, current_app, g, make_response, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import UnsupportedMediaType

from portal import addresses, text, tokens, web
from portal.clock import now
from portal.db import transaction
from portal.errors import Conflict, Expired, NotFound
from portal.forms import QUICKEST_PERSON
from portal.newsletter import consent, entry, erasure, forms, proof, subscriptions
from portal.newsletter import record as records
from portal.newsletter.models import ON_THE_LIST, Language, Means, Source, Subscriber, Topic, masked
from portal.settings import settings
from portal.throttle import block_of

bp = Blueprint("newsletter", __name__)

FOREIGN_POSTS = {"newsletter.unsubscribe", "newsletter.api"}
API_MAX_BYTES = 4096
CONSENT_MAX = 2000
ONE_CLICK = ("List-Unsubscribe", "One-Click")


@bp.url_value_preprocessor
def _speak(endpoint: str | None, values: dict[str, Any] | None) -> None:
    """The page's language: its address says so, or `?lang=`, else English."""
    values = values or {}
    wanted = values.pop("lang", None) or request.args.get("lang")
    if wanted not in addresses.LANGUAGES:  # a mail's link may be nobody's, and then only the browser can say
        wanted = request.accept_languages.best_match(addresses.LANGUAGES) if "token" in values else None
    g.lang = wanted or addresses.USUAL


def signup() -> ResponseReturnValue:
    """Sign up: the same answer for every address."""
    form = _signup_form()
    web.keep("newsletter/signup.html", form)
    if form.validate_on_submit():
        _accept(form, words=form.words, source=Source.FORM)
        return redirect(addresses.CHECK_EMAIL.speaking(g.lang), 303)
    return web.empty_form("newsletter/signup.html", form, form.holes)


for _language_there, _path in addresses.NEWSLETTER.twins.items():
    bp.add_url_rule(_path, view_func=signup, defaults={"lang": _language_there}, methods=["GET", "POST"])


@bp.get(addresses.CHECK_EMAIL)
def check_email() -> ResponseReturnValue:
    """What to do next; it knows nothing about anybody."""
    return _quiet("newsletter/check_email.html")


@bp.post(addresses.SIGN_UP_API)
def api() -> ResponseReturnValue:
    """Sign up from another site, in JSON; always the same bytes."""
    request.max_content_length = API_MAX_BYTES
    request.get_data()
    if not request.is_json:
        raise UnsupportedMediaType
    g.lang = "en"
    try:
        fields, shown = _api_fields(request.get_json(silent=True))
    except ValueError as fault:
        return make_response({"error": "invalid", "fields": {}, "detail": str(fault)}, 422)
    form = forms.SignupForm(formdata=fields, meta={"csrf": False}, words=consent.current(g.lang))
    if not form.validate():
        faults = {name: [str(fault) for fault in found] for name, found in form.errors.items()}
        return make_response({"error": "invalid", "fields": faults}, 422)
    words = consent.shown_elsewhere(shown, form.language.data)
    _accept(form, words=words, source=Source.API)
    return make_response({"status": "check_mail"}, 202)


@bp.route(addresses.CONFIRM, methods=["GET", "POST"])
def confirm(token: str) -> ResponseReturnValue:
    """One button; a link that is unknown or too old offers to ask again."""
    try:
        asked = subscriptions.asked(token, at=now())
    except NotFound:
        if request.method == "POST":
            return redirect(request.path, 303)
        return _ask_again()
    lang = _language(asked.language)
    form = forms.ConfirmForm()
    context: dict[str, Any] = {"address": masked(asked.address)}
    web.keep("newsletter/confirm.html", form, **context)
    if not form.validate_on_submit():
        return web.page("newsletter/confirm.html", form=form, **context)
    web.throttle("confirm")
    try:
        with transaction():
            if form.not_me.data:
                subscriptions.not_me(token, network=_network(), keys=settings().keys, at=now())
            else:
                subscriptions.confirm(token, network=_network(), keys=settings().keys, at=now())
    except (NotFound, Expired):
        return redirect(request.path, 303)
    done = addresses.BLOCKED if form.not_me.data else addresses.CONFIRMED
    return redirect(done.speaking(lang), 303)


@bp.get(addresses.CONFIRMED)
def confirmed() -> ResponseReturnValue:
    """Signed up."""
    return _quiet("newsletter/confirmed.html")


@bp.get(addresses.BLOCKED)
def blocked() -> ResponseReturnValue:
    """No more confirm mails."""
    return _quiet("newsletter/blocked.html", months=12)


@bp.route(addresses.PREFERENCES, methods=["GET", "POST"])
def preferences(token: str) -> ResponseReturnValue:
    """Topics, language, pause, leaving, record, erasing."""
    subscriber = _theirs(token)
    lang = _language(subscriber.language)
    form = forms.PreferencesForm(topics=subscriber.topics, language=subscriber.language)
    context: dict[str, Any] = {
        "address": subscriber.masked,
        "state": str(subscriber.state),
        "is_on": subscriber.state in ON_THE_LIST,
        "paused_until": subscriber.paused_until,
        "record_path": url_for(".record", token=token),
        "done": request.args.get("done", ""),
    }
    web.keep("newsletter/preferences.html", form, **context)
    if not form.validate_on_submit():
        return web.page("newsletter/preferences.html", form=form, **context)
    web.throttle("confirm")
    act = str(form.do.data)
    with transaction():
        _act(subscriptions.get_by_preferences(token, lock=True), act, form)
    if act == forms.LEAVE:
        return redirect(addresses.LEFT.speaking(lang), 303)
    return redirect(url_for(".preferences", token=token, done=act), 303)


@bp.get(addresses.RECORD)
def record(token: str) -> ResponseReturnValue:
    """All that is kept about a person, to read or (`?format=json`) to take away."""
    subscriber = _theirs(token)
    _language(subscriber.language)
    found = records.record_of(subscriber)
    if request.args.get("format") == "json":
        response = make_response(found)
        response.headers["Content-Disposition"] = 'attachment; filename="newsletter-record.json"'
        return web.private(response)
    return _quiet(
        "newsletter/record.html",
        record=found,
        history=zip(found["consent"], (event.at for event in proof.events(subscriber)), strict=True),
        preferences_path=url_for(".preferences", token=token),
        since=subscriber.confirmed_at,
        topics=[forms.TOPIC_LABELS[topic] for topic in subscriber.topics],
        language=forms.LANGUAGE_LABELS[Language(subscriber.language)],
    )


@bp.route(addresses.UNSUBSCRIBE, methods=["GET", "POST"])
def unsubscribe(token: str) -> ResponseReturnValue:
    """One button, or the one-click POST of RFC 8058; a link that is nobody's any more gets the same answers."""
    if request.method == "POST" and request.form.get(ONE_CLICK[0]) == ONE_CLICK[1]:
        with transaction():
            subscriptions.unsubscribe(token, means=Means.ONE_CLICK, network=_network(), at=now())
        return web.private(Response("You will get no more emails.\n", mimetype="text/plain"))
    subscriber = subscriptions.find_by_leave(token)
    lang = _language(subscriber.language if subscriber else None)
    form = forms.LeaveForm()
    web.keep("newsletter/unsubscribe.html", form)
    if not form.validate_on_submit():
        return web.page("newsletter/unsubscribe.html", form=form)
    with transaction():
        subscriptions.unsubscribe(token, means=Means.PAGE, network=_network(), at=now())
    return redirect(addresses.LEFT.speaking(lang), 303)


@bp.get(addresses.LEFT)
def left() -> ResponseReturnValue:
    """No more mails."""
    return _quiet("newsletter/left.html")


@bp.route(addresses.ERASE, methods=["GET", "POST"])
def erase(token: str) -> ResponseReturnValue:
    """One button, behind a link mailed to the address itself; afterwards, and for any other link, the same page."""
    try:
        subscriber = erasure.to_erase(token, at=now())
    except NotFound:
        return redirect(addresses.ERASED.speaking(g.lang), 303)
    lang = _language(subscriber.language)
    form = forms.EraseForm()
    context: dict[str, Any] = {"address": subscriber.masked}
    web.keep("newsletter/erase.html", form, **context)
    if not form.validate_on_submit():
        return web.page("newsletter/erase.html", form=form, **context)
    web.throttle("confirm")
    try:
        with transaction():
            erasure.erase(token, network=_network(), keys=settings().keys, at=now())
    except NotFound:
        pass  # another press of the same button was first
    return redirect(addresses.ERASED.speaking(lang), 303)


@bp.get(addresses.ERASED)
def erased() -> ResponseReturnValue:
    """Nothing is left, or the link was no longer good."""
    return _quiet("newsletter/erased.html")


@bp.get(addresses.EDITIONS)
def editions() -> ResponseReturnValue:
    """The public archive; empty as yet."""
    return web.page("newsletter/editions.html")


def _accept(form: forms.SignupForm, *, words: consent.Words, source: Source) -> None:
    entry.accept(
        **form.values(),
        words=words,
        source=source,
        page=request.path,
        network=_network(),
        signals=form.signals,
        form_token=str(form.form_token.data),
        throttle=current_app.extensions["throttle"],
        at=now(),
    )


def _act(subscriber: Subscriber, act: str, form: forms.PreferencesForm) -> None:
    at, network = now(), _network()
    try:
        if act == forms.SAVE:
            subscriptions.set_topics(subscriber, form.topics.data or [], network=network, at=at)
            subscriptions.set_language(subscriber, form.language.data, network=network, at=at)
        elif act in forms.PAUSE_DAYS:
            subscriptions.pause(subscriber, forms.PAUSE_DAYS[act], network=network, at=at)
        elif act == forms.RESUME:
            subscriptions.resume(subscriber, network=network, at=at)
        elif act == forms.LEAVE:
            subscriptions.leave(subscriber, means=Means.PAGE, network=network, at=at)
        else:
            erasure.request_erase(subscriber, at=at)
    except Conflict as error:
        raise Conflict(_("You get no emails from us now. To start again, sign up.")) from error


def _api_fields(sent: Any) -> tuple[MultiDict[str, str], str]:
    """The JSON as the form's fields, and the words its site showed; raises ValueError saying what is wrong."""
    if not isinstance(sent, dict):
        raise ValueError("send a JSON object")
    fields: MultiDict[str, str] = MultiDict()
    for name in ("email", "topics", "language", forms.SignupForm.TRAP):
        if name in sent:
            values = sent[name] if name == "topics" and isinstance(sent[name], list) else [sent[name]]
            if not all(isinstance(value, str) for value in values):
                raise ValueError(f"{name} must be text")
            fields.setlist(name, values)
    shown = sent.get("consent_text", "")
    if not isinstance(shown, str):
        raise ValueError("consent_text must be text")
    try:
        shown = text.check(shown, max_length=CONSENT_MAX, multiline=True)
    except text.TextFault as fault:
        raise ValueError(f"consent_text {fault}") from fault
    # A program has no page to keep a form token from; its sign-up is one of its own, seen long enough ago.
    opened = now().timestamp() - QUICKEST_PERSON
    purpose = f"signup/{consent.current(g.lang).name}"
    fields["form_token"] = tokens.stamp(settings().keys[0], purpose, at=opened)
    return fields, shown


def _ask_again() -> ResponseReturnValue:
    """200, so that it looks the same to whoever tries tokens; the form posts to the sign-up page."""
    action = addresses.NEWSLETTER.speaking(g.lang)
    return web.page("newsletter/ask_again.html", form=_signup_form(), action=action)


def _signup_form() -> forms.SignupForm:
    return forms.SignupForm(language=g.lang, topics=[Topic.NEWS], words=consent.current(g.lang))


def _theirs(token: str) -> Subscriber:
    try:
        return subscriptions.get_by_preferences(token)
    except NotFound as error:
        raise NotFound(
            _("This link does not work any more. Use the link in the newest email from us.")
        ) from error


def _quiet(template: str, **context: Any) -> Response:
    return web.private(web.page(template, **context))


def _language(theirs: str | None) -> str:
    """The person's own language, unless the address asks for another; sets the page's."""
    if theirs and request.args.get("lang") not in addresses.LANGUAGES:
        g.lang = theirs
    return str(g.lang)


def _network() -> str:
    return block_of(request.remote_addr or "")
