"""What `flask doctor --network` makes of what DNS, the relay and our own address say."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask

from portal.ops import network
from tests.live import free_port

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
