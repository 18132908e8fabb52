"""What a plain form on another site sends: our own form, filled in, to be sent with one more press."""

from __future__ import annotations

from flask import Blueprint, g, request
from flask.typing import ResponseReturnValue

from portal import addresses, guard, web
from portal.newsletter import consent, forms
from portal.newsletter.models import Topic

bp = Blueprint("newsletter_embed", __name__)

ADDRESS_MAX = 254


@bp.post(addresses.EMBED)
def embed() -> ResponseReturnValue:
    """It came without our tokens, so nothing is kept; the words of consent stand on our page."""
    if request.mimetype not in ("", "application/x-www-form-urlencoded"):
        raise guard.UnsupportedForm
    sent = request.form
    language = sent.get("language", "")
    g.lang = language if language in addresses.LANGUAGES else addresses.USUAL
    form = forms.EmbeddedForm(
        formdata=None,
        email=sent.get("email", "").strip()[:ADDRESS_MAX],
        topics=[topic.value for topic in Topic if topic.value in sent.getlist("topics")] or [Topic.NEWS],
        language=g.lang,
        words=consent.current(g.lang),
    )
    action = addresses.NEWSLETTER.speaking(g.lang)
    return web.page("newsletter/signup.html", form=form, status=200, action=action, from_elsewhere=True)
