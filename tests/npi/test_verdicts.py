"""What is said of a name, a credential and a state; the names are the table in docs/registry.md."""

from datetime import date
from pathlib import Path

import pytest

from portal.npi.names import Registered
from portal.npi.verdicts import SENTENCES, Provider, Typed, Verdict, credentials, judge

DAY = date(2026, 11, 8)
TABLE = (
    (Path(__file__).parents[2] / "docs" / "registry.md").read_text().split("| Typed |")[1].splitlines()[2:]
)
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in TABLE if line.startswith("|")]
JANE = Registered("DOE", "JANE")


def person(names: Registered = JANE, **given: object) -> Provider:
    return Provider(npi="1234567893", names=names, **{"taxonomies": ("207Q00000X",), **given})  # type: ignore[arg-type]


def test_the_table_is_long_enough() -> None:
    assert len(ROWS) >= 60


@pytest.mark.parametrize(("typed", "registered", "verdict"), ROWS)
def test_a_name(typed: str, registered: str, verdict: str) -> None:
    last, first, *rest = (part.strip() for part in registered.split(";"))
    found = judge(Typed(typed), person(Registered(last, first, *rest)), DAY)
    assert " ".join(filter(None, [found.headline, found.close])) == verdict


@pytest.mark.parametrize(
    ("known", "reasons"),
    [
        (person(), "match"),
        (None, "not_found"),
        (person(deactivated="2024-01-02"), "deactivated"),
        (person(deactivated="2024-01-02", reactivated="2024-01-02"), "match"),
        (person(deactivated="2024-01-02", reactivated="2023-01-02"), "deactivated"),
        (person(Registered("", ""), taxonomies=(), deactivated="2024-01-02"), "deactivated"),
        (person(Registered("", ""), organisation="EXAMPLE CLINIC"), "organisation"),
        (person(taxonomies=("111N00000X",)), "not_prescriber"),
        (person(taxonomies=()), "not_prescriber"),
        (person(taxonomies=("175F00000X",)), "limited_scope"),
        (person(taxonomies=("390200000X",)), "limited_scope"),
        (person(taxonomies=("111N00000X", "363LF0000X")), "match"),
        (person(credential="D.O."), "credential_differs"),
        (person(credential="MD, MPH"), "match"),
        (person(states=("NV", "OR")), "state_differs"),
        (person(states=("NV", "CA")), "match"),
        (person(Registered("ROE", "JO"), credential="PA-C", states=("NV",), taxonomies=("122300000X",)),
         "name_differs limited_scope credential_differs state_differs"),
        (person(deactivated="2024-01-02", credential="NP"), "deactivated credential_differs"),
    ],
)  # fmt: skip
def test_all_reasons_the_most_serious_first(known: Provider | None, reasons: str) -> None:
    found = judge(Typed("Jane Doe", "M.D.", "ca"), known, DAY)
    assert " ".join(found.reasons) == reasons
    assert found.headline == found.reasons[0]
    assert found.as_of == DAY


def test_without_an_index_nobody_was_asked() -> None:
    assert judge(Typed("Jane Doe"), None, None).headline is Verdict.UNCHECKED


def test_every_verdict_has_its_sentence_and_names_the_number_that_replaced_it() -> None:
    assert set(SENTENCES) == set(Verdict)
    gone = person(deactivated="2024-01-02", replacement="1993999998")
    assert judge(Typed("Jane Doe"), gone, DAY).sentence.endswith(
        "names 1993999998 as the number that replaced it."
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [("M.D.", "md"), ("M D", "MD"), ("MD, PhD", "M.D."), ("FNP-BC", "NP"), ("APRN", "DNP, FNP-C"), ("PA-C", "P.A."),
     ("DDS", "DMD"), ("MBBS", "MD"), ("P A - C", "PA"), ("MD-PHD", "MD"), ("MEDICAL DOCTOR", "M.D."),
     ("Doctor of Medicine", "MD"), ("PHYSICIAN", "DO"), ("PHYSICIAN", "MD"), ("OSTEOPATHIC PHYSICIAN", "D.O."),
     ("NURSE PRACTITIONER", "FNP"), ("APRN-CNP", "NP"), ("NP-C", "NP"), ("APN", "NP"), ("AGACNP-BC", "NP"),
     ("CPNP-PC", "NP"), ("F.N.P.-B.C.", "NP"), ("ACNS-BC", "CNS"), ("Physician Assistant", "RPA-C"),
     ("PHYSICIAN ASSOCIATE", "PA-C"), ("Nurse-Midwife", "C.N.M."), ("PHARM D", "PharmD"), ("R.PH.", "PHARM.D."),
     ("Naturopathic Doctor", "NMD"), ("NURSE ANESTHETIST", "CRNA")],
)  # fmt: skip
def test_credentials_that_say_the_same(one: str, other: str) -> None:
    assert credentials(one) & credentials(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("MD", "DO"),
        ("NP", "PA"),
        ("RN", "NP"),
        ("", "MD"),
        ("PHYSICIAN ASSISTANT", "MD"),
        ("FNP-C", "PA-C"),
        ("C", "PA-C"),
    ],
)
def test_credentials_that_do_not(one: str, other: str) -> None:
    assert not credentials(one) & credentials(other)
