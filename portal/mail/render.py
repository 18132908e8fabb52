"""From a template triplet to the bytes of one mail: subject, text, and HTML that says the same.

Every link is built from BASE_URL, never from a Host header. A mail holds no pixel, no tracked link and no
picture. Headers follow RFC 5322, 3834 (Auto-Submitted) and, for the newsletter's own mails, 2369 and 8058.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import format_datetime, formataddr

from flask import render_template
from flask_babel import force_locale

from portal.settings import settings


class _Policy(EmailPolicy):
    """SMTP's policy, but a list's addresses stay as they are: folded, a long one would become an encoded word,
    which no mail program takes for an address (RFC 2369, 2)."""

    def fold_binary(self, name: str, value: str) -> bytes:
        """One header, ready for the wire."""
        if name.startswith("List-"):
            return f"{name}: {value}{self.linesep}".encode("ascii")
        return super().fold_binary(name, value)


_POLICY = _Policy(linesep="\r\n", cte_type="7bit", max_line_length=76)


def link(path: str) -> str:
    """The full address of one of our pages."""
    return f"{settings().BASE_URL}{path}"


def sender() -> str:
    """The address our mail comes from."""
    return str(settings().MAIL_FROM)


def compose(
    message: str,
    *,
    to: str,
    message_id: str,
    at: datetime,
    language: str,
    context: Mapping[str, object],
    reply_to: str = "",
    headers: Mapping[str, str] | None = None,
) -> bytes:
    """Render `templates/mail/<message>.{subject.txt,txt,html}` into the bytes of one mail."""
    config = settings()
    values = {**context, "link": link, "lang": language, "message": message}
    with force_locale(language):
        subject = " ".join(render_template(f"mail/{message}.subject.txt", **values).split())
        text = render_template(f"mail/{message}.txt", **values).strip() + "\n"
        html = render_template(f"mail/{message}.html", **values)
    mail = EmailMessage(policy=_POLICY)
    mail["From"] = formataddr((config.ORG.name, config.MAIL_FROM))
    mail["To"] = to
    if reply_to:
        mail["Reply-To"] = reply_to
    mail["Subject"] = subject
    mail["Date"] = format_datetime(at)
    mail["Message-ID"] = message_id
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Auto-Response-Suppress"] = "OOF, AutoReply"
    for name, value in (headers or {}).items():
        mail[name] = value
    mail.set_content(text, cte="quoted-printable")
    mail.add_alternative(html, subtype="html", cte="quoted-printable")
    mail["Content-Language"] = language  # last: what begins with Content- would go to the first part
    return mail.as_bytes()
