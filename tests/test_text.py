"""The one door for typed text: what it refuses, what it keeps, and that it says why."""

import unicodedata
from types import SimpleNamespace
from urllib.parse import quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portal.text import TextFault, bare, check, email_address, is_utf8_form

# Every code point there is, lone surrogates too.
ANY_CHARACTER = st.characters(exclude_categories=())
ANY_TEXT = st.text(ANY_CHARACTER, max_size=60)


@pytest.mark.parametrize(
    "value",
    [
        "Siobhán O'Neill-Muñoz",
        "Nguyễn Thị Ánh",
        "4.5 mg × 7 days, 20 °C ± 10 %",
        "👩\u200d⚕️ 🇺🇸 ✔️",
        "می\u200cخواهم",
        "محمد",
        "“quotes” — dashes…",
        "<script>alert('{{7*7}}')</script>",
        "100 % of %00 and %253C",
    ],
)
def test_honest_text_is_kept(value: str) -> None:
    assert check(value, max_length=100) == unicodedata.normalize("NFC", value)


@pytest.mark.parametrize(
    ("value", "cleaned"),
    [
        ("  Ada \t\n", "Ada"),
        ("\u00a0Ada\u200b\ufeff", "Ada"),
        ("e\u0301", "é"),
        ("", ""),
        (" \t ", ""),
        ("\u200b\u200d\u2060", ""),
        ("\u3164", ""),
        ("\u0301", ""),
    ],
)
def test_text_is_trimmed_composed_and_empty_when_nothing_can_be_seen(value: str, cleaned: str) -> None:
    assert check(value, max_length=10) == cleaned


def test_line_endings_become_one_kind() -> None:
    value = "one\r\ntwo\rthree\u2028four\u2029five\n\tsix"

    assert check(value, max_length=100, multiline=True) == "one\ntwo\nthree\nfour\nfive\n\tsix"


@pytest.mark.parametrize("value", ["a\nb", "a\r\nBcc: b", "a\rb"])
def test_a_line_break_in_a_single_line_says_what_to_do(value: str) -> None:
    with pytest.raises(TextFault) as refusal:
        check(value, max_length=100)

    assert str(refusal.value) == "must be on one line. Remove the line break"


MEANINGLESS = (
    "\x00\x01\x02\x08\x0e\x1b\x1f\x7f\x80\x84\x86\x9f"
    "\u00ad\u200b\u2060\ufeff\u180e\u206a\ufff9\ufffc"
    "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
    "\ufdd0\ufdef\ufffe\uffff\U0001fffe\U0010ffff"
)


@pytest.mark.parametrize("multiline", [False, True])
def test_what_has_no_meaning_is_dropped_and_refuses_nothing(multiline: bool) -> None:
    for character in MEANINGLESS:
        for value in (f"a{character}b", f"{character}ab", f"ab{character}"):
            assert check(value, max_length=2, multiline=multiline) == "ab", f"U+{ord(character):04X}"
        assert check(character, max_length=1, multiline=multiline) == ""


JOINERS = (
    "\u034f\u115f\u17b5\u180b\u200c\u200d\u2800\u3164\ufe00\ufe0f\uffa0\ufff0\U0001d173\U000e0001\U000e0fff"
)


@pytest.mark.parametrize("character", [*JOINERS, *"\u00ad\u200b\u202d\ufeff"])
def test_a_number_or_a_code_holds_nothing_that_nobody_sees(character: str) -> None:
    assert bare(f"{character}1{character}2{character}") == "12"
    assert email_address(f"ana{character}@mail{character}.example{character}") == "ana@mail.example"


@pytest.mark.parametrize("character", "\x0b\x0c\x85\u2028\u2029")
def test_what_stands_for_a_line_break_becomes_one_or_a_blank(character: str) -> None:
    assert check(f"a{character}b", max_length=3, multiline=True) == "a\nb"
    assert check(f"a{character}b", max_length=3) == "a b"


@pytest.mark.parametrize("character", "\u00a0\u1680\u2000\u2007\u2009\u200a\u202f\u205f\u3000")
def test_what_stands_for_a_blank_becomes_one(character: str) -> None:
    for multiline in (False, True):
        assert check(f"a{character}b", max_length=3, multiline=multiline) == "a b"


def test_a_tab_is_kept_in_many_lines_and_a_blank_in_one() -> None:
    assert check("a\tb", max_length=3, multiline=True) == "a\tb"
    assert check("a\tb", max_length=3) == "a b"


@pytest.mark.parametrize("character", "\ud800\udbff\udc00\udfff")
def test_half_a_character_is_refused(character: str) -> None:
    with pytest.raises(TextFault, match=f"cannot be stored .U.{ord(character):04X}"):
        check(f"a{character}b", max_length=3)


def test_a_pasted_telephone_number_is_what_one_sees() -> None:
    assert check("\u202d(925) 555-0142\u202c", max_length=40) == "(925) 555-0142"


def test_too_long_counts_for_the_writer() -> None:
    with pytest.raises(TextFault) as refusal:
        check("x" * 2_140, max_length=2_000, multiline=True)

    assert str(refusal.value) == "must be 2,000 characters or less. You have 2,140"


