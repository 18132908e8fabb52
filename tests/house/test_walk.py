"""What every address promises, whoever wrote its view: one walk over all rules of both faces."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterator

import pytest
from bs4 import BeautifulSoup
from flask import Flask
from sqlalchemy import select
from werkzeug.routing import Rule

from portal.db import db
from portal.signin import gate
from portal.web import SECURITY_HEADERS
from tests.pages import Visitor, check_page

pytestmark = pytest.mark.slow

ARGUMENTS = {
    "token": "no-such-token",
    "reference": "LDN-BCDF-GHJK",
    "slug": "none",
    "path": "none",
    "person_id": 1,
    "act": "withdraw",
}
# What a stranger may open; everything else stands behind the staff gate.
PUBLIC = {
    "resource",
    "site",
    "intake",
    "asker",
    "newsletter",
    "archive",
    "newsletter_api",
    "newsletter_embed",
    "ops",
}
# The staff face's own doors: signing in, and the invitation that makes an account.
STAFF_DOORS = gate.PUBLIC
# Posts that no form of ours sends: RFC 8058 one-click, and the JSON sign-up (N44).
WITHOUT_FORM = {"newsletter_embed.embed", "newsletter.unsubscribe", "newsletter_api.sign_up"}


def rules(app: Flask) -> Iterator[Rule]:
    yield from (rule for rule in app.url_map.iter_rules() if rule.endpoint != "static")


def address(rule: Rule) -> str:
    """The rule's own address, with something in each hole that nobody has."""
    return re.sub(r"<(?:\w+:)?(\w+)>", lambda hole: str(ARGUMENTS.get(hole[1], "1")), rule.rule)


def digest(app: Flask) -> str:
    """Every row of every table, as one number."""
    found = hashlib.sha256()
    with app.app_context():
        for table in db.metadata.sorted_tables:
            if table.name != "staff_session":
                for row in db.session.execute(select(table).order_by(*table.primary_key.columns)):
                    found.update(repr(tuple(row)).encode())
    return found.hexdigest()


def test_every_public_rule_belongs_to_a_public_room(app: Flask) -> None:
    assert {rule.endpoint.partition(".")[0] for rule in rules(app)} == PUBLIC


def test_nothing_of_the_public_face_stands_under_staff(app: Flask) -> None:
    assert [rule.rule for rule in rules(app) if rule.rule.startswith("/staff")] == []


def test_a_stranger_reaches_no_staff_page(app: Flask, staff_app: Flask, visitor: Visitor) -> None:
    for rule in rules(staff_app):
        assert rule.rule.startswith("/staff"), rule
        if rule.endpoint in STAFF_DOORS:
            continue
        place = address(rule)
        if "GET" in rule.methods:
            answer = visitor.get(place)
            assert answer.status_code in (302, 303, 401, 404), f"{place}: {answer.status_code}"
            if answer.status_code in (302, 303):
                assert "/staff/login" in answer.headers["Location"]
        if "POST" in rule.methods:
            answer = visitor.post(place, data={})
            assert answer.status_code in (302, 303, 400, 401, 403, 404), f"{place}: {answer.status_code}"


def test_the_staff_doors_are_those_we_name(staff_app: Flask, visitor: Visitor) -> None:
    open_to_all = set()
    for rule in rules(staff_app):
        if "GET" in rule.methods and visitor.get(address(rule)).status_code == 200:
            open_to_all.add(rule.endpoint)

    assert open_to_all <= STAFF_DOORS


def test_a_post_without_our_tokens_changes_nothing(app: Flask, staff_app: Flask, visitor: Visitor) -> None:
    before = digest(app)

    for face in (app, staff_app):
        for rule in rules(face):
            if "POST" in rule.methods and rule.endpoint not in WITHOUT_FORM:
                answer = visitor.post(address(rule), data={"email": "a@b.example"})
                assert answer.status_code in (302, 303, 400, 401, 403, 404), f"{rule}: {answer.status_code}"

    assert digest(app) == before


def test_a_get_or_head_changes_nothing(app: Flask, staff_app: Flask, visitor: Visitor) -> None:
    before = digest(app)

    for face in (app, staff_app):
        for rule in rules(face):
            if "GET" in rule.methods:
                for method in ("GET", "HEAD"):
                    answer = visitor.client.open(
                        address(rule),
                        method=method,
                        environ_base=visitor.environ,
                        base_url="http://localhost:8000",
                        headers={"Sec-Purpose": "prefetch"},
                    )
                    assert answer.status_code < 500, f"{rule}: {answer.status_code}"

    assert digest(app) == before


