"""Where everything is: each address that is named in more than one place is spelt here, once, and nowhere else.

Routes, letters, mails, templates (as `addresses`), robots, sitemap and the checks of the texts read this list; it
knows nobody. The texts are data and say their own paths; those that code names stand here too, and a test holds the
two together. What only one route of the staff face spells, that route spells.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

LANGUAGES = {"en": "English", "es": "Español"}  # by code, as each calls itself; the first is the usual one
USUAL = next(iter(LANGUAGES))

_HOLE = re.compile(r"<(?:\w+:)?(\w+)>")


class Address(str):
    """A path as its route has it, `<token>` for a hole; `twins` are the same page in each language that has its own.

    It is a string, so that whatever takes a path takes it. `listed` pages are what search engines may list.
    """

    twins: Mapping[str, str]
    is_listed: bool

    def __new__(cls, path: str, *, listed: bool = False, **others: str) -> Address:
        """`others` are the paths in other languages, by code."""
        made = super().__new__(cls, path)
        made.twins = {USUAL: path, **others}
        made.is_listed = listed
        return made

    def speaking(self, language: str, **holes: object) -> str:
        """Where to read it in a language, its holes filled: its own address there, or the one for all with the
        language asked for."""
        return _filled(self.twins.get(language, f"{self}?lang={language}"), holes)

    def of(self, **holes: object) -> str:
        """With its holes filled."""
        return _filled(self, holes)

    @property
    def root(self) -> str:
        """What stands before the first hole, without its slash."""
        return self.partition("/<")[0]

    @property
    def is_one_persons(self) -> bool:
        """Whether its hole holds what is one person's, and keeps its capitals: anything but a page's own name."""
        return self.root != self and "<slug>" not in self


def _filled(path: str, holes: Mapping[str, object]) -> str:
    return _HOLE.sub(lambda hole: str(holes[hole[1]]), path) if holes else path


HOME = Address("/", listed=True)
ROBOTS = Address("/robots.txt")
SITEMAP = Address("/sitemap.xml")
HEALTHZ = Address("/healthz")
READYZ = Address("/readyz")
METRICS = Address("/metrics")
PROBES = (HEALTHZ, READYZ, METRICS)  # what monitors ask
SECURITY_TXT = Address("/.well-known/security.txt")

# Texts that code or templates name.
PRESCRIBERS = Address("/prescribers")
DOSING = Address("/prescribers/dosing")
SAFETY = Address("/prescribers/safety")
EVIDENCE = Address("/prescribers/evidence")
COMPOUNDING = Address("/prescribers/compounding")
REFERENCES = Address("/prescribers/references")
PATIENTS = Address("/patients", es="/es/pacientes")
LEAFLET = Address("/patients/leaflet.pdf", es="/es/pacientes/hoja.pdf")
CARD = Address("/patients/card.pdf", es="/es/pacientes/tarjeta.pdf")
LINKS = Address("/links")
PRIVACY = Address("/privacy", es="/es/privacidad")
HOW_WE_WORK = Address("/how-we-work", es="/es/como-trabajamos")
ACCESSIBILITY = Address("/accessibility", es="/es/accesibilidad")
LEGAL = Address("/legal", es="/es/aviso-legal")
TEXTS = (
    PRESCRIBERS,
    DOSING,
    SAFETY,
    EVIDENCE,
    COMPOUNDING,
    REFERENCES,
    PATIENTS,
    LINKS,
    PRIVACY,
    ACCESSIBILITY,
    HOW_WE_WORK,
    LEGAL,
)

SEARCH = Address("/search", es="/es/buscar")

# Beside the texts for prescribers, behind the same gate.
GATE = Address("/prescribers/gate")
SEARCH_GATED = Address("/prescribers/search")
SUMMARY = Address("/prescribers/summary")
DOSE_PLAN = Address("/prescribers/dose-plan")
PRESCRIPTION = Address("/prescribers/prescription")
GUIDE = Address("/prescribers/guide.pdf")
EVIDENCE_JSON = Address("/prescribers/evidence.json")
PICTURE = Address("/prescribers/evidence/<slug>.svg")
CITATIONS = Address("/prescribers/references.<slug>")
EVIDENCE_CSV = Address("/prescribers/evidence.csv")

CONSULTATION = Address("/requests/consultation", listed=True)
MATERIALS = Address("/requests/resources", listed=True)
RECEIPT = Address("/r/<token>")
RECEIPT_CODE = Address("/r/<token>/code")
RECEIPT_ENTER = Address("/r/<token>/enter")
RECEIPT_READ = Address("/r/<token>/read")
RECEIPT_ACT = Address("/r/<token>/<act>")

NEWSLETTER = Address("/newsletter", listed=True, es="/es/boletin")
CHECK_EMAIL = Address("/newsletter/check-email")
CONFIRM = Address("/newsletter/confirm/<token>")
CONFIRMED = Address("/newsletter/confirmed")
BLOCKED = Address("/newsletter/blocked")
PREFERENCES = Address("/newsletter/preferences/<token>")
RECORD = Address("/newsletter/preferences/<token>/record")
UNSUBSCRIBE = Address("/newsletter/unsubscribe/<token>")
LEAVE = Address("/newsletter/unsubscribe")
LEAVE_ASKED = Address("/newsletter/leave-asked")
LEFT = Address("/newsletter/left")
ERASE = Address("/newsletter/erase/<token>")
ERASED = Address("/newsletter/erased")
EMBED = Address("/newsletter/embed")
EDITIONS = Address("/newsletter/editions", listed=True, es="/es/boletin/ediciones")
EDITION = Address("/newsletter/editions/<slug>", es="/es/boletin/ediciones/<slug>")
EDITION_PICTURE = Address("/newsletter/pictures/<slug>")
FEED = Address("/newsletter/feed.xml", es="/es/boletin/feed.xml")
API = "/api/"
SIGN_UP_API = Address("/api/newsletter/subscriptions")

STAFF = Address("/staff")
STAFF_LOGIN = Address("/staff/login")
STAFF_INVITE = Address("/staff/invite/<token>")
STAFF_ACCOUNT = Address("/staff/account")
STAFF_REQUESTS = Address("/staff/requests")
STAFF_REQUEST = Address("/staff/requests/<reference>")
STAFF_PRESCRIBER = Address("/staff/prescribers/<who>")
STAFF_REPLIES = Address("/staff/replies")
STAFF_TEXTS = Address("/staff/texts")
STAFF_EDITIONS = Address("/staff/editions")
STAFF_SUBSCRIBERS = Address("/staff/subscribers")
STAFF_MAIL = Address("/staff/mail")
STAFF_REPORTS = Address("/staff/reports")
STAFF_AUDIT = Address("/staff/audit")
STAFF_PEOPLE = Address("/staff/people")
STAFF_SETTINGS = Address("/staff/settings")


def is_staff(path: str) -> bool:
    """Whether a path is the staff face's."""
    return path == STAFF or path.startswith(f"{STAFF}/")


ALL = tuple(one for one in list(globals().values()) if isinstance(one, Address))
LISTED = tuple(one for one in ALL if one.is_listed)  # beside the public texts, which the library knows
# What robots are asked to leave alone: pages for professionals, for staff, and for one person each.
NOT_FOR_ROBOTS = (
    PRESCRIBERS,
    STAFF,
    *dict.fromkeys(f"{one.root}/" for one in ALL if one.is_one_persons and not is_staff(one)),
)


def language_of(path: str) -> str:
    """What a path says of its language: `/es/…`; all others are in the usual one."""
    first = path.split("/")[1] if path.startswith("/") else ""
    return first if first in LANGUAGES else USUAL
