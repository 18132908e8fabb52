"""Our signature under every mail, judged by a verifier that is not ours (dkimpy)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import dkim as verifier
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from flask import Flask

from portal.mail import dkim, wire
from portal.mail.transport import RelayDown
from tests.conftest import START, Clock
from tests.mail.conftest import Promise, Sink, hand_over, row

KEYS: dict[str, PrivateKeyTypes] = {"rsa": rsa.generate_private_key(public_exponent=65537, key_size=2048),
        "ed25519": ed25519.Ed25519PrivateKey.generate()}  # fmt: skip
NAME = b"mail2026._domainkey.pharmacy.example."


def write_key(path: Path, key: PrivateKeyTypes, password: bytes | None = None) -> Path:
    sealed = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    raw = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, sealed)
    path.write_bytes(raw)
    path.chmod(0o600)
    return path


@dataclass
class Signing:
    """A portal that signs, and what stands in DNS about it."""

    signer: dkim.Signer

    def is_good(self, mail: bytes) -> bool:
        def texts(name: bytes, timeout: float = 5) -> bytes | None:
            return self.signer.record.encode() if name == NAME else None

        return bool(verifier.verify(mail, dnsfunc=texts))


@pytest.fixture(params=list(KEYS))
def signing(
    request: pytest.FixtureRequest, app: Flask, change_settings: Callable[..., None], tmp_path: Path
) -> Signing:
    path = write_key(tmp_path / "dkim.key", KEYS[request.param])
    change_settings(
        MAIL_FROM="portal@news.pharmacy.example", DKIM_KEY_FILE=path, DKIM_SELECTOR="mail2026",
        DKIM_DOMAIN="pharmacy.example",
    )  # fmt: skip
    return Signing(dkim.read(path))


def test_every_mail_is_signed_and_a_repeat_is_the_same_bytes(
    app: Flask, signing: Signing, promised: Promise, clock: Clock
) -> None:
    [delivery] = promised(headers={"List-Unsubscribe": f"<https://a.example/{'x' * 300}>"})
    sink = Sink(RelayDown("it hung up"))
    with app.app_context():
        with pytest.raises(RelayDown):
            hand_over(sink)
        clock.tick(minutes=5)
        hand_over(sink)

        first, second = sink.sent
        assert first == second
        assert signing.is_good(first)
        assert max(map(len, first.split(b"\r\n")[:30])) < 990
        kept = row(delivery).digest
    head, _, mail = first.partition(b"\r\nTo: ")
    assert head.startswith(b"DKIM-Signature: v=1; ")
    assert kept == wire.digest(b"To: " + mail), "of what is signed"


def test_nothing_can_be_added_to_what_is_signed(app: Flask, signing: Signing, promised: Promise) -> None:
    promised()
    sink = Sink()
    with app.app_context():
        hand_over(sink)
    [mail] = sink.sent

    for added in (b"From: b@b.example", b"Subject: another", b"List-Unsubscribe: <https://b.example>",
                  b"Reply-To: b@b.example", b"To: b@b.example", b"Cc: b@b.example"):  # fmt: skip
        assert not signing.is_good(mail.replace(b"\r\nTo: ", b"\r\n" + added + b"\r\nTo: ", 1)), added
        assert not signing.is_good(added + b"\r\n" + mail), added
    assert not signing.is_good(mail + b"more\r\n")
    assert not signing.is_good(mail.replace(b"<p", b"<b", 1))


def test_it_outlives_what_relays_do_to_white_space(app: Flask, signing: Signing, promised: Promise) -> None:
    """Folded and unfolded headers, blanks at line ends, lines at the end, a trace in front (`crossings.md`)."""
    promised()
    sink = Sink()
    with app.app_context():
        hand_over(sink)
    [mail] = sink.sent

    unfolded = re.sub(rb"\r\n[ \t]+", b" ", mail.partition(b"\r\n\r\n")[0])
    body = mail.partition(b"\r\n\r\n")[2]
    assert signing.is_good(unfolded + b"\r\n\r\n" + body)
    assert signing.is_good(
        b"Received: from x by y\r\n" + mail.replace(b"\r\n\r\n--", b" \r\n\r\n--") + b"\r\n\r\n"
    )


@pytest.mark.parametrize("body", [b"", b"\r\n\r\n", b"a  b\t \r\n \r\n", b"no end", b"\r\nx\r\n\r\n"])
def test_bodies_of_every_shape(signing: Signing, body: bytes) -> None:
    mail = (
        b"From:a@pharmacy.example\r\nSubject:  a \t b\r\nsubject: again\r\nTo:\r\n b@b.example\r\n\r\n" + body
    )
    names = {"domain": "pharmacy.example", "selector": "mail2026", "at": START}

    assert signing.is_good(dkim.signature(signing.signer, mail, **names) + mail)  # type: ignore[arg-type]


def test_without_a_key_nothing_is_signed(app: Flask, promised: Promise) -> None:
    promised()
    sink = Sink()
    with app.app_context():
        hand_over(sink)
    assert b"DKIM-Signature" not in sink.sent[0]


def test_what_version_0_1_wrote_is_signed_with_the_line_ends_it_is_sent_with(
    app: Flask, signing: Signing, promised: Promise
) -> None:
    whole = b"From: a@pharmacy.example\nTo: b@b.example\nSubject: x\n\none\n.two\n"
    sent = wire.whole(whole, to="b@b.example", message_id="<1@x>", headers=None)
    with app.app_context():
        signed = dkim.sign(sent, at=START)
    assert signing.is_good(signed)
    assert b"\n" not in signed.replace(b"\r\n", b"")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: path, "cannot be read: No such file or directory"),
        (
            lambda path: write_key(path, rsa.generate_private_key(public_exponent=65537, key_size=1024)),
            "1024 bits",
        ),
        (lambda path: write_key(path, ec.generate_private_key(ec.SECP256R1())), "an RSA or an Ed25519 key"),
        (lambda path: write_key(path, KEYS["ed25519"], b"secret"), "without a password"),
        (lambda path: (path.write_text("nothing"), path)[1], "no private key"),
    ],
)
def test_a_key_that_cannot_sign_is_told_in_one_line(
    tmp_path: Path, make: Callable[[Path], Path], said: str
) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        dkim.read(make(tmp_path / "dkim.key"))
    assert "\n" not in str(caught.value)
