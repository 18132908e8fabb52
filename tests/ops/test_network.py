"""What `flask doctor --network` makes of what DNS, the relay and our own address say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask

from portal.mail import dkim
from portal.ops import network
from tests.live import free_port
from tests.mail.test_dkim import KEYS, write_key

Answers = dict[tuple[str, str], list[str]]
TXT = ("pharmacy.example", "TXT")
DMARC = ("_dmarc.pharmacy.example", "TXT")
MX = ("pharmacy.example", "MX")


@pytest.fixture
def sender(app: Flask, change_settings: Callable[..., None]) -> Flask:
    change_settings(MAIL_FROM="portal@pharmacy.example", REPLY_TO="ask@pharmacy.example")
    return app


@pytest.mark.parametrize(
    ("check", "answers", "ok", "said"),
    [
        (network.spf, {TXT: ["x", "v=spf1 include:relay.example -all"]}, True, "include:relay.example"),
        (network.spf, {TXT: ["v=spf10 -all"]}, False, "no SPF record"),
        (network.spf, {TXT: ["v=spf1 -all", "V=SPF1 ~all"]}, False, "2 SPF records"),
        (network.spf, {TXT: ["v=spf1 a +all"]}, False, "lets everybody send"),
        (network.dmarc, {DMARC: ["v=DMARC1; p=reject"]}, True, "p=reject"),
        (network.dmarc, {DMARC: ["v=DMARC2; p=reject"]}, False, "no DMARC record"),
        (network.dmarc, {}, False, "no DMARC record"),
        (network.dkim, {}, False, "the portal does not sign"),
        (network.replies, {MX: ["10 mx.pharmacy.example."]}, True, "takes mail"),
        (network.replies, {MX: ["0 ."]}, False, "takes no mail"),  # RFC 7505
        (network.replies, {}, False, "takes no mail"),
    ],
)
def test_what_dns_says_is_judged(
    sender: Flask, check: Callable[..., network.Finding], answers: Answers, ok: bool, said: str
) -> None:
    with sender.app_context():
        found = check(lambda name, kind: answers.get((name, kind), []))
    assert (found.ok, said in found.detail) == (ok, True), found
    assert ok or found.remedy


def test_the_domain_above_may_say_it(sender: Flask, change_settings: Callable[..., None]) -> None:
    change_settings(MAIL_FROM="portal@news.pharmacy.example")
    with sender.app_context():
        assert network.dmarc(lambda name, kind: ["v=DMARC1; p=none"] if name == DMARC[0] else []).ok


def test_a_resolver_that_does_not_answer_is_no_verdict_on_the_domain(sender: Flask) -> None:
    def silent(_name: str, _kind: str) -> list[str]:
        raise OSError("LifetimeTimeout")

    with sender.app_context():
        for check in (network.spf, network.dmarc, network.replies):
            assert "nobody answered (LifetimeTimeout)" in check(silent).detail


def test_a_relay_or_an_address_that_nobody_is_at_is_told(
    sender: Flask, change_settings: Callable[..., None]
) -> None:
    change_settings(
        SMTP_URL=f"smtp://127.0.0.1:{free_port()}?tls=none", BASE_URL=f"https://127.0.0.1:{free_port()}"
    )
    with sender.app_context():
        assert "ConnectionRefusedError" in network.relay().detail
        assert "ConnectionRefusedError" in network.certificate().detail


def test_nobody_is_asked_unless_it_is_wanted(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    checks = tuple(
        lambda name=name: asked.append(name) or network.Finding(name, True, "well", serving=False)  # type: ignore[misc]
        for name in ("spf", "relay")
    )
    monkeypatch.setattr(network, "ALL", checks)

    app.test_cli_runner().invoke(args=["doctor"])
    assert asked == []
    assert "spf" in app.test_cli_runner().invoke(args=["doctor", "--network"]).output
    assert asked == ["spf", "relay"]


@pytest.mark.parametrize(
    ("published", "ok", "said"),
    [
        ([], False, "no key"),
        (["v=DKIM1; k=ed25519; p={key}"], True, "is ours"),
        (["v=DKIM1;p={key}; k=ed25519;"], True, "is ours"),
        (["v=DKIM1; k=ed25519; p=x{key}"], False, "not that of DKIM_KEY_FILE"),
        (["v=DKIM1; k=ed25519; p="], False, "not that of DKIM_KEY_FILE"),  # revoked (RFC 6376, 3.6.1)
        (["p={key}", "p=x"], False, "2 keys"),
    ],
)
def test_the_published_key_is_held_against_the_one_that_signs(
    sender: Flask,
    change_settings: Callable[..., None],
    tmp_path: Path,
    published: list[str],
    ok: bool,
    said: str,
) -> None:
    path = write_key(tmp_path / "dkim.key", KEYS["ed25519"])
    change_settings(
        MAIL_FROM="portal@pharmacy.example",
        DKIM_KEY_FILE=path,
        DKIM_SELECTOR="m",
        DKIM_DOMAIN="pharmacy.example",
    )
    key = dkim.read(path).public
    records = {"m._domainkey.pharmacy.example": [text.format(key=key) for text in published]}
    with sender.app_context():
        found = network.dkim(lambda name, _kind: records.get(name, []))
    assert (found.ok, said in found.detail) == (ok, True), found
    assert ok or f"v=DKIM1; k=ed25519; p={key}" in found.remedy
