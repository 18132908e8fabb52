"""The newsletter's pages. A GET changes nothing; every act is a button; nothing tells whether an address is known.

Three addresses take posts from elsewhere by design (`FOREIGN_POSTS`): the one-click of RFC 8058, the JSON sign-up,
and what a form on another site sends, which is only shown again here.
Every way in that accepts a sign-up goes through `entry.accept`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, current_app, g, make_response, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from werkzeug.exceptions import HTTPException

from portal import addresses, domains, text, tokens, web
from portal.clock import now
from portal.db import transaction
from portal.errors import Conflict, Expired, NotFound
from portal.newsletter import asked, consent, entry, erasure, forms, leaving, proof, subscriptions
from portal.newsletter import record as records
from portal.newsletter.models import ON_THE_LIST, Language, Means, Source, Subscriber, Topic
from portal.settings import settings
from portal.throttle import block_of

bp = Blueprint("newsletter", __name__)

FOREIGN_POSTS = {"newsletter.unsubscribe", "newsletter_api.sign_up", "newsletter_embed.embed"}
SUGGESTED, TYPED = "suggested", "typed"  # which spelling of the address is right
ANY_POSTS = {
    "newsletter.unsubscribe"
}  # whose body is nobody's business: RFC 8058 asks for exactness of senders only


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
    if not form.is_submitted():
        return web.empty_form("newsletter/signup.html", form, form.holes)
    if not form.validate():
        return web.framed("newsletter/signup.html", form, status=422, is_failed=True)
    typed = str(form.email.data)
    meant, spelling = domains.suggestion(typed), request.form.get("spelling")
    if meant and spelling == SUGGESTED:
        form.email.data = meant
    # A person may have been hasty or trapped too: that costs a press, never the mail.
    is_doubtful = form.is_trapped or form.is_hasty
    is_asked = bool(meant) and spelling not in (SUGGESTED, TYPED)
    if is_doubtful or is_asked:
        form.ask_again()
        more = {"once_more": is_doubtful, "meant": meant if is_asked else ""}
        return web.page("newsletter/signup.html", form=form, status=422, **more)
    entry.not_again(request.environ)
    entry.accept(
        **form.values(),
        words=form.words,
        source=Source.FORM,
        page=request.path,
        network=_network(),
        form_token=str(form.form_token.data),
        throttle=current_app.extensions["throttle"],
        at=now(),
    )
    response = redirect(addresses.CHECK_EMAIL.speaking(g.lang), 303)
    response.headers.add("Set-Cookie", asked.set_cookie(settings(), str(form.email.data), at=now()))
    return response


for _language_there, _path in addresses.NEWSLETTER.twins.items():
    bp.add_url_rule(_path, view_func=signup, defaults={"lang": _language_there}, methods=["GET", "POST"])


@bp.get(addresses.CHECK_EMAIL)
def check_email() -> ResponseReturnValue:
    """What to do next; of whom it is about it knows what their own browser brings along."""
    address = asked.address_in(settings(), request.cookies.get(asked.COOKIE, ""), at=now())
    return _quiet("newsletter/check_email.html", address=address)


@bp.route(addresses.CONFIRM, methods=["GET", "POST"])
def confirm(token: str) -> ResponseReturnValue:
    """One button; a link that is unknown or too old offers to ask again."""
    try:
        signup = subscriptions.asked(token, at=now())
    except NotFound:
        if request.method == "POST":
            return redirect(addresses.CONFIRM.of(token=token or "-"), 303)
        return _ask_again(token)
    lang = _language(signup.language)
    form = forms.ConfirmForm()
    context: dict[str, Any] = {"address": text.masked(signup.address)}
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
        return redirect(addresses.CONFIRM.of(token=token), 303)
    done = addresses.BLOCKED if form.not_me.data else addresses.CONFIRMED
    return redirect(done.speaking(lang), 303)


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
    """One button, or the one-click POST of RFC 8058: any POST with a good link leaves, whatever its body.

    A link that was somebody's whom we have forgotten gets the same answers; any other is told that it is not whole.
    """
    subscriber = subscriptions.find_by_leave(token)
    if subscriber is None and not leaving.was_ours(token):
        return _incomplete()
    lang = _language(subscriber.language if subscriber else None)
    if request.method != "POST":
        return web.page("newsletter/unsubscribe.html", form=forms.LeaveForm())
    is_page = _sent_by_page()
    means = Means.PAGE if is_page else Means.ONE_CLICK
    with transaction():
        subscriptions.unsubscribe(token, means=means, network=_network(), at=now())
    if is_page:
        return redirect(addresses.LEFT.speaking(lang), 303)
    return web.private(Response("You will get no more emails.\n", mimetype="text/plain"))


@bp.route(addresses.LEAVE, methods=["GET", "POST"])
def leave() -> ResponseReturnValue:
    """Without a link: type the address; the same answer for every one."""
    form = forms.LeaveByMailForm()
    web.keep("newsletter/leave.html", form)
    if not form.validate_on_submit():
        return web.page("newsletter/leave.html", form=form, is_incomplete=False)
    web.throttle("signup")
    with transaction():
        leaving.ask(str(form.email.data), at=now())
    return redirect(addresses.LEAVE_ASKED.speaking(g.lang), 303)


@bp.route(addresses.ERASE, methods=["GET", "POST"])
def erase(token: str) -> ResponseReturnValue:
    """One button, behind a link mailed to the address itself; afterwards, and for any other link, the same page."""
    try:
        subscriber = erasure.to_erase(token, at=now())
    except NotFound:
        if not tokens.is_whole(token):
            raise NotFound(
                _("Part of this link is missing. Open it from the email, or copy all of it.")
            ) from None
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


def _stands_alone(template: str) -> Callable[[], ResponseReturnValue]:
    """What a person reads after an act; it knows nothing of them."""
    return lambda: _quiet(template)


for _endpoint, _address, _template in (
    ("confirmed", addresses.CONFIRMED, "newsletter/confirmed.html"),
    ("blocked", addresses.BLOCKED, "newsletter/blocked.html"),
    ("leave_asked", addresses.LEAVE_ASKED, "newsletter/leave_asked.html"),
    ("left", addresses.LEFT, "newsletter/left.html"),
    ("erased", addresses.ERASED, "newsletter/erased.html"),
):
    bp.add_url_rule(_address, _endpoint, _stands_alone(_template))


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


def _incomplete() -> ResponseReturnValue:
    """For a link that was never ours, or lost a part on its way: what to do, and a way to stop all the same."""
    form = forms.LeaveByMailForm(formdata=None)
    return _quiet("newsletter/leave.html", form=form, status=404, is_incomplete=True)


def _sent_by_page() -> bool:
    """Whether our own page's button was pressed, and not a mail program's."""
    try:
        return "form_token" in request.form
    except HTTPException:  # a body that cannot be read
        return False


def _ask_again(token: str) -> ResponseReturnValue:
    """200, so that it looks the same to whoever tries tokens; the form posts to the sign-up page."""
    action, form = addresses.NEWSLETTER.speaking(g.lang), _signup_form()
    return web.page("newsletter/ask_again.html", form=form, action=action, is_whole=tokens.is_whole(token))


def _signup_form() -> forms.SignupForm:
    return forms.SignupForm(language=g.lang, topics=[Topic.NEWS], words=consent.current(g.lang))


def _theirs(token: str) -> Subscriber:
    if not tokens.is_whole(token):
        raise NotFound(_("Part of this link is missing. Open it from the email, or copy all of it."))
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
