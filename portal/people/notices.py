"""What somebody is told by mail about their own account: the one who changed it may be somebody else."""

from __future__ import annotations

from datetime import datetime

from portal.mail import promise as mail
from portal.people.models import User

PASSWORD_CHANGED = "The password of your account was changed."  # noqa: S105 - a sentence
AUTHENTICATOR_SET = "A new authenticator app was set up for your account."
RECOVERY_CODE_USED = "A recovery code was used to sign in to your account."
PASSKEY_ADDED = "A passkey was added to your account."
PASSKEY_REMOVED = "A passkey was removed from your account."
RECOVERY_CODES_MADE = "New recovery codes were made for your account. The earlier ones no longer work."


def notify(user: User, what: str, *, at: datetime) -> None:
    """Tell somebody that how they sign in has changed."""
    mail.promise("people/notice", to=user.email, facts={"what": what}, cause=user.subject, at=at)
