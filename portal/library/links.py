"""Every link that leaves the portal, its form, and whether somebody answers at its other end.

`outside` and `faults_of` need no network. `check` asks for one address: HEAD, then GET where a server does not
answer HEAD as it would GET. Nothing of a visitor is ever in such a link.
"""

import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from portal.library.pages import Library

TIMEOUT = 5  # seconds
AT_ONCE = 6
AGENT = "Mozilla/5.0 (compatible; LDN Prescriber Portal link check)"
# The only questions a link of ours may ask, and where.
QUERIES = {
    "dailymed.nlm.nih.gov": {"setid"},
    "pubmed.ncbi.nlm.nih.gov": {"term"},
    "clinicaltrials.gov": {"intr"},
    "ijpc.com": {"ABS"},
}
# Patients write about their health there: brief of the content, "do not link".
NEVER = ("facebook.com", "fb.com")

REFUSALS = {401, 403, 405, 406, 429, 451, 503}  # what servers tell robots that a person would not hear
NO_ANSWER = 0


@dataclass(frozen=True)
class Verdict:
    """What became of one address; `status` is HTTP's, or NO_ANSWER."""

    address: str
    status: int
    detail: str = ""

    @property
    def is_good(self) -> bool:
        """Whether the page is there."""
        return 200 <= self.status < 400

    @property
    def is_refusal(self) -> bool:
        """Whether the server is there but does not serve programs: somebody has to look."""
        return self.status in REFUSALS

    @property
    def is_dead(self) -> bool:
        """Whether a reader would find nothing."""
        return not self.is_good and not self.is_refusal

    @property
    def words(self) -> str:
        """The verdict in words."""
        if self.status == NO_ANSWER:
            return f"no answer ({self.detail})"
        kind = "good" if self.is_good else "look by hand" if self.is_refusal else "dead"
        return f"{kind} ({self.status})" + (f", now at {self.detail}" if self.detail else "")


Ask = Callable[[str, str], Verdict]


def outside(library: Library) -> Mapping[str, tuple[str, ...]]:
    """Every outside address with the pages that link to it."""
    found: dict[str, list[str]] = {}
    for page in library.pages.values():
        addresses = [*page.document.outside, *(cited.work.address for cited in page.references)]
        for address in filter(None, dict.fromkeys(addresses)):
            found.setdefault(address, []).append(page.path)
    return {address: tuple(sorted(pages)) for address, pages in sorted(found.items())}


def faults_of(address: str) -> list[str]:
    """What is wrong with the form of one address."""
    parts = urlsplit(address)
    host = (parts.hostname or "").removeprefix("www.")
    faults = []
    if parts.scheme != "https":
        faults.append("is not https")
    if "." not in host or parts.username or parts.port:
        faults.append("names no plain host")
    if not address.isascii() or any(sign in address for sign in " <>\"'\\"):
        faults.append("is not percent-encoded")
    if not set(parse_qs(parts.query, keep_blank_values=True)) <= QUERIES.get(host, set()):
        faults.append("asks a question that is not on the list")
    if any(host == name or host.endswith(f".{name}") for name in NEVER):
        faults.append("leads where patients would show their health")
    return faults


def check(address: str, ask: Ask | None = None) -> Verdict:
    """Ask for one address."""
    ask = ask or over_http
    first = ask("HEAD", address)
    if first.is_good:
        return first
    second = ask("GET", address)
    return first if second.status == NO_ANSWER else second


def check_all(addresses: Iterable[str], ask: Ask | None = None) -> tuple[Verdict, ...]:
    """Ask for all, a few at once, in the order given."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return tuple(pool.map(lambda address: check(address, ask), addresses))


def is_offline(verdicts: Iterable[Verdict]) -> bool:
    """Whether nobody at all answered: then it is the network that is not there, not the pages."""
    return all(verdict.status == NO_ANSWER for verdict in verdicts)


def over_http(method: str, address: str) -> Verdict:
    """One request, redirects followed."""
    request = urllib.request.Request(address, method=method, headers={"User-Agent": AGENT, "Accept": "*/*"})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310 - https, see faults_of
            moved = answer.url if urlsplit(answer.url).hostname != urlsplit(address).hostname else ""
            return Verdict(address, answer.status, moved)
    except urllib.error.HTTPError as error:
        with error:
            return Verdict(address, error.code)
    except (OSError, ValueError) as error:
        return Verdict(address, NO_ANSWER, str(getattr(error, "reason", error)))
