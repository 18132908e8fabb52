"""The bytes of a mail: what folding must not break."""

from __future__ import annotations

import re
from email import message_from_bytes, policy
from email.utils import getaddresses

import pytest

from config import ROOT
from portal.mail import wire
from portal.mail.letters import Own
from tests.conftest import START

ADDRESS = "portal@pharmacy.example"
LONG = "Linden & Daughters Compounding Pharmacy of San Ramon, Danville and Alamo, Inc."
NAMES = [
    LONG,
    f"{LONG} {LONG}, West",
    'The "Old" Pharmacy, \\Inc.',
    "Farmacia Núñez, Peña y Compañía: fórmulas magistrales, San Ramón (California)",
    "薬局" * 60,
    "@pharmacy",
]


def body(name: str) -> bytes:
    given = {"subject": "Hello", "at": START, "language": "en", "text": "T\n", "html": "<p>T</p>"}
    return wire.body(sender=(name, ADDRESS), reply_to=ADDRESS, headers={}, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", NAMES)
def test_a_sender_is_one_address_whatever_its_name(name: str) -> None:
    """As the compat32 parser reads it too, which splits at a comma outside quotes."""
    content = wire.head(to="a@b.example", message_id="<1@x>", headers={}) + body(name)

    raw = message_from_bytes(content)["From"]
    assert [address for _name, address in getaddresses([raw])] == [ADDRESS]
    [read] = message_from_bytes(content, policy=policy.default)["From"].addresses
    assert read.addr_spec == ADDRESS
    assert read.display_name.replace(" ", "") == name.replace(" ", ""), "this parser adds blanks of its own"
    if name.isascii():
        assert read.display_name == name
        assert len(content.split(b"\r\n From: ".strip())[1].split(b"<")[0].split(b"\r\n")) <= 2
    for line in content.split(b"\r\n"):
        assert len(line) < 990
        assert name.isascii() or len(line) <= 76


def test_no_address_is_folded() -> None:
    long = f"{'a' * 64}@{'b' * 60}.{'c' * 60}.example"
    content = wire.head(
        to=long, message_id=f"<1@{'d' * 150}>", headers={"List-Unsubscribe": f"<https://x/{'e' * 300}>"}
    )

    assert [line.partition(b": ")[2].decode() for line in content.splitlines()] == [
        long,
        f"<1@{'d' * 150}>",
        f"<https://x/{'e' * 300}>",
    ]


@pytest.mark.parametrize(
    ("body", "sent"),
    [
        (b"a\n.b\rc\r\n", b"a\r\n.b\r\nc\r\n"),
        (b"a\r.b", b"a\r\n.b"),
        (b"\n\r.a\r\n", b"\r\n\r\n.a\r\n"),
        (b"a\r\n.b\r\n", b"a\r\n.b\r\n"),
    ],
)
def test_every_line_end_is_crlf_whichever_way_a_mail_is_made(body: bytes, sent: bytes) -> None:
    """A bare one may end a mail for the next server."""
    own = Own(headers={}, words={"never there": "not in here."[:11]})
    told = {"to": "b@b.example", "message_id": "<1@x>"}

    assert wire.whole(body, **told, headers=None) == sent
    for one in (None, own):
        assert wire.whole(body, **told, headers={}, own=one).partition(b"<1@x>\r\n")[2] == sent


def test_words_are_exchanged_wherever_a_line_is_broken() -> None:
    body = b"x abc=\r\ndef y 12=\r\n3=\r\n456 z abcdef 123456"

    made = wire.merge(body, {"abcdef": "ABCDEF", "123456": "!@#$%^"})

    assert made == b"x ABC=\r\nDEF y !@=\r\n#=\r\n$%^ z ABCDEF !@#$%^"
    with pytest.raises(ValueError, match="another length"):
        wire.merge(body, {"abcdef": "A"})


@pytest.mark.parametrize("value", ["a\r\nBcc: x@y", "a\nb"])
def test_a_value_cannot_bring_a_header(value: str) -> None:
    with pytest.raises(ValueError, match="line end"):
        wire.head(to="a@b.example", message_id="<1@x>", headers={"List-Id": value})


def test_every_mail_holds_each_link_once_in_each_part() -> None:
    """Spam filters count them: an odd sum scores (URI_COUNT_ODD of rspamd). And nothing is hidden in any."""
    folder = ROOT / "templates" / "mail"
    for plain in folder.rglob("*.txt"):
        if plain.name.endswith(".subject.txt"):
            continue
        links = re.findall(r"\blink\(", plain.read_text("utf-8"))
        html = plain.with_suffix(".html").read_text("utf-8")
        assert len(re.findall(r"\blink\(", html)) == len(links), plain.name
        assert "display:none" not in html and "block preview" not in html
