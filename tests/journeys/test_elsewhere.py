"""What only a real browser decides: another site's page, and the passage behind the gate."""

from __future__ import annotations

import http.server
import re
import threading
from collections.abc import Callable, Iterator
from email.message import EmailMessage

import pytest
from jinja2 import Template
from playwright.sync_api import Browser

from portal import addresses
from portal.staff.edition_forms import TOPICS
from tests.journeys.conftest import READING
from tests.live import ROOT, Live

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
EXAMPLE = re.compile(r"```html\n(.*?)```", re.DOTALL)


@pytest.fixture
def another_site(portal: Live) -> Iterator[str]:
    """The example of docs/api.md on a site of its own, and at /form the form that staff copy."""
    html = EXAMPLE.search((ROOT / "docs" / "api.md").read_text("utf-8"))[1]  # type: ignore[index]
    form = Template((ROOT / "templates" / "staff" / "embed.txt").read_text("utf-8"), trim_blocks=True)
    pages = {
        "/": html.replace("https://portal.pharmacy.example", portal.base),
        "/form": form.render(base_url=portal.base, topics=TOPICS, addresses=addresses),
    }

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(f"<!doctype html><meta charset=utf-8>{pages.get(self.path, '')}".encode())

        def log_message(self, *_said: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


def test_the_documented_example_signs_up_from_another_site(
    another_site: str, browser: Browser, mail_to: Callable[[str, str], EmailMessage]
) -> None:
    page = browser.new_page()
    page.goto(another_site)
    page.get_by_label("Email").fill("elsewhere@mail.example")
    page.get_by_role("button", name="Sign up").click()

    page.get_by_text("Check your email and press the button in it.").wait_for()
    assert mail_to("elsewhere@mail.example", "Confirm your sign-up")
    page.get_by_label("Email").fill("elsewhere@mail")
    page.get_by_role("button", name="Sign up").click()
    page.get_by_text("Enter an email address in the correct format").wait_for()
    page.close()


def test_the_form_that_staff_copy_leads_to_ours_and_one_more_press(
    another_site: str, portal: Live, browser: Browser, mail_to: Callable[[str, str], EmailMessage]
) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{another_site}form")
    page.locator("[name=email]").fill("copied@mail.example")
    page.locator("button").click()
    page.wait_for_load_state()

    assert page.url == f"{portal.base}/newsletter/embed"
    assert page.locator("[name=email]").input_value() == "copied@mail.example"
    page.wait_for_timeout(READING * 1000)
    page.get_by_role("button", name="Sign up").click()
    page.wait_for_url(f"{portal.base}/newsletter/check-email")
    assert mail_to("copied@mail.example", "Confirm your sign-up")
    context.close()


@pytest.mark.parametrize("scripts", [True, False])
@pytest.mark.parametrize("path", ["/prescribers/safety#", "/prescribers#"])
def test_the_passage_survives_the_gate(portal: Live, browser: Browser, path: str, scripts: bool) -> None:
    context = browser.new_context(java_script_enabled=scripts)
    page = context.new_page()
    page.goto(f"{portal.base}{path}start")
    page.get_by_role("button", name="I am a health professional: continue").click()
    page.wait_for_load_state()

    expected = f"{path}start" if scripts or path != "/prescribers#" else "/prescribers"
    assert page.url == f"{portal.base}{expected}"
    context.close()
