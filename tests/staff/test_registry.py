"""What staff see of the national registry, and what they do to be surer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date

import pytest
from flask import Flask

from portal.clock import now
from portal.db import db
from portal.desk.filters import Filters
from portal.intake import checks
from portal.intake.models import Message
from portal.npi.boards import look_ups
from portal.npi.names import Registered
from portal.npi.verdicts import SENTENCES, WORDS, Answer, Provider, Verdict, phone_in_words, profession
from portal.staff import provider
from tests.staff.conftest import Colleague

ANA = Provider(
    npi="1234567893",
    names=Registered("RUIZ", "ANA", other_last="LOPEZ"),
    credential="N.P.",
    taxonomies=("363LF0000X",),
    states=("CA",),
    phone="9255550142",
)
SignedIn = Callable[..., Colleague]
Ask = Callable[..., str]


def check(app: Flask, known: Provider | None = ANA, as_of: date | None = date(2026, 11, 8)) -> None:
    with app.app_context():
        checks.check_new(lambda _npi, _again: Answer(known, as_of, "npi.zip"), now())


def hidden(colleague: Colleague, reference: str) -> dict[str, str]:
    """What the page's form carries, unseen."""
    form = colleague.open(f"/staff/requests/{reference}").soup.find("form", id="work")
    return {field["name"]: field["value"] for field in form.find_all("input")}


def aside(colleague: Colleague, reference: str) -> str:
    found = colleague.open(f"/staff/requests/{reference}").soup.find("aside")
    return " ".join(found.get_text(" ").split())


def test_the_page_says_the_verdict_what_it_rests_on_and_the_day(
    app: Flask, ask: Ask, signed_in: SignedIn
) -> None:
    reference, ada = ask(), signed_in("pharmacist")
    assert "It is being checked. Reload this page" in aside(ada, reference)

    check(app)

    shown = aside(ada, reference)
    for words in (
        "Match",
        "Number, name and profession agree with the registry.",
        "Registered name ANA RUIZ Other name ANA LOPEZ Credential N.P. Profession nurse practitioner States CA",
        "Registry as of November 8, 2026 (npi.zip), checked",
        "Call back (925) 555-0142",
        "search.dca.ca.gov",
    ):
        assert words in shown, words


def test_a_withdrawn_number_says_since_when_and_what_replaced_it(
    app: Flask, ask: Ask, signed_in: SignedIn
) -> None:
    reference = ask()
    gone = {"deactivated": "2026-01-12", "reactivated": "2025-03-04", "replacement": "1993999998"}
    check(app, replace(ANA, **gone))

    shown = aside(signed_in("desk"), reference)

    for words in (
        "The registry has withdrawn this NPI. It names 1993999998 as the number that replaced it.",
        "Withdrawn January 12, 2026 Given back March 4, 2025 Replaced by 1993999998",
    ):
        assert words in shown, words


def test_all_reasons_are_listed(app: Flask, ask: Ask, signed_in: SignedIn) -> None:
    reference = ask(name="Anita Lopez", state="NV", credential="MD")
    check(app)

    shown = aside(signed_in("desk"), reference)

    reasons = (Verdict.NAME_DIFFERS, Verdict.CREDENTIAL_DIFFERS, Verdict.STATE_DIFFERS)
    assert shown.index("Name differs") < shown.index(SENTENCES[reasons[0]])
    assert all(SENTENCES[reason] in shown for reason in reasons)


def test_the_list_shows_the_verdict_and_is_filtered_by_it(app: Flask, ask: Ask, signed_in: SignedIn) -> None:
    match, ada = ask(), signed_in("pharmacist")
    check(app)
    differs = ask(name="Roe Doe")
    check(app)
    ask("resource")

    page = ada.open("/staff/requests").text
    assert WORDS[Verdict.MATCH] in page and SENTENCES[Verdict.NAME_DIFFERS] in page and "No NPI" in page

    page = ada.open("/staff/requests?verdict=name_differs").text
    assert differs in page and match not in page
    assert "Registry: Name differs" in page
    assert "not understood" in ada.open("/staff/requests?verdict=bad").text
    assert Filters.parse({"verdict": "match"}).args() == {"verdict": "match"}


def test_a_call_back_is_kept_with_name_number_and_note(app: Flask, ask: Ask, signed_in: SignedIn) -> None:
    reference, dee = ask(), signed_in("desk", "Dee Ramos")
    check(app)
    fields = hidden(dee, reference)
    assert fields["call-back-number"] == "9255550142"

    empty = dee.post(f"/staff/requests/{reference}/call-back", fields)
    assert empty.status_code == 422 and "Write whom you reached" in empty.get_data(as_text=True)
    words = {**fields, "call-back-text": "The front desk says yes, she sent it."}
    for _ in range(2):  # a double press is one call
        assert dee.post(f"/staff/requests/{reference}/call-back", words).status_code == 303

    with app.app_context():
        (note,) = db.session.scalars(db.select(Message))
        assert (note.kind, note.author_name) == ("note", "Dee Ramos")
        assert note.text == (
            "Called (925) 555-0142, the registry's number for this NPI.\n\nThe front desk says yes, she sent it."
        )
    assert "Called back by Dee Ramos" in aside(dee, reference)
    assert f"{reference}" in aside(dee, ask())  # whoever asks next with that NPI


def test_what_staff_found_out_counts_for_a_year(app: Flask, ask: Ask, signed_in: SignedIn) -> None:
    reference, ada = ask(), signed_in("pharmacist", "Ada Okafor")
    check(app)
    fields = hidden(ada, reference)
    sent = ada.post(f"/staff/requests/{reference}/license", {**fields, "license-text": "Active until 2027."})
    assert sent.status_code == 303
    assert "License looked up by Ada Okafor" in aside(ada, reference)

    with app.app_context():
        asked = db.session.scalars(db.select(checks.Request)).one()
        assert provider.Registry(asked, now()).proofs
        assert not provider.Registry(asked, now() + provider.HOLDS).proofs


@pytest.mark.parametrize(
    ("states", "taxonomies", "hosts"),
    [
        (("CA",), ("207Q00000X",), ["search.dca.ca.gov", "www.docinfo.org"]),
        (("NV",), ("363LF0000X",), ["www.nursys.com"]),
        (("", "CA"), ("1223G0001X",), ["search.dca.ca.gov"]),
        (("TX",), (), ["www.docinfo.org"]),
    ],
)
def test_where_a_license_is_looked_up(
    states: tuple[str, ...], taxonomies: tuple[str, ...], hosts: list[str]
) -> None:
    assert [place.address.split("/")[2] for place in look_ups(states, taxonomies)] == hosts


def test_words_for_numbers_and_professions() -> None:
    assert [phone_in_words(number) for number in ("9255550142", "+44 20", "")] == [
        "(925) 555-0142",
        "+44 20",
        "",
    ]
    assert [profession(code) for code in ("207Q00000X", "111N00000X", "3747P1801X")] == [
        "physician",
        "chiropractor",
        "other (3747P1801X)",
    ]
