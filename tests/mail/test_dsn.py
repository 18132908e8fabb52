"""What a mail that came back says: what six servers wrote, and what none may bring down (N29, N30, N32)."""

from __future__ import annotations

from pathlib import Path

import pytest

from portal.mail import dsn
from portal.mail.dsn import Kind

CORPUS = Path(__file__).parent / "returned"
# What each must be read as; two where the server does not say whether a domain's name is gone for good.
VERDICTS = {
    "courier-host-down-expired": "soft",
    "courier-mailbox-disabled-failed": "hard",
    "courier-mailbox-full-after-data-failed": "soft",
    "courier-mailbox-full-failed": "soft",
    "courier-no-such-domain-failed": "hard or soft",
    "courier-relay-denied-failed": "policy",
    "courier-user-unknown-failed": "hard",
    "courier-user-unknown-no-code-failed": "hard",
    "dma-no-such-domain-failed": "hard or soft",
    "dma-relay-denied-failed": "policy",
    "exim-local-user-unknown-failed": "hard",
    "exim-mailbox-full-4yz-warning": "delayed",
    "exim-mailbox-full-after-data-failed": "soft",
    "exim-mailbox-full-failed": "soft",
    "exim-no-such-domain-failed": "hard or soft",
    "exim-refused-as-spam-after-data-failed": "policy",
    "exim-user-unknown-failed": "hard",
    "exim-user-unknown-many-lines-failed": "hard",
    "opensmtpd-host-down-warning": "delayed",
    "opensmtpd-mailbox-disabled-failed": "hard",
    "opensmtpd-mailbox-full-4yz-expired": "soft",
    "opensmtpd-mailbox-full-after-data-failed": "soft",
    "opensmtpd-no-such-domain-failed": "hard or soft",
    "opensmtpd-relay-denied-failed": "policy",
    "opensmtpd-user-unknown-failed": "hard",
    "opensmtpd-user-unknown-no-code-failed": "hard",
    "pigeonhole-vacation-autoreply": "auto_reply",
    "postfix-host-down-expired": "soft",
    "postfix-host-down-warning": "delayed",
    "postfix-mailbox-disabled-failed": "hard",
    "postfix-mailbox-full-4yz-warning": "delayed",
    "postfix-mailbox-full-after-data-failed": "soft",
    "postfix-mailbox-full-failed": "soft",
    "postfix-no-such-domain-failed": "hard or soft",
    "postfix-refused-as-spam-after-data-failed": "policy",
    "postfix-user-unknown-many-lines-failed": "hard",
    "postfix-user-unknown-no-code-failed": "hard",
    "sendmail-mailbox-disabled-failed": "hard",
    "sendmail-mailbox-full-4yz-expired": "soft",
    "sendmail-mailbox-full-after-data-failed": "soft",
    "sendmail-mailbox-full-failed": "soft",
    "sendmail-no-such-domain-failed": "hard or soft",
    "sendmail-refused-as-spam-after-data-failed": "policy",
    "sendmail-relay-denied-failed": "policy",
    "sendmail-user-unknown-failed": "hard",
    "sendmail-user-unknown-many-lines-failed": "hard",
}


def report(body: str, kind: str = "delivery-status", **headers: str) -> bytes:
    """A report with one part of that kind."""
    head = "".join(f"{name.replace('_', '-')}: {value}\n" for name, value in headers.items())
    return (
        f"From: MAILER-DAEMON@relay.example\nTo: b+q.abcdefgh@back.example\nMIME-Version: 1.0\n{head}"
        f'Content-Type: multipart/report; boundary="b"\n\n--b\nContent-Type: text/plain\n\nSorry.\n'
        f"--b\nContent-Type: message/{kind}\n\n{body}\n--b--\n"
    ).encode()


def failed(diagnostic: str, status: str = "5.0.0", action: str = "failed") -> bytes:
    """A delivery status with these words."""
    said = f"Diagnostic-Code: smtp; {diagnostic}\n" if diagnostic else ""
    block = f"Final-Recipient: rfc822; ana@a.example\nAction: {action}\nStatus: {status}\n{said}"
    return report(f"Reporting-MTA: dns; relay.example\n\n{block}")


