"""A real mail server's words, one mail for each verdict: accepted, refused at every stage, put off, closed, slow."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from portal.mail import dkim, wire
from portal.mail import transport as module
from portal.mail.transport import Closing, Deferred, DeliveryError, Policy, Rejected, RelayDown, SmtpTransport
from tests import mta
from tests.conftest import START
from tests.figures import amount
from tests.mail.test_dkim import KEYS, Signing, write_key

pytestmark = [pytest.mark.slow, pytest.mark.faults, pytest.mark.xdist_group("mta")]

RECIPIENTS = {
    "unknown@clinic.example": "550 5.1.1 no such user",
    "full@clinic.example": "552 5.2.2 over quota",
    "later@clinic.example": "450 4.2.0 come back",
    "closed@clinic.example": "421 4.7.0 too many of you",
    "rule@clinic.example": "554 5.7.1 by a rule",
}
AT_THE_END = {
    "spam@clinic.example": "554 5.6.0 not with these words",
    "busy@clinic.example": "451 4.3.0 busy",
    "gone@clinic.example": "421 4.3.2 going down",
    "slow@clinic.example": "sleep 2",
}
AT_ONCE = "smtpd_delay_reject=no\n"
SERVICES = {
    "usual": "smtpd_recipient_restrictions=check_recipient_access,MAP:recipients\n"
    "smtpd_end_of_data_restrictions=check_recipient_access,MAP:end",
    "client": AT_ONCE + "smtpd_client_restrictions=reject",
    "helo": AT_ONCE + "smtpd_helo_required=yes\nsmtpd_helo_restrictions=reject",
    "sender": AT_ONCE + "smtpd_sender_restrictions=reject",
    "late": "smtpd_sender_restrictions=reject",  # refused when it hears who gets it, as Postfix does by itself
    "small": "message_size_limit=50",
    "tls": "smtpd_tls_security_level=encrypt\nsmtpd_tls_cert_file=none",
}
VERDICTS: list[tuple[str, str, type[DeliveryError] | None, str]] = [
    ("usual", "ana", None, ""),
    ("usual", "slow", None, ""),
    ("usual", "unknown", Rejected, "550 5.1.1 …: Recipient address rejected: no such user"),
    ("usual", "full", Rejected, "552 5.2.2"),
    ("usual", "later", Deferred, "450 4.2.0"),
    ("usual", "closed", Closing, "421 4.7.0"),
    ("usual", "rule", Policy, "554 5.7.1"),
    ("usual", "ana@elsewhere.example", Policy, "554 5.7.1 …: Relay access denied"),
    ("usual", "spam", Rejected, "554 5.6.0"),
    ("usual", "busy", Deferred, "451 4.3.0"),
    ("usual", "gone", Closing, "421 4.3.2"),
    ("client", "ana", RelayDown, "554 5.7.1"),
    ("helo", "ana", RelayDown, "554 5.7.1"),
    ("sender", "ana", RelayDown, "554 5.7.1 …: Sender address rejected"),
    ("late", "ana", Policy, "554 5.7.1 …: Sender address rejected"),
    ("small", "ana", Rejected, "5.3.4"),
    ("tls", "ana", RelayDown, "530 5.7.0 Must issue a STARTTLS command first"),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, int]]]:
    """One Postfix for all verdicts."""
    folder = tmp_path_factory.mktemp("mta")
    try:
        with mta.postfix(folder, SERVICES, {"recipients": RECIPIENTS, "end": AT_THE_END}) as ports:
            yield folder, ports
    except mta.NoServer as why:
        pytest.skip(str(why))


def test_a_real_servers_verdicts_are_whose_they_are(
    server: tuple[Path, dict[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the long form again and again, so that a connection is used after each verdict."""
    folder, ports = server
    monkeypatch.setattr(module, "COMMAND_SECONDS", 1.0)  # the slow one takes longer, but only after the dot
    transports = {name: SmtpTransport(f"smtp://127.0.0.1:{port}?tls=none") for name, port in ports.items()}
    wanted, found, accepted = [], [], []

    for turn in range(amount(1, 5)):
        for service, who, verdict, words in VERDICTS:
            to = who if "@" in who else f"{who}@clinic.example"
            unique = f"<{turn}.{service}.{who.partition('@')[0]}@pharmacy.example>"
            wanted.append((service, who, verdict, True))
            try:
                transports[service].send(
                    delivery_id=1,
                    created_at=datetime(2026, 1, 15, tzinfo=UTC),
                    sender="portal@pharmacy.example",
                    recipient=to,
                    content=wire.head(to=to, message_id=unique, headers={})
                    + b"Subject: Hello\r\n\r\n.Dot first\r\n",
                )
            except DeliveryError as error:
                is_told = words in str(error) and "@clinic" not in str(error)
                found.append((service, who, type(error), is_told or str(error)))
            else:
                accepted.append(unique)
                found.append((service, who, None, True))
    for transport in transports.values():
        transport.close()

    assert found == wanted
    kept = mta.held(folder)
    assert len(kept) == len(accepted), "each once, however slow the server was"
    for unique in accepted:
        assert sum(unique.encode() in each and b".Dot first" in each for each in kept) == 1


@pytest.mark.parametrize("kind", list(KEYS))
def test_our_signature_outlives_a_real_server(
    server: tuple[Path, dict[str, int]], tmp_path: Path, kind: str
) -> None:
    """Long headers, dots at line ends, what mailboxes escape, another alphabet: as the server would hand it on."""
    folder, ports = server
    signer = dkim.read(write_key(tmp_path / "dkim.key", KEYS[kind]))
    to, unique = "ana@clinic.example", f"<signed.{kind}@pharmacy.example>"
    words = ".Señora Núñez:\nFrom here on…\n.\n\n" + "palabra " * 60 + "\n\n\n"
    own = {"List-Unsubscribe": f"<https://pharmacy.example/{'x' * 500}>", "Reply-To": "ask@pharmacy.example"}
    content = wire.head(to=to, message_id=unique, headers=own) + wire.body(
        sender=("Farmacia Núñez, Peña y Compañía: fórmulas magistrales", "portal@pharmacy.example"),
        reply_to="", subject="Más tarde los jueves: " + "é" * 60, at=START, language="es",
        text=words, html=f"<p>{words}</p>", headers={},
    )  # fmt: skip
    names = {"domain": "pharmacy.example", "selector": "mail2026", "at": START}
    signed = dkim.signature(signer, content, **names) + content  # type: ignore[arg-type]
    transport = SmtpTransport(f"smtp://127.0.0.1:{ports['usual']}?tls=none")
    transport.send(
        delivery_id=1, created_at=START, sender="portal@pharmacy.example", recipient=to, content=signed
    )
    transport.close()

    [mail] = [each for each in mta.taken(folder) if unique.encode() in each]
    assert b"\r\nReceived: " in b"\r\n" + mail
    assert Signing(signer).is_good(mail)
    assert not Signing(signer).is_good(mail.replace(b"palabra", b"palabro", 1))
