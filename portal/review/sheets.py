"""What is printed under the signature of a text and stands in none: the wallet card, the dose plan, the prescription.

Their words are read where they stand: the card's in `cards.yaml`, the plan's in its template and the catalogue, the
prescription's in its template and in prescriptions that are written for the purpose.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import flask_babel

from portal import addresses
from portal.library import prescriptions
from portal.library.pages import Library, Page
from portal.library.prescriptions import Step
from portal.library.statements import Sheet

TEMPLATES = Path(__file__).resolve().parents[2] / "templates" / "resource"
PLAN = TEMPLATES / "plan.html"
PRESCRIPTION = TEMPLATES / "prescription.html"
PATIENTS_IN_SPANISH = addresses.PATIENTS.speaking("es")  # who signs it has read the plan's Spanish too

_MESSAGE = re.compile(r'_\("([^"]+)"\)')
_PARAGRAPH = re.compile(r"<p>(.+?)</p>")
_TAG = re.compile(r"<[^>]*>")

# The usual steps as capsules and as a liquid, and one dose that goes on: together they say all that it can note.
_USUAL = (Step(Decimal("1.5"), 14), Step(Decimal(3), 14), Step(Decimal("4.5"), 28))
SPECIMENS = (
    (_USUAL, "capsules-1.5", "bedtime"),
    (_USUAL, "liquid-1", "morning"),
    ((Step(Decimal("4.5"), 28),), "capsules-0.5", "bedtime"),
)


def under(page: Page, library: Library) -> tuple[Sheet, ...]:
    """The sheets that are signed with a page."""
    if page.path == addresses.PATIENTS:
        return _card(library, "en")
    if page.path == PATIENTS_IN_SPANISH:
        return (*_card(library, "es"), _plan("es"))
    if page.path == addresses.DOSING:
        return (_plan("en"),)
    return (_prescription(),) if page.path == addresses.COMPOUNDING else ()


def originals(page: Page, library: Library) -> tuple[Sheet, ...]:
    """The English of the sheets that are signed with a translation."""
    return (*_card(library, "en"), _plan("en")) if page.path == PATIENTS_IN_SPANISH else ()


def _card(library: Library, language: str) -> tuple[Sheet, ...]:
    if (card := library.cards.get(language)) is None:
        return ()
    said = (f"{card.front}. {card.warning}", *card.points, card.help)
    return (Sheet("card", card.title, addresses.CARD.speaking(language), said),)


def _plan(language: str) -> Sheet:
    """The patient's dose plan, a line of its template each; labels of what is written in are no statements."""
    lines = (_MESSAGE.findall(line) for line in PLAN.read_text("utf-8").splitlines())
    found = [messages for messages in lines if messages and messages[-1].endswith(".")]
    heading = "The patient's dose plan"
    if language != addresses.USUAL:
        with flask_babel.force_locale(language):
            found = [[flask_babel.gettext(message) for message in messages] for messages in found]
            heading = flask_babel.gettext("Your dose plan")
    said = tuple(" ".join(messages) for messages in found)
    return Sheet("plan", heading, addresses.DOSE_PLAN, said)


def _prescription() -> Sheet:
    heading = "The page that writes a prescription"
    return Sheet("prescription-page", heading, addresses.PRESCRIPTION, tuple(_prescribed()))


def _prescribed() -> Iterator[str]:
    """What the page says, its limits, whole prescriptions, and what it notes beside them."""
    for paragraph in _PARAGRAPH.findall(PRESCRIPTION.read_text("utf-8")):
        if "{{" not in (words := _TAG.sub("", paragraph)):
            yield words
    yield prescriptions.limits()
    products = {product.id: product for product in prescriptions.PRODUCTS}
    for steps, product, time in SPECIMENS:
        written = prescriptions.write(steps, products[product], time)
        yield written.text
        yield from written.notes
