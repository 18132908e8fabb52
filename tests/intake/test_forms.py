"""Both forms: what is right passes, everything else is refused with a sentence that says what to do."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from html import unescape
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from portal.forms import EMAIL_FORMAT
from portal.intake import fields, forms
from portal.intake.catalogue import CATALOGUE
from portal.npi.number import MESSAGES, MESSAGES_WHEN_OPTIONAL, Fault
from tests.intake.samples import ADDRESS, ANSWERS, how_many, the_request
from tests.pages import Visitor

BOTH = ("consultation", "resource")
ONE_LINE = ("name", "credential", "practice", "phone")
LONG_TEXTS = {"consultation": ("question",), "resource": ("address", "note")}
CHOICES = {
    "consultation": {"state": forms.SELECT_STATE, "contact_method": forms.SELECT_METHOD,
                     "contact_window": forms.SELECT_WINDOW, "topics": forms.SELECT_TOPIC},
    "resource": {"state": forms.SELECT_STATE, "delivery": forms.SELECT_DELIVERY, "items": forms.SELECT_ITEM},
}  # fmt: skip
HIDDEN = re.compile(r'<input name="(csrf_token|form_token)" type="hidden" value="([^"]*)"')
opened: dict[
    str, tuple[dict[str, str], str]
] = {}  # each form's tokens: nothing is stored, so all tests may share them
SUMMARY = re.compile(r'<li><a href="#(\w+?)(?:-0)?">([^<]*)</a></li>')
REQUIRED = {
    "consultation": {
        "name": forms.ENTER_NAME,
        "npi": MESSAGES[Fault.EMPTY],
        "email": forms.ENTER_EMAIL,
        "topics": forms.SELECT_TOPIC,
        "question": forms.ENTER_QUESTION,
        "contact_method": forms.SELECT_METHOD,
    },
    "resource": {
        "name": forms.ENTER_NAME,
        "email": forms.ENTER_EMAIL,
        "items": forms.SELECT_ITEM,
        "delivery": forms.SELECT_DELIVERY,
        "address": forms.ENTER_ADDRESS,  # the sample asks for post
    },
}
LIMITS = {
    "name": ("Your name", 128),
    "credential": ("Credentials", 40),
    "practice": ("Practice", 160),
    "phone": ("Phone", 40),
    "question": ("Your question", 2000),
    "delegate_name": ("Name of the person who asks", 128),
    "address": ("Mailing address of the practice", 400),
    "note": ("Anything we should know", 500),
}


@dataclass(frozen=True)
class Reply:
    """An answer, read quickly: `tests/pages.py` looks at every page closely elsewhere."""

    response: TestResponse

    @property
    def status(self) -> int:
        """The status code."""
        return self.response.status_code

    @property
    def errors(self) -> dict[str, str]:
        """The error summary: field → sentence; each sentence stands beside its field too."""
        text = self.response.text
        found = {name: unescape(words) for name, words in SUMMARY.findall(text)}
        for name in found:
            assert f'id="{name}-e"' in text
        return found


def send(visitor: Visitor, kind: str, **changes: Any) -> Reply:
    """Send the right answers with these changes; None leaves a field out."""
    if kind not in opened:
        page = visitor.get(ADDRESS[kind]).text
        opened[kind] = dict(HIDDEN.findall(page)), visitor.client.get_cookie("form", domain="localhost").value
    tokens, cookie = opened[kind]
    visitor.client.set_cookie("form", cookie, domain="localhost")
    sent = {**tokens, **ANSWERS[kind], **({} if kind == "consultation" else {"confirmed": "1"}), **changes}
    sent = {name: value for name, value in sent.items() if value is not None}
    visitor.clock.tick(5)
    return Reply(visitor.post(ADDRESS[kind], data=sent))


@pytest.fixture
def refuses(app: Flask, visitor: Visitor) -> Callable[..., None]:
    """Send with changes: 422, the sentence in the summary at that field, and no row."""

    def check(kind: str, field: str, sentence: str, **changes: Any) -> None:
        reply = send(visitor, kind, **changes)
        assert reply.status == 422, changes
        assert reply.errors[field] == sentence
        assert how_many(app) == 0

    return check


@pytest.mark.parametrize(("kind", "status"), [("consultation", 200), ("resource", 303)])
def test_right_answers_pass(visitor: Visitor, kind: str, status: int) -> None:
    assert send(visitor, kind).status == status


@pytest.mark.parametrize(("kind", "status"), [("consultation", 200), ("resource", 303)])
def test_what_is_optional_may_be_left_out(visitor: Visitor, kind: str, status: int) -> None:
    left_out = dict.fromkeys(set(ANSWERS[kind]) - set(REQUIRED[kind]))

    assert send(visitor, kind, **left_out).status == status


@pytest.mark.parametrize(("kind", "field"), [(kind, field) for kind in BOTH for field in REQUIRED[kind]])
@pytest.mark.parametrize("value", [None, "", "  \t "], ids=["missing", "empty", "blank"])
def test_what_is_needed_is_asked_for(
    refuses: Callable[..., None], kind: str, field: str, value: str | None
) -> None:
    refuses(kind, field, REQUIRED[kind][field], **{field: value})


@pytest.mark.parametrize(
    ("kind", "field"), [("consultation", "question"), ("consultation", "name"), ("resource", "address")]
)
def test_a_text_that_nobody_can_see_is_empty(refuses: Callable[..., None], kind: str, field: str) -> None:
    refuses(kind, field, REQUIRED[kind][field], **{field: "\u200b"})


def test_an_empty_form_names_every_field_to_fix(visitor: Visitor) -> None:
    page = visitor.open(ADDRESS["consultation"]).press("Continue", status=422)

    assert list(page.errors.values()) == [
        "Select what you need help with",
        "Enter your question",
        "Enter your name",
        "Enter your 10-digit NPI",
        "Enter your work email",
        "Select how we should answer you",
    ]


@pytest.mark.parametrize(
    ("kind", "field"), [(kind, field) for kind in BOTH for field in LIMITS if field in ANSWERS[kind]]
)
def test_what_is_too_long_is_told_its_length(refuses: Callable[..., None], kind: str, field: str) -> None:
    label, limit = LIMITS[field]

    refuses(
        kind,
        field,
        f"{label} must be {limit:,} characters or less. You have {limit + 3:,}",
        **{field: "x" * (limit + 3)},
    )


@pytest.mark.parametrize(
    "value",
    [
        "x" * 250 + "@clinic.example",
        "ana",
        "ana@",
        "a b@clinic.example",
        "ana@clinic.example\r\nBcc: all@clinic.example",
        "ána@clinic.example",
    ],
)
@pytest.mark.parametrize(
    ("kind", "field"), [("consultation", "email"), ("consultation", "delegate_email"), ("resource", "email")]
)
def test_an_email_address_is_one_a_mail_server_takes(
    refuses: Callable[..., None], kind: str, field: str, value: str
) -> None:
    refuses(kind, field, EMAIL_FORMAT, **{field: value})


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ("123456789", Fault.NOT_TEN_DIGITS),
        ("12345678930", Fault.NOT_TEN_DIGITS),
        ("12345A7893", Fault.NOT_TEN_DIGITS),
        ("١٢٣٤٥٦٧٨٩٣", Fault.OTHER_DIGITS),
        ("9" * 5000, Fault.NOT_TEN_DIGITS),
        ("3234567899", Fault.FIRST_DIGIT),
        ("1234567890", Fault.CHECK_DIGIT),
    ],
)
def test_an_npi_with_a_fault_is_refused(refuses: Callable[..., None], value: str, fault: Fault) -> None:
    refuses("consultation", "npi", MESSAGES[fault], npi=value)
    refuses("resource", "npi", MESSAGES_WHEN_OPTIONAL[fault], npi=value)


@pytest.mark.parametrize("kind", BOTH)
def test_what_nobody_can_see_is_dropped_from_every_text_and_refuses_nothing(
    app: Flask, visitor: Visitor, kind: str
) -> None:
    """As it comes from word processors, contact apps and web pages; the rules are `tests/test_text.py`'s."""
    unseen = "\u202da\x07 \u200b\ufeffb\u202e\x00\u202c"
    texts = [*(field for field in ONE_LINE if field != "phone"), *LONG_TEXTS[kind]]
    numbers = {"npi": "\ufeff1234567893\u200b", "phone": "\u202d(925) 555-0142\u202c"}

    page = send(visitor, kind, **numbers, **dict.fromkeys(texts, unseen))

    assert page.status in (200, 303), page.errors
    if kind == "resource":
        request = the_request(app)
        assert {getattr(request, field) for field in texts} == {"a b"}
        assert (request.npi, request.phone) == ("1234567893", "(925) 555-0142")