def test_the_table_names_every_file_of_the_corpus() -> None:
    assert {path.stem for path in CORPUS.glob("*.eml")} == set(VERDICTS)


@pytest.mark.parametrize(("name", "verdict"), VERDICTS.items())
def test_each_of_the_corpus_is_read_right(name: str, verdict: str) -> None:
    judged = dsn.judge((CORPUS / f"{name}.eml").read_bytes())

    assert judged.kind in verdict.split(" or ")
    assert any(address.endswith("@back.example") for address in judged.to)
    assert "@" not in judged.said


@pytest.mark.parametrize(
    ("raw", "kind", "code"),
    [
        (failed("550 5.1.1 unknown"), Kind.HARD, "5.1.1"),
        (failed("550 5.1.10 null MX"), Kind.HARD, "5.1.10"),
        (failed("550 unknown [192.0.2.10] 5.127.0.1"), Kind.HARD, "550"),
        (failed("", "5.1.1"), Kind.HARD, "5.1.1"),
        (failed("552 5.2.2 full"), Kind.SOFT, "5.2.2"),
        (failed("550 5.7.1 spam"), Kind.POLICY, "5.7.1"),
        (failed("451 4.7.1 greylisted for ever"), Kind.POLICY, "4.7.1"),
        (failed("552 5.3.4 too big"), Kind.POLICY, "5.3.4"),
        (failed("550 blocked by our policy"), Kind.POLICY, "550"),
        (failed("", "4.4.7", "delayed"), Kind.SOFT, "4.4.7"),
        (failed("452 4.2.2 full", "4.2.2", "delayed"), Kind.DELAYED, "4.2.2"),
        (failed("250 2.0.0 ok", "2.0.0", "delivered"), Kind.UNKNOWN, ""),
        (failed("550 5.1.1 unknown").replace(b"message/delivery", b"message/global-delivery"), Kind.HARD, "5.1.1"),
        (report("Feedback-Type: abuse\nVersion: 1", "feedback-report"), Kind.COMPLAINT, ""),
        (report("Feedback-Type: not-spam\nVersion: 1", "feedback-report"), Kind.UNKNOWN, ""),
        (b"From: a@b.example\nX-Failed-Recipients: c@d.example\n\n550 5.1.1 no such user\n", Kind.HARD, "5.1.1"),
        (b"From: a@b.example\nSubject: Re: News\n\nI am away; call 550 1234.\n", Kind.AUTO_REPLY, ""),
        (b"From: a@b.example\nSubject: Unsubscribe\n\n\n", Kind.UNSUBSCRIBE, ""),
        (b"", Kind.UNKNOWN, ""),
        (b"\x00\xff\xfe" * 50, Kind.UNKNOWN, ""),
        (report("nothing that is a field"), Kind.UNKNOWN, ""),
        (b"x" * (dsn.MOST_BYTES + 1), Kind.UNKNOWN, ""),
    ],
)  # fmt: skip
def test_other_forms(raw: bytes, kind: Kind, code: str) -> None:
    judged = dsn.judge(raw)

    assert (judged.kind, judged.code) == (kind, code)


@pytest.mark.parametrize("kind", ["message/rfc822", "multipart/mixed"])
def test_what_is_nested_too_deep_is_not_understood(kind: str) -> None:
    raw = failed("550 5.1.1 unknown")
    for n in range(10):
        boundary = f"c{n}"
        kept = f'{kind}; boundary="{boundary}"' if kind.startswith("multi") else kind
        inner = b"--%s\n%s\n--%s--\n" % (boundary.encode(), raw, boundary.encode())
        raw = f"From: a@b.example\nContent-Type: {kept}\n\n".encode() + (inner if "multi" in kind else raw)

    assert dsn.judge(raw).kind == Kind.UNKNOWN


def test_a_mail_of_nothing_but_parts_takes_no_time() -> None:
    deep = b"".join(b'Content-Type: multipart/mixed; boundary="%d"\n\n--%d\n' % (n, n) for n in range(20_000))

    assert dsn.judge(deep[: dsn.MOST_BYTES]).kind == Kind.UNKNOWN
