"""Every scene, looked at: the rules of accessibility and of HTML, in each light, at each width."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from itertools import product
from pathlib import Path
from typing import Any, cast

import pytest
from bs4 import BeautifulSoup
from playwright.sync_api import Page
from sqlalchemy import func, select

from portal import clock
from portal.db import db, transaction
from portal.desk import telling
from portal.editions import service as editions
from portal.intake.models import Request
from portal.mail import promise as mail
from portal.mail.models import Body, Lane
from portal.people import accounts, invitations, notices
from portal.people.models import User
from portal.people.rights import Right
from tests import turns
from tests.browser_tools import nu
from tests.editions.test_editions import DRAFT
from tests.figures import Figure, is_full
from tests.journeys.conftest import RULES
from tests.live import ROOT, free_port
from tests.pages import check_page
from tests.reading import NeedsBrowser, Reader
from tests.scenes import BUTTONS, NO_PAGE, SCENES, Scene, consultation, link_in, open_request, reader
from tests.screenshots import Camera
from tests.stage import TOOLS, Stage, Theatre, has_focus, leave_by

AXE = "axe-core"
ALL = {"runOnly": RULES}
WIDTHS, LIGHTS = (1280, 320), ("light", "dark")
# What axe-core looks at: in full every width in every light; in the suite one of these for each scene, the next for
# the next.
LOOKS = tuple(product(WIDTHS, LIGHTS))
# With a browser a scene takes ten times the processor. In `make check` it looks at those whose turn it is
# (tests/turns.py); of the others it reads as many as they were sent.
READ_AND_LOOKED_AT = pytest.mark.every(4)
LEAST, LEAST_PUBLIC = 24, 44  # CSS pixels (WCAG 2.2, 2.5.8; ours for public controls)

pytestmark = pytest.mark.browser


@pytest.fixture(scope="session")
def html_faults() -> Iterator[Callable[[str], list[str]]]:
    """The Nu HTML checker as a server of ours: what is wrong with a page."""
    found = nu()
    if found is None:
        pytest.skip("no Nu HTML checker here: npm ci in tests/tools, apt-get install default-jre-headless")
    java, jar = found
    port = free_port()
    command = [
        # Quick to start; its first compiler needs more of the stack to read the checker's grammars.
        *(java, "-Xmx256m", "-Xss16m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"),
        *("-Dnu.validator.servlet.bind-address=127.0.0.1", "-cp", str(jar)),
    ]
    process = subprocess.Popen(
        [*command, "nu.validator.servlet.Main", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def check(html: str) -> list[str]:
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/?out=json&level=error",
            html.encode(),
            {"Content-Type": "text/html; charset=utf-8"},
        )
        end = time.monotonic() + 60
        while True:
            try:
                with urllib.request.urlopen(request, timeout=30) as answer:
                    messages = json.load(answer)["messages"]
                return [
                    f"line {m.get('lastLine')}: {m['message']} in {m.get('extract')!r}"
                    for m in messages
                    if m["type"] == "error"
                ]
            except urllib.error.URLError:
                if process.poll() is not None or time.monotonic() > end:
                    raise
                time.sleep(0.2)

    yield check
    process.terminate()
    process.wait(20)


def each(scenes: list[Scene]) -> list[Any]:
    """As parameters; staff and public on a browser of their own each."""
    return [
        pytest.param(
            scene,
            id=scene.name.replace(" ", "-"),
            marks=pytest.mark.xdist_group("scenes-staff" if scene.is_staff else "scenes-public"),
        )
        for scene in scenes
    ]


@pytest.fixture
def is_looked_at(request: pytest.FixtureRequest) -> bool:
    """Whether this run has a browser look at it."""
    run = turns.of_this_run(request.config)
    return is_full() or run is None or turns.comes(request.node.nodeid) == run.number


@READ_AND_LOOKED_AT
@pytest.mark.parametrize("scene", each(SCENES))
def test_each_scene_is_as_it_should_be(
    scene: Scene,
    is_looked_at: bool,
    house: Theatre,
    stage: Callable[..., Stage],
    html_faults: Callable[[str], list[str]],
    figure: Figure,
) -> None:
    if not is_looked_at:
        try:
            invalid = read(scene, house, html_faults)
        except NeedsBrowser:
            house.set_back()
        else:
            figure("scenes: read as they were sent", 1, "of what people meet", how="sum")
            figure("scenes: errors of the Nu HTML checker", len(invalid), how="sum")
            assert invalid == []
            return
    shown = stage()
    if not shown.house.tools:
        pytest.skip("no axe-core here: npm ci in tests/tools")
    scene.act(shown)
    page = shown.page

    assert shown.status == scene.status
    check_page(BeautifulSoup(shown.source, "html.parser"), shown.status)
    assert page.evaluate("document.documentElement.lang") == scene.lang
    if page.locator("#errors").count():
        has_focus(page, "#errors")
    if page.locator("[autofocus]").count():
        has_focus(page, "[autofocus]")
    invalid = html_faults(shown.source)
    looks = looks_at(scene)
    faults = list(look(page, looks, is_public=not scene.is_staff))
    by_axe = sum(fault.startswith(AXE) for fault in faults)
    figure(f"scenes: opened in {engine(page)}", 1, "of what people meet", how="sum")
    figure("scenes: errors of the Nu HTML checker", len(invalid), how="sum")
    figure(
        "scenes: violations of axe-core",
        by_axe,
        f"in {len(looks)} of {len(LOOKS)} lights and widths",
        how="sum",
    )
    figure("scenes: faults of reflow, targets, focus, motion, edges", len(faults) - by_axe, how="sum")
    figure("scenes: foreign requests, policy reports, script errors", len(shown.complaints), how="sum")
    assert invalid == []
    assert not faults, "\n".join(faults)
    assert shown.complaints == []


def read(scene: Scene, house: Theatre, html_faults: Callable[[str], list[str]]) -> list[str]:
    """Act it without a browser: what is wrong with its HTML. Raises NeedsBrowser."""
    reader = Reader(house)
    scene.act(cast(Stage, reader))
    assert reader.status == scene.status
    assert reader.lang == scene.lang
    return html_faults(reader.source)


def looks_at(scene: Scene) -> tuple[tuple[int, str], ...]:
    """The widths and lights in which axe-core is asked of this scene."""
    return LOOKS if is_full() else (LOOKS[SCENES.index(scene) % len(LOOKS)],)


def look(page: Page, looks: Iterable[tuple[int, str]], *, is_public: bool) -> Iterator[str]:
    """Everything a browser can tell us is wrong."""
    page.evaluate(f"import('{TOOLS}').then(() => null)")

    def ask(what: str, *values: object, when: str = "") -> Iterator[str]:
        given = ", ".join(map(json.dumps, values))
        yield from (f"{when}{fault}" for fault in page.evaluate(f"look.{what}({given})"))

    yield from ask("moving")
    yield from ask("formless")
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        yield from ask("sideways", when=f"{width} px: ")
        for light in (light for wide, light in looks if wide == width):
            page.emulate_media(color_scheme=light)  # type: ignore[arg-type]
            yield from ask("violations", ALL, when=f"{AXE}, {width} px, {light}: ")
    page.emulate_media(color_scheme="light")
    yield from ask("small", LEAST)
    if is_public:
        yield from ask("low", LEAST_PUBLIC)
    if engine(page) == "chromium":
        yield from tables_that_are_none(page)
    page.keyboard.press("Tab")
    yield from ask("unseen")
    page.emulate_media(forced_colors="active")
    yield from ask("edgeless", when="forced colours: ")
    page.emulate_media(forced_colors="none")
    yield from ask("space", when="spaced out: ")


def engine(page: Page) -> str:
    """What opened this page."""
    assert page.context.browser is not None
    return page.context.browser.browser_type.name


def tables_that_are_none(page: Page) -> Iterator[str]:
    """Tables whose rows are blocks here must still be tables to a screen reader (decision 0016)."""
    page.locator("details.studies").evaluate_all(
        "all => all.forEach(one => one.open = true)"
    )  # what is folded too
    wanted = {"table": page.locator(".table table").count(), "row": page.locator(".table tbody tr").count()}
    if wanted["table"]:
        client = page.context.new_cdp_session(page)
        top = client.send("DOM.getDocument", {"depth": 0})["root"]["backendNodeId"]
        for role, least in wanted.items():
            query = {"backendNodeId": top, "role": role}
            found = [n for n in client.send("Accessibility.queryAXTree", query)["nodes"] if not n["ignored"]]
            if len(found) < least:
                yield f"{len(found)} of {least} {role}s are left to a screen reader"
        client.detach()  # or the browser would go on keeping the tree of every later page


@pytest.mark.parametrize("scene", each([scene for scene in SCENES if scene.status == 422]))
def test_the_focus_lands_on_the_errors_without_scripts(scene: Scene, stage: Callable[..., Stage]) -> None:
    shown = stage(scripts=False)

    scene.act(shown)

    assert shown.status == 422
    if shown.page.locator("#errors").count():
        has_focus(shown.page, "#errors")
        if not shown.page.locator("#errors a").count():
            return  # the fault belongs to the whole form: which of the two was wrong is not told
        shown.page.keyboard.press("Tab")
        with shown.page.expect_navigation():  # within the page: the address changes
            shown.page.keyboard.press("Enter")
        field = shown.page.url.partition("#")[2]
        assert field, "the first line leads to the first field"
        assert shown.page.locator(f"[id='{field}']").is_visible()
    else:
        assert scene.name in (
            "consultation that may name a patient",
            "sign-up once more",
            "sign-up once more in Spanish",
        )


@pytest.mark.xdist_group("scenes-public")
def test_every_address_has_a_scene(house: Theatre) -> None:
    """A new page fails here until it has one: see `tests/scenes.py`."""
    texts = {f"text {path}" for path in house.app.extensions["library"].pages}
    endpoints = {
        rule.endpoint
        for face in (house.app, house.staff)
        for rule in face.url_map.iter_rules()
        if rule.endpoint != "static"
    }
    shown = {scene.endpoint for scene in SCENES}

    assert endpoints - shown - NO_PAGE.keys() - BUTTONS == set()
    assert (shown | NO_PAGE.keys() | BUTTONS) - endpoints == {"errors"}
    assert texts - {scene.name for scene in SCENES} - {"text /"} == set()
    names = [scene.name for scene in SCENES]
    assert len(names) == len(set(names))


@pytest.mark.xdist_group("scenes-public")
def test_every_kind_of_mail_is_valid_html(
    stage: Callable[..., Stage], house: Theatre, html_faults: Callable[[str], list[str]], figure: Figure
) -> None:
    played = stage()
    consultation(played).press("Send my question")
    played.open(f"{played.page.url}/code").press("Send me a code")
    for path in ("/newsletter", "/es/boletin"):
        button = "Sign up" if path == "/newsletter" else "Inscribirme"
        address = f"{path.strip('/').replace('/', '-')}@mail.example"
        played.open(path).fill(email=address).press(button)
        house.mails()
        played.wait(hours=25)
        confirm = link_in(house.mails()[-1], "/newsletter/confirm/")
        played.open(confirm)
        leave_by(played.page.locator("main button").first)
        played.wait(hours=25).open(path).fill(email=address).press(button)
        house.mails()
    played.open(reader(played)[0]).press("Delete everything you hold about me")
    open_request(played, "Ada", kind="consultation", status="in_progress")
    played.fill(**{"answer-text": "At least 7 to 10 days. The label says so."}).press("Send answer and close")
    open_request(played, "Ada", kind="consultation", status="in_progress", owner_id=2)
    played.fill(**{"answer-text": "Which dose is it now?"}).press("Send as a question and wait")
    with house.staff.app_context(), transaction():
        grace, ada, dee = (db.session.get(User, number) for number in (1, 2, 3))
        assert grace and ada and dee
        token = invitations.invite(
            email="lou@pharmacy.example", roles=("desk",), name="Lou", by=grace, at=clock.now()
        )
        invitations.send("lou@pharmacy.example", token, renews=False, by=grace, at=clock.now())
        invitations.send(
            ada.email, invitations.renew(ada, by=grace, at=clock.now()), renews=True, by=grace, at=clock.now()
        )
        notices.notify(ada, notices.PASSWORD_CHANGED, at=clock.now())
        accounts.change_roles(dee, ("pharmacist",), by=grace, at=clock.now())
        accounts.change_roles(
            ada, ("desk",), by=grace, at=clock.now()
        )  # her questions go back, and Dee is told
        telling.refused(db.session.get_one(Request, 1), at=clock.now())
        for what in ("added", "again", "withdrawn", "due", "patient_data"):
            of_all = Right.LEAD if what == "patient_data" else None
            telling.of_request(what, db.session.get_one(Request, 1), at=clock.now(), who_may=of_all)
        facts = dict.fromkeys(
            ("consultations", "materials", "back", "unassigned", "late", "mine", "suspects"), 1
        )
        mail.promise(
            "desk/morning", to=grace.email, facts=facts, cause=grace.subject, at=clock.now(), lane=Lane.SOON
        )
        long = f"{DRAFT['source_en']}\n\n{'Naltrexonhydrochlorid' * 8}\n\n    {'code' * 40}\n"
        edition = editions.write(None, {**DRAFT, "source_en": long}, version=0, by=grace, at=clock.now())
        for_both = edition.version
        editions.send_test(edition, to=grace.email, by=grace, at=clock.now())
        editions.schedule(edition, due_at=None, version=for_both, by=grace, at=clock.now())
        editions.tell_managers(edition, at=clock.now())
    played.open("/newsletter/unsubscribe").fill(email="newsletter@mail.example").press(
        "Send me the link to stop"
    )
    house.mails()
    played.wait(minutes=11)
    house.mails()
    played.wait(minutes=1)

    mails = house.mails()

    with house.app.app_context():
        kinds = set(db.session.scalars(select(Body.message)))
    written = {
        path.relative_to(ROOT / "templates" / "mail").with_suffix("").as_posix()
        for path in Path(ROOT / "templates" / "mail").glob("*/*.html")
    }
    assert written - kinds == set(), "kinds of mail that were not sent here"
    assert any("Patient data was reported" in sent.as_string() for sent in mails)
    invalid = {}
    for number, sent in enumerate(mails):
        body = sent.get_body(("html",))
        assert body is not None
        invalid[f"{number}: {sent['Subject']}"] = html_faults(body.get_content())
    figure("mails: errors of the Nu HTML checker", sum(map(len, invalid.values())), f"on {len(kinds)} kinds")
    assert not any(invalid.values()), invalid
    bodies = {sent["Subject"]: sent.get_body(("html",)).get_content() for sent in mails}  # type: ignore[union-attr]
    faults = list(look_at_mails(played, bodies))
    figure("mails: violations of axe-core, and what scrolls sideways", len(faults), f"on {len(kinds)} kinds")
    assert faults == []


def look_at_mails(played: Stage, bodies: dict[str, str]) -> Iterator[str]:
    """Each as a page of its own, in each light at each width in the long form, else in one of them."""
    if not played.house.tools:
        pytest.skip("no axe-core here: npm ci in tests/tools")
    page = played.page
    for number, (subject, html) in enumerate(bodies.items()):
        address = f"{played.house.base}/a-mail-{number}"
        page.route(
            address, lambda route, _asked, html=html: route.fulfill(body=html, content_type="text/html")
        )
        page.goto(address)
        page.evaluate(f"import('{TOOLS}').then(() => null)")
        page.set_viewport_size({"width": min(WIDTHS), "height": 900})
        yield from (f"{subject}: {fault}" for fault in page.evaluate("look.sideways()"))
        for width, light in LOOKS if is_full() else (LOOKS[number % len(LOOKS)],):
            page.set_viewport_size({"width": width, "height": 900})
            page.emulate_media(color_scheme=light)  # type: ignore[arg-type]
            found = page.evaluate(f"look.violations({json.dumps(ALL)})")
            yield from (f"{subject}, {width} px, {light}: {fault}" for fault in found)


@pytest.mark.xdist_group("scenes-public")
@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no-scripts"])
def test_a_second_failure_takes_the_focus_too(scripts: bool, stage: Callable[..., Stage]) -> None:
    """A line of the first summary was followed; its #fragment must not stand in the way of the second one."""
    asking = stage(scripts=scripts).open("/requests/consultation").press("Continue")
    asking.follow("Select what you need help with").tick("topics=dosing").press("Continue")

    assert asking.status == 422
    assert "#" not in asking.page.url
    has_focus(asking.page, "#errors")