@pytest.mark.parametrize("kind", BOTH)
def test_a_line_break_is_for_long_texts_only(app: Flask, visitor: Visitor, kind: str) -> None:
    for field in ONE_LINE:
        page = send(visitor, kind, **{field: "two\nlines"})
        assert page.status == 422, field
        assert "must be on one line" in page.errors[field]

    assert how_many(app) == 0


@pytest.mark.parametrize(("kind", "field"), [(kind, field) for kind in BOTH for field in CHOICES[kind]])
@pytest.mark.parametrize("value", ["nonsense", "\x00", "<script>", "x" * 9000])
def test_a_choice_that_is_not_on_the_list_is_refused(
    refuses: Callable[..., None], kind: str, field: str, value: str
) -> None:
    refuses(kind, field, CHOICES[kind][field], **{field: value})


@pytest.mark.parametrize(
    ("kind", "field"),
    [(kind, field) for kind in BOTH for field in ANSWERS[kind] if field not in ("topics", "items")],
)
def test_an_answer_given_twice_is_refused(refuses: Callable[..., None], kind: str, field: str) -> None:
    refuses(kind, field, "Give one answer only", **{field: [str(ANSWERS[kind][field])] * 2})


@pytest.mark.parametrize(
    ("kind", "field", "one"), [("consultation", "topics", "dosing"), ("resource", "items", "opioid-card")]
)
def test_an_option_is_selected_once(refuses: Callable[..., None], kind: str, field: str, one: str) -> None:
    refuses(kind, field, fields.SELECT_ONCE, **{field: [one, one]})
    refuses(kind, field, CHOICES[kind][field], **{field: [one, "nonsense"]})


