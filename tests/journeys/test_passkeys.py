"""A passkey in a real browser: Chromium with the authenticator that it keeps for tests (WebAuthn over CDP)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import CDPSession, Page

from tests.journeys.conftest import Person
from tests.journeys.test_browser import Member
from tests.live import Live

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("browser")]


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A portal with a host name, which passkeys need: they know no numbers."""
    live = Live(tmp_path_factory.mktemp("passkeys") / "instance")
    live.base = live.env["BASE_URL"] = f"http://localhost:{live.port}"
    live.migrate().start_web()
    yield live
    live.stop()


THROWS_ONCE = """if (location.pathname === '/staff/login/passkey' && window.name !== 'thrown') {
  const all = CredentialsContainer.prototype, get = all.get;
  window.name = 'thrown';
  all.get = () => { all.get = get; throw new TypeError('not now'); };
}"""


class Device:
    """A phone that holds passkeys and asks who holds it."""

    def __init__(self, page: Page) -> None:
        self.cdp: CDPSession = page.context.new_cdp_session(page)
        self.cdp.send("WebAuthn.enable")
        made = self.cdp.send(
            "WebAuthn.addVirtualAuthenticator",
            {
                "options": {
                    "protocol": "ctap2",
                    "transport": "internal",
                    "hasResidentKey": True,
                    "hasUserVerification": True,
                    "isUserVerified": True,
                }
            },
        )
        self.id = made["authenticatorId"]

    def knows_its_holder(self, yes: bool) -> None:
        """Whether whoever holds it now can unlock it."""
        self.cdp.send("WebAuthn.setUserVerified", {"authenticatorId": self.id, "isUserVerified": yes})

    def counts(self) -> list[int]:
        """How often each passkey on it signed."""
        found = self.cdp.send("WebAuthn.getCredentials", {"authenticatorId": self.id})
        return [one["signCount"] for one in found["credentials"]]


def test_a_passkey_is_added_signs_in_alone_and_goes(person, portal: Live) -> None:
    ada: Person = person(width=390)
    device = Device(ada.page)
    Member(portal, "ada@pharmacy.example", "Ada Okafor", "pharmacist").join(ada)

    ada.open("/staff/account").check().follow("Add a passkey")
    ada.check().type("Name", "My phone").press("Continue")
    ada.page.wait_for_url("**/staff/account?done=passkey-added")
    ada.sees("Your passkey is added", "My phone", "Not yet").check().press("Sign out")
    ada.page.add_init_script(THROWS_ONCE)
    ada.check().press("Sign in with a passkey")
    ada.page.get_by_role("button", name="Ask for the passkey again").click()
    ada.page.wait_for_url("**/staff/requests")
    ada.check().press("Sign out")
    assert len(device.counts()) == 1

    device.knows_its_holder(False)
    ada.press("Sign in with a passkey")
    ada.page.get_by_text("was not allowed to use one").wait_for()
    ada.check()
    device.knows_its_holder(True)
    ada.page.get_by_role("button", name="Ask for the passkey again").click()
    ada.page.wait_for_url("**/staff/requests")

    ada.open("/staff/account").sees("My phone").check().press("Remove My phone")
    ada.sees("What you are about to do needs it")  # the password, which nobody gave in this session
    ada.type("Password", "seven quiet herons wade at dawn").press("Continue")
    ada.press("Remove My phone").sees("The passkey is removed").press("Sign out")
    ada.press("Sign in with a passkey")
    ada.page.get_by_text("The passkey did not sign you in").wait_for()


def test_without_scripts_the_page_says_what_works(person, portal: Live) -> None:
    tom: Person = person(width=320, scripts=False)
    tom.open("/staff/login").check().press("Sign in with a passkey")
    tom.sees("This page needs JavaScript").check().follow("Sign in with password and code")
    tom.sees("Sign in")