@pytest.mark.xdist_group("scenes-public")
@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no-scripts"])
def test_back_from_the_receipt_shows_the_answers_and_sends_nothing_twice(
    scripts: bool, stage: Callable[..., Stage], house: Theatre
) -> None:
    asking = stage(scripts=scripts)
    consultation(asking).press("Send my question")
    receipt = asking.page.url
    before = requests_in(house)

    asking.page.go_back()
    assert "Ana Ruiz" in asking.page.inner_text("main")
    asking.press("Send my question")

    assert asking.page.url == receipt
    assert requests_in(house) == before
    asking.page.reload()
    assert asking.status == 200
    assert requests_in(house) == before


def requests_in(house: Theatre) -> int:
    """How many there are."""
    with house.app.app_context():
        return db.session.scalar(select(func.count()).select_from(Request)) or 0


@pytest.mark.xdist_group("scenes-staff")
def test_the_components_are_photographed_in_every_light(stage: Callable[..., Stage], tmp_path: Path) -> None:
    """The pictures that `make screenshots` keeps of the gallery show it, and not the same light three times."""
    gallery = next(scene for scene in SCENES if scene.name == "staff components")
    shown = stage()
    gallery.act(shown)
    camera = Camera(tmp_path, whole=True)

    camera.take(shown, *gallery.pictures)

    assert {file.name for file in camera.taken} == {
        f"components{light}-{size}.png" for light in ("", "-dark", "-forced") for size in ("desktop", "phone")
    }
    assert len({file.read_bytes() for file in camera.taken}) == len(camera.taken)
    assert all(file.stat().st_size > 50_000 for file in camera.taken), "a blank page is smaller"
