"""The second factors, closed where Flask-Security leaves them open.

A code of the authenticator works once, at whichever of many posts comes first, and for 30 seconds before and after
its own; recovery codes are kept as hashes, shown once, and each is deleted by the statement that checks it.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from io import BytesIO
from typing import Any

import qrcode
from flask import session
from flask_security import MfRecoveryCodesUtil, PasswordUtil, Totp
from passlib.exc import UsedTokenError
from passlib.totp import TOTP, TotpMatch
from qrcode.image.svg import SvgPathFillImage

from portal import tokens
from portal.clock import now
from portal.people import service
from portal.settings import settings
from portal.signin import passwords

log = logging.getLogger(__name__)

SEAL_COST = 1  # rounds of PBKDF2, as a power of two


def totp_keys(keys: Sequence[str]) -> dict[str, str]:
    """The keys that seal TOTP secrets, the one for new secrets first; made from SECRET_KEY and its forerunners."""
    derived = [tokens.derive(key, "totp", "1") for key in keys]
    return {f"k{tokens.digest(key)[:10]}": key for key in derived}


class OnceTotp(Totp):
    """TOTP (RFC 6238) in which no code works twice (5.2)."""

    def __init__(self, secrets: dict[str, str], issuer: str) -> None:
        self._totp = TOTP.using(
            issuer=issuer.replace(":", " "),
            secrets=secrets,
            default_tag=next(iter(secrets)),
            # Stretching is for words people choose; our keys are 192 bits, and a code is checked inside a write.
            encrypt_cost=SEAL_COST,
            now=lambda: now().timestamp(),
        )

    def verify_totp(self, token: str, totp_secret: str, user: Any, window: int = 0) -> bool:
        """Whether the code is right and was not used before; notes that this session passed the second factor."""
        try:
            passed = super().verify_totp(token, totp_secret, user, window)
        except (KeyError, ValueError):
            log.exception("a TOTP secret is sealed with a key that is gone: keep it in SECRET_KEY_FALLBACKS")
            return False
        if passed:
            session["second_factor"] = user.id
        return passed

    def get_last_counter(self, user: Any) -> int | None:
        """The last step whose code this person used."""
        return service.totp_counter(user.id)

    def set_last_counter(self, user: Any, tmatch: TotpMatch) -> None:
        """Burn the step; raises UsedTokenError when another post was first."""
        if not service.advance_totp(user.id, tmatch.counter):
            raise UsedTokenError(expire_time=tmatch.expire_time)
        if tmatch.totp.changed:
            service.keep_totp_secret(user.id, tmatch.totp.to_json(encrypt=True))

    def generate_qrcode(self, username: str, totp: str) -> str:
        """The address of the picture: an own route, because our pages show no data: pictures."""
        return ""

    def picture(self, username: str, totp: str) -> bytes:
        """The QR code as SVG, dark on white in every colour scheme."""
        image = qrcode.make(self.get_totp_uri(username, totp), image_factory=SvgPathFillImage, border=4)
        with BytesIO() as file:
            image.save(file)
            return file.getvalue()


class HashedRecoveryCodes(MfRecoveryCodesUtil):
    """Recovery codes that nobody can read again, and that work once each."""

    def create_recovery_codes(self, user: Any) -> list[str]:
        """Ten new codes; the earlier ones are void."""
        return service.make_recovery_codes(user, at=now())

    def get_recovery_codes(self, user: Any) -> list[str]:
        """None: they were shown when they were made."""
        return []

    def check_recovery_code(self, user: Any, code: str) -> bool:
        """Whether the code was good; if so it is used up by now, and this session passed the second factor."""
        if not service.spend_recovery_code(user, code, at=now()):
            user.track_failed_authn("recovery code", True)
            return False
        session["second_factor"] = user.id
        return True

    def delete_recovery_code(self, user: Any, code: str) -> bool:
        """Done already, by the check."""
        return True


class OwnPasswords(PasswordUtil):
    """Our rules for new passwords, and no normalising."""

    def normalize(self, password: str) -> str:
        """The password as it was typed."""
        return password

    def validate(self, password: str, is_register: bool, **kwargs: Any) -> tuple[list[str] | None, str]:
        """What is wrong with a new password, if anything."""
        user = kwargs["user"]
        about = (user.name, user.email, settings().ORG.name)
        fault = passwords.fault(password, about=about)
        return ([fault] if fault else None), password
