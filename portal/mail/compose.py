"""From a letter's template triplet to the bytes of its body: subject, text, and HTML that says the same.

Every link is built from BASE_URL, never from a Host header. A mail holds no pixel, no tracked link and no picture.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import css_inline
from flask import render_template
from flask_babel import force_locale

from portal.mail import wire
from portal.mail.letters import LETTERS, unpack
from portal.mail.models import Body
from portal.settings import settings

# What is not in the style sheet, such as the rules for the dark, stays where its template has it.
_STYLE = css_inline.CSSInliner(
    extra_css=Path(__file__).with_name("mail.css").read_text("utf-8"),
    inline_style_tags=False,
    keep_style_tags=True,
    load_remote_stylesheets=False,
    minify_css=True,
)


class NoSuchLetter(LookupError):
    """This version has no letter of that name."""


def link(path: str) -> str:
    """The full address of one of our pages."""
    return f"{settings().BASE_URL}{path}"


def styled(html: str) -> str:
    """The same HTML with the style of our mails on its tags."""
    return _STYLE.inline(html)


def rendered(message: str, part: str, **values: Any) -> str:
    """One part of a letter: `subject.txt`, `txt`, or `html` with the style of our mails on its tags."""
    text = render_template(f"mail/{message}.{part}", **values, link=link, message=message)
    return styled(text) if part == "html" else text


def compose(promised: Body) -> bytes:
    """Render `templates/mail/<message>.{subject.txt,txt,html}` into a body. Raises whatever its letter does."""
    letter = LETTERS.get(promised.message)
    if letter is None:
        raise NoSuchLetter(promised.message)
    config, language = settings(), promised.language
    context = letter.context(unpack(promised.facts or {}))
    values = {
        **context,
        "lang": language,
        "reply_to": config.REPLY_TO,
    }
    with force_locale(language):
        return wire.body(
            sender=(config.ORG.name, config.MAIL_FROM),
            reply_to=letter.reply_to(context) if letter.reply_to else config.REPLY_TO,
            subject=" ".join(rendered(promised.message, "subject.txt", **values).split()),
            at=promised.created_at,
            language=language,
            text=rendered(promised.message, "txt", **values).strip() + "\n",
            html=rendered(promised.message, "html", **values),
            headers={**letter.headers(), **context.get("headers", {})},
            automatic=not letter.is_personal,
        )