def test_a_post_from_another_site_is_refused(app: Flask, visitor: Visitor) -> None:
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        answer = visitor.post("/requests/resources", data={}, headers=headers)
        assert answer.status_code == 403


def test_every_answer_carries_the_security_headers(app: Flask, staff_app: Flask, visitor: Visitor) -> None:
    answers = [
        visitor.get(address(rule))
        for face in (app, staff_app)
        for rule in rules(face)
        if "GET" in rule.methods
    ]
    answers += [
        visitor.get("/no-such-page"),
        visitor.get("/static/none.css"),
        visitor.get("/staff/none"),
        visitor.post("/", data={}),
        visitor.get("/", headers={"Host": "evil.example"}),
        visitor.post("/newsletter", data="x" * 70_000, content_type="application/x-www-form-urlencoded"),
        visitor.post("/newsletter", data={"a": (io.BytesIO(b"x"), "a.txt")}),
        visitor.client.open("/newsletter", method="TRACE"),
    ]
    css = next(path for path in app.extensions["ready"]._assets if path.endswith(".css"))
    answers.append(visitor.get(css))
    statuses = {answer.status_code for answer in answers}

    assert {200, 302, 400, 404, 405, 413, 415} <= statuses
    for answer in answers:
        for name in SECURITY_HEADERS:
            assert answer.headers.get(name), f"{answer.request.path} {answer.status_code} has {name}"
        assert "'unsafe" not in answer.headers["Content-Security-Policy"]
        assert "Access-Control-Allow-Origin" not in answer.headers
        assert answer.mimetype and (
            not answer.mimetype.startswith("text/") or "charset" in answer.content_type
        )


@pytest.mark.parametrize(
    "path", ["/", "/patients", "/es/pacientes", "/links", "/privacy", "/healthz", "/robots.txt"]
)
def test_a_page_for_everybody_sets_no_cookie_and_varies_by_none(
    path: str, app: Flask, visitor: Visitor
) -> None:
    answer = visitor.get(path)

    assert answer.status_code == 200
    assert "Set-Cookie" not in answer.headers
    assert "Cookie" not in answer.headers.get("Vary", "")


def test_another_host_is_refused(app: Flask, visitor: Visitor) -> None:
    assert visitor.get("/patients").status_code == 200
    assert visitor.get("/patients", headers={"Host": "evil.example"}).status_code == 400


def test_a_forwarded_address_is_ignored_without_a_proxy(app: Flask, visitor: Visitor) -> None:
    with app.test_request_context("/", headers={"X-Forwarded-For": "203.0.113.9"}) as context:
        assert context.request.remote_addr != "203.0.113.9"


def test_no_dead_links_from_the_front_page(app: Flask, visitor: Visitor) -> None:
    visitor.client.set_cookie("professional", "yes", domain="localhost", path="/")
    seen, todo = set(), ["/"]
    while todo:
        place = todo.pop()
        if place in seen:
            continue
        seen.add(place)
        answer = visitor.get(place)
        assert answer.status_code == 200, place
        if answer.mimetype != "text/html":
            continue
        soup = BeautifulSoup(answer.text, "html.parser")
        check_page(soup, 200)
        ids = {element["id"] for element in soup.find_all(id=True)}
        for link in soup.find_all("a", href=True):
            href = str(link["href"])
            if href.startswith("#"):
                assert href == "#" or href[1:] in ids, f"{place}: {href}"
            elif href.startswith("/"):
                todo.append(href.partition("#")[0])

    assert {
        "/prescribers",
        "/patients",
        "/es/pacientes",
        "/links",
        "/requests/consultation",
        "/newsletter",
    } <= seen


def test_the_site_map_lists_pages_that_may_be_listed_and_say_what_they_are(
    app: Flask, visitor: Visitor
) -> None:
    listed = re.findall(r"<loc>http://localhost:8000(/[^<]*)</loc>", visitor.get("/sitemap.xml").text)
    described: dict[str, str] = {}

    for path in listed:
        page = visitor.open(path)
        assert "noindex" not in page.response.headers.get("X-Robots-Tag", ""), path
        assert not page.soup.find("meta", attrs={"name": "robots"}), path
        described[path] = str(page.soup.find("meta", attrs={"name": "description"})["content"])

    assert {"/", "/patients", "/es/pacientes", "/newsletter", "/requests/consultation"} <= set(listed)
    assert len(set(described.values())) == len(described), "no two pages describe themselves alike"
    titles = [visitor.open(path).soup.title.get_text() for path in listed]
    assert len(set(titles)) == len(titles), "nor have the same title"
