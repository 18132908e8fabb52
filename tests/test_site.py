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
        (f"/Newsletter/Unsubscribe/{SECRET}/", f"/newsletter/unsubscribe/{SECRET}"),
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


@pytest.mark.parametrize(
    ("address", "button", "words", "cookies"),
    [
        ("/newsletter", "Sign up", "once more", "Your browser keeps no cookies"),
        ("/es/boletin", "Inscribirme", "una vez", "Su navegador no guarda cookies"),
        ("/requests/consultation", "Continue", "once more", "Your browser keeps no cookies"),
        ("/requests/resources", "Continue", "once more", "Your browser keeps no cookies"),
    ],
)
def test_who_keeps_no_cookies_is_told_so_the_second_time(
    visitor: Visitor, address: str, button: str, words: str, cookies: str
) -> None:
    page = visitor.open(address).set(email="ana@clinic.example")
    visitor.client.delete_cookie("form")
    first = page.press(button, status=400).lacks(cookies).sees(words)
    visitor.client.delete_cookie("form")
    second = first.press(button, status=400).sees(cookies)
    visitor.client.delete_cookie("form")
    third = second.press(button, status=400).sees(cookies)

    assert third.soup.select_one("main a[href^='tel:']")
    assert third.soup.select_one("[name=email]")["value"] == "ana@clinic.example"
    assert third.press(button).status in (200, 422), "with the cookie kept it goes on"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_browsers_get_the_icon_they_ask_for_by_themselves(visitor: Visitor, method: str) -> None:
    answer = visitor.client.open("/favicon.ico", method=method, base_url="http://localhost:8000")

    assert (answer.status_code, answer.mimetype) == (200, "image/svg+xml")