def test_length_is_counted_after_composing_and_trimming() -> None:
    assert check(" " * 9 + "e\u0301" * 10 + " " * 9, max_length=10) == "é" * 10
    assert check("\u1f82", max_length=1) == check("\u03b1\u0313\u0300\u0345", max_length=1)
    with pytest.raises(TextFault, match="You have 11"):
        check("e\u0301" * 11, max_length=10)


def test_no_character_decomposes_into_more_than_four() -> None:
    """The bound that lets far too long a text be refused before it is composed."""
    longest = max(len(unicodedata.normalize("NFD", chr(code))) for code in range(0x1F00, 0x2000))

    assert longest == 4


def test_a_long_run_of_accents_is_refused_before_it_is_composed(monkeypatch: pytest.MonkeyPatch) -> None:
    def composed(form: str, text: str) -> str:
        raise AssertionError("composing takes quadratic time")

    monkeypatch.setattr("portal.text.unicodedata", SimpleNamespace(normalize=composed))

    with pytest.raises(TextFault, match="must be 100 characters or less"):
        check("a" + "\u0301\u0316" * 50_000, max_length=100)


@settings(deadline=None, max_examples=400)
@given(value=ANY_TEXT, multiline=st.booleans(), max_length=st.integers(1, 80))
def test_any_text_is_either_refused_or_fit_to_store(value: str, multiline: bool, max_length: int) -> None:
    try:
        cleaned = check(value, max_length=max_length, multiline=multiline)
    except TextFault:
        return

    assert len(cleaned) <= max_length
    assert unicodedata.is_normalized("NFC", cleaned)
    assert cleaned.encode("utf-8").decode("utf-8") == cleaned
    assert cleaned == cleaned.strip()
    assert check(cleaned, max_length=max_length, multiline=multiline) == cleaned
    allowed = "\n\t" if multiline else ""
    assert not [c for c in cleaned if unicodedata.category(c) in ("Cc", "Cs") and c not in allowed]
    assert not [c for c in cleaned if unicodedata.bidirectional(c) in _BIDI_CLASSES]
    assert not [c for c in cleaned if ord(c) & 0xFFFE == 0xFFFE or 0xFDD0 <= ord(c) <= 0xFDEF]


_BIDI_CLASSES = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")


@settings(deadline=None)
@given(value=st.text(st.characters(categories=("L", "N", "P", "S")), max_size=40))
def test_letters_numbers_and_signs_are_always_kept(value: str) -> None:
    expected = unicodedata.normalize("NFC", value)

    assert check(value, max_length=200) in (expected, "")
    assert check(f"x{value}x", max_length=200) == unicodedata.normalize("NFC", f"x{value}x")


@pytest.mark.parametrize(
    ("body", "is_utf8"),
    [
        (b"", True),
        (b"name=Ada+Lovelace&state=CA", True),
        (b"name=Mu%C3%B1oz", True),
        ("name=Muñoz".encode(), True),
        (b"name=100%&b=%zz", True),
        (b"name=%253C", True),
        (b"name=Mu%F1oz", False),
        (b"name=Mu\xf1oz", False),
        (b"name=%C3&b=%B1", False),
        (b"name=%C0%AF", False),
        (b"name=%ED%A0%80", False),
        (b"name=%F5%80%80%80", False),
        (b"%ff=1", False),
    ],
)
def test_a_form_body_is_utf8_or_not(body: bytes, is_utf8: bool) -> None:
    assert is_utf8_form(body) is is_utf8


@given(value=st.text(max_size=60))
def test_whatever_a_browser_encodes_is_utf8(value: str) -> None:
    assert is_utf8_form(f"name={quote_plus(value)}".encode())


@given(body=st.binary(max_size=40))
def test_raw_bytes_agree_with_the_decoder(body: bytes) -> None:
    raw = body.replace(b"%", b"")
    try:
        raw.decode("utf-8")
        expected = True
    except UnicodeDecodeError:
        expected = False

    assert is_utf8_form(raw) is expected


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("Ana@Peña.es", "Ana@xn--pea-8ma.es"),
        ("ana@faß.de", "ana@xn--fa-hia.de"),
        (" \u200bana@Clinic.EXAMPLE\u202c ", "ana@clinic.example"),
        ("o'brien+ldn=x@clinic.example", "o'brien+ldn=x@clinic.example"),
    ],
)
def test_an_address_is_kept_as_mail_servers_take_it(typed: str, kept: str) -> None:
    assert email_address(typed) == kept


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "ana",
        "a@b@clinic.example",
        "peña@clinic.example",
        "=?utf-8?q?ana?=@clinic.example",
        "ana=?x@clinic.example",
        "Ana <ana@clinic.example>",
        "ana@clinic.example\nbcc: x@y.example",
        "ana@[127.0.0.1]",
        f"{'a' * 65}@clinic.example",
    ],
)
def test_what_no_mail_server_is_sure_to_take_is_no_address(typed: str) -> None:
    with pytest.raises(TextFault):
        email_address(typed)