@pytest.mark.parametrize("field", ["on_behalf", "leave_message"])
def test_a_box_is_ticked_or_not(refuses: Callable[..., None], field: str) -> None:
    refuses("consultation", field, fields.TICK_OR_LEAVE, **{field: "perhaps"})


def test_no_is_never_read_as_a_tick(app: Flask, visitor: Visitor) -> None:
    page = visitor.open(ADDRESS["consultation"]).set(**(ANSWERS["consultation"] | {"leave_message": "no"}))
    page.press("Continue").press("Send my question", status=303)

    assert the_request(app).leave_message is False


@pytest.mark.parametrize(
    "value", ["abc", "12", "555-0100", "555-0100 fax", "tel", "+1", "0" * 30, "\N{ARABIC-INDIC DIGIT ONE}"]
)
@pytest.mark.parametrize("kind", BOTH)
def test_a_phone_number_is_one_that_could_be_called(
    refuses: Callable[..., None], kind: str, value: str
) -> None:
    refuses(kind, "phone", fields.PHONE_FORMAT, phone=value)


@pytest.mark.parametrize(
    "value",
    [
        *("9255550100", "925-555-0100", "(925) 555-0100 x12", "+1 925 555 0100", "+44 20 7946 0958"),
        *("925-555-0100 ext 4", "925-555-0100 option 2", "925-555-0100 (cell)", "925-555-0100 cell"),
    ],
)
def test_a_phone_number_is_taken_as_people_write_it(visitor: Visitor, value: str) -> None:
    reply = send(visitor, "consultation", phone=value)

    assert reply.status == 200
    assert value in reply.response.text


def test_a_call_needs_a_number(refuses: Callable[..., None]) -> None:
    refuses("consultation", "phone", forms.ENTER_PHONE, contact_method="phone", phone="")


def test_asking_for_a_prescriber_needs_to_know_who_asks(refuses: Callable[..., None]) -> None:
    refuses(
        "consultation",
        "delegate_name",
        forms.ENTER_DELEGATE_NAME,
        on_behalf="y",
        delegate_email="kim@clinic.example",
    )
    refuses(
        "consultation", "delegate_email", forms.ENTER_DELEGATE_EMAIL, on_behalf="y", delegate_name="Kim Day"
    )


def test_post_needs_an_address(visitor: Visitor) -> None:
    assert send(visitor, "resource", delivery="post", address="").errors == {"address": forms.ENTER_ADDRESS}
    assert send(visitor, "resource", delivery="email", address="").status == 303


def test_what_was_typed_survives_an_error(visitor: Visitor) -> None:
    page = visitor.open(ADDRESS["consultation"]).set(**ANSWERS["consultation"])
    page = page.set(npi="12 34", state="ca", name="Zoë O’Neill-Ruiz").press("Continue", status=422)

    _, sent = page.data("Continue")
    assert sent["npi"] == ["12 34"]
    assert sent["state"] == ["CA"]
    assert sent["name"] == ["Zoë O’Neill-Ruiz"]
    assert sent["topics"] == ["dosing", "safety"]
    assert [text.strip() for text in sent["question"]] == [ANSWERS["consultation"]["question"]]
    assert sent["phone"] == ["(925) 555-0100 ext. 12"]
    assert sent["leave_message"] == ["y"]
    assert sent["contact_window"] == ["morning"]


def test_the_catalogue_has_one_slug_for_each_thing() -> None:
    slugs = [item.slug for item in CATALOGUE]

    assert len(slugs) == len(set(slugs))
    assert all(len(slug) <= 40 for slug in slugs)
