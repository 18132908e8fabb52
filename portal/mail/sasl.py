"""Sign in to a mail server with a name and a password in any script (RFC 4954)."""

from __future__ import annotations

import base64
import smtplib
import stringprep
import unicodedata

_PROHIBITED = (
    stringprep.in_table_c21_c22,
    *(stringprep.in_table_c3, stringprep.in_table_c4, stringprep.in_table_c5),
    *(stringprep.in_table_c6, stringprep.in_table_c7, stringprep.in_table_c8, stringprep.in_table_c9),
)


def saslprep(text: str) -> str:
    """A user name or a password as it is compared (RFC 4013). Raises ValueError for what can be in none."""
    spaced = (" " if stringprep.in_table_c12(char) else char for char in text)
    prepared = unicodedata.normalize("NFKC", "".join(c for c in spaced if not stringprep.in_table_b1(c)))
    if any(test(char) for char in prepared for test in _PROHIBITED):
        raise ValueError("it holds a character that no password may have")
    return prepared


def sign_in(server: smtplib.SMTP, user: str, password: str) -> None:
    """AUTH as smtplib does it, and with UTF-8 where it can't: PLAIN (RFC 4616) and LOGIN. Raises as smtplib does."""
    if f"{user}{password}".isascii():
        server.login(user, password)
        return
    user, password = saslprep(user), saslprep(password)
    methods = server.esmtp_features.get("auth", "").upper().split()
    if "PLAIN" in methods:
        whole = "\0".join(("", user, password))
        code, said = server.docmd("AUTH", f"PLAIN {_base64(whole)}")
    elif "LOGIN" in methods:
        code, said = server.docmd("AUTH", f"LOGIN {_base64(user)}")
        if code == 334:
            code, said = server.docmd(_base64(password))
    else:
        raise smtplib.SMTPNotSupportedError("a password that is not ASCII needs AUTH PLAIN or LOGIN")
    if code != 235:
        raise smtplib.SMTPAuthenticationError(code, said)


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
