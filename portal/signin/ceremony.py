"""The two ceremonies of WebAuthn: adding a passkey, and signing in with one. `webauthn` checks what was signed.

User verification (PIN, finger, face) is required in both, so that a passkey is two factors: the device, and who holds
it. It signs for our own origin alone. The library is loaded when somebody first asks for a passkey (decision 0069).
"""

from __future__ import annotations

import json
import logging
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from portal.people.models import CREDENTIAL_MAX, Passkey, User
from portal.settings import settings

log = logging.getLogger(__name__)

LASTS = timedelta(minutes=5)
MOST_SIGNS = 20_000  # of an answer: more than any authenticator says
CHALLENGE_BYTES = 32
_BASE64URL = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True)
class Made:
    """What is kept of a new passkey."""

    credential_id: str
    public_key: bytes
    sign_count: int


def is_possible() -> bool:
    """Whether browsers make passkeys for our address: for a name, never for an address in digits (Web Authentication
    Level 3, 5.1.3: the effective domain must be a valid domain), and by HTTPS, or on their own machine."""
    last = _host().rpartition(".")[2]
    is_number = last.isdigit() or ":" in last
    return not is_number and (settings().is_secure or last == "localhost")


def new_challenge() -> str:
    """What is to be signed, once, as hexadecimal digits."""
    return secrets.token_hex(CHALLENGE_BYTES)


def handle_of(user_id: int) -> bytes:
    """By what an authenticator tells accounts apart: neither name nor address, nor anything else of a person."""
    return f"staff-{user_id}".encode()


def to_add(user: User, known: Sequence[Passkey], challenge: str) -> str:
    """What the browser is asked when a passkey is added, as JSON."""
    import webauthn
    from webauthn.helpers import structs

    options = webauthn.generate_registration_options(
        rp_id=_host(),
        rp_name=settings().ORG.name,
        user_id=handle_of(user.id),
        user_name=user.email,
        user_display_name=user.name,
        challenge=bytes.fromhex(challenge),
        timeout=_milliseconds(),
        authenticator_selection=structs.AuthenticatorSelectionCriteria(
            resident_key=structs.ResidentKeyRequirement.REQUIRED,
            user_verification=structs.UserVerificationRequirement.REQUIRED,
        ),
        exclude_credentials=[
            structs.PublicKeyCredentialDescriptor(id=webauthn.base64url_to_bytes(one.credential_id))
            for one in known
        ],
    )
    return webauthn.options_to_json(options)


def to_sign_in(challenge: str) -> str:
    """What the browser is asked when somebody signs in, as JSON: it knows whose passkeys it has."""
    import webauthn
    from webauthn.helpers import structs

    options = webauthn.generate_authentication_options(
        rp_id=_host(),
        challenge=bytes.fromhex(challenge),
        timeout=_milliseconds(),
        user_verification=structs.UserVerificationRequirement.REQUIRED,
    )
    return webauthn.options_to_json(options)


def added(answer: str, challenge: str) -> Made | None:
    """The passkey that was made, when this answers the challenge, for us, by whoever holds the device; else None."""
    import webauthn

    try:
        found = webauthn.verify_registration_response(
            credential=_read(answer),
            expected_challenge=bytes.fromhex(challenge),
            expected_rp_id=_host(),
            expected_origin=_origin(),
            require_user_verification=True,
        )
    except Exception as error:  # what anybody may send: the library raises its parsers' errors too
        log.info("a passkey was not added: %s", type(error).__name__)
        return None
    name = webauthn.helpers.bytes_to_base64url(found.credential_id)
    if len(name) > CREDENTIAL_MAX:
        log.info("a passkey was not added: its name is longer than any may be")
        return None
    return Made(name, found.credential_public_key, found.sign_count)


def credential_id(answer: str) -> str:
    """Which passkey an answer says it is of; nothing for what is no answer."""
    try:
        said = str(_read(answer)["id"])
    except (ValueError, KeyError, RecursionError):
        return ""
    return said if _BASE64URL.fullmatch(said) else ""


def signed(answer: str, challenge: str, *, user_id: int, public_key: bytes) -> int | None:
    """What the passkey counts now, when it signed this challenge for us and this person with its holder there.

    Whether the count grew is asked where it is kept (`passkeys.use`), so here it is compared with none.
    """
    import webauthn

    try:
        read = _read(answer)
        if webauthn.base64url_to_bytes(read["response"]["userHandle"]) != handle_of(user_id):
            return None
        found = webauthn.verify_authentication_response(
            credential=read,
            expected_challenge=bytes.fromhex(challenge),
            expected_rp_id=_host(),
            expected_origin=_origin(),
            credential_public_key=public_key,
            credential_current_sign_count=0,
            require_user_verification=True,
        )
    except Exception as error:  # as in `added`
        log.info("a passkey was refused: %s", type(error).__name__)
        return None
    return found.new_sign_count


def _read(answer: str) -> dict[str, Any]:
    if len(answer) > MOST_SIGNS:
        raise ValueError("longer than any answer")
    read = json.loads(answer)
    if not isinstance(read, dict):
        raise ValueError("no answer")
    return read


def _milliseconds() -> int:
    return int(LASTS.total_seconds() * 1000)


def _host() -> str:
    return urlsplit(settings().BASE_URL).hostname or ""


def _origin() -> str:
    """Ours as browsers write it: in lower case, without the port that goes without saying."""
    parts = urlsplit(settings().BASE_URL)
    port = "" if parts.port in (None, 443 if parts.scheme == "https" else 80) else f":{parts.port}"
    return f"{parts.scheme}://{_host()}{port}"
