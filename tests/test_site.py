"""Addresses as people type them, and the way to Spanish."""

from __future__ import annotations

import pytest

from tests.pages import Visitor

SECRET = "AbCdEfGhIjKlMnOpQrStUvWxYz012345"


@pytest.mark.parametrize(
    ("typed", "page"),
    [
        ("/patients/", "/patients"),
        ("/PATIENTS", "/patients"),
        ("/Patients/?from=card", "/patients?from=card"),
        ("/Es/Boletin/", "/es/boletin"),
        ("/es", "/es/pacientes"),
        ("/ES/", "/es/pacientes"),
        ("/es/", "/es/pacientes"),
        ("/Requests/Consultation", "/requests/consultation"),
        ("/prescribers/dosing/", "/prescribers/dosing"),
        ("/Prescribers/Guide.PDF", "/prescribers/guide.pdf"),
        ("/robots.txt/", "/robots.txt"),
        (f"/Newsletter/Confirm/{SECRET}", f"/newsletter/confirm/{SECRET}"),
        (f"/newsletter/unsubscribe/{SECRET}/", f"/newsletter/unsubscribe/{SECRET}"),
        (f"/R/{SECRET}", f"/r/{SECRET}"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_an_address_typed_from_paper_leads_to_its_page(
    visitor: Visitor, typed: str, page: str, method: str
) -> None:
    answer = visitor.client.open(typed, method=method, base_url="http://localhost:8000")

    assert (answer.status_code, answer.headers["Location"]) == (308, page)


@pytest.mark.parametrize(
    "nowhere", ["/nowhere/", "/NOWHERE", "/patients/x/", "/r/../", "/./patients", "/evil.example/patients"]
)
def test_what_means_no_page_is_no_page(visitor: Visitor, nowhere: str) -> None:
    assert visitor.get(nowhere).status_code == 404


def test_no_redirect_leaves_the_house(visitor: Visitor) -> None:
    for path in ("//evil.example/patients/", "/%2F%2Fevil.example/", "/\\evil.example/patients/"):
        location = visitor.client.get(path, base_url="http://localhost:8000").headers.get("Location", "/")
        assert (
            location.startswith("/") and not location.startswith(("//", "/\\"))
        ) or "localhost" in location


def test_the_front_page_says_in_spanish_where_spanish_begins(visitor: Visitor) -> None:
    link = visitor.open("/").soup.select_one("main [lang=es] a[href='/es/pacientes']")

    assert link.get_text() == "Páginas para pacientes en español"
