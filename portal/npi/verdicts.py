"""What the national registry says of a request's prescriber, as one verdict: pure.

An NPI proves that somebody was given a number: neither a licence nor that the writer is that person.
"""

import re
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from portal.npi.names import Likeness, Registered, likeness


class Verdict(StrEnum):
    """In one word; the most serious first, and the last one when nobody could be asked."""

    DEACTIVATED = "deactivated"
    NOT_FOUND = "not_found"
    ORGANISATION = "organisation"
    NOT_PRESCRIBER = "not_prescriber"
    NAME_DIFFERS = "name_differs"
    LIMITED_SCOPE = "limited_scope"
    CREDENTIAL_DIFFERS = "credential_differs"
    STATE_DIFFERS = "state_differs"
    MATCH = "match"
    UNCHECKED = "unchecked"


WORDS = {
    Verdict.DEACTIVATED: "Deactivated",
    Verdict.NOT_FOUND: "Not found",
    Verdict.ORGANISATION: "Organization",
    Verdict.NOT_PRESCRIBER: "Not a prescriber",
    Verdict.NAME_DIFFERS: "Name differs",
    Verdict.LIMITED_SCOPE: "Limited scope",
    Verdict.CREDENTIAL_DIFFERS: "Credential differs",
    Verdict.STATE_DIFFERS: "State differs",
    Verdict.MATCH: "Match",
    Verdict.UNCHECKED: "Not checked",
}
SENTENCES = {
    Verdict.DEACTIVATED: "The registry has withdrawn this NPI.",
    Verdict.NOT_FOUND: "The registry does not know this NPI.",
    Verdict.ORGANISATION: "This NPI belongs to an organization, not to a person.",
    Verdict.NOT_PRESCRIBER: "The registry lists no profession for this NPI that may prescribe.",
    Verdict.NAME_DIFFERS: "The registry has another name for this NPI.",
    Verdict.LIMITED_SCOPE: "This profession may prescribe within limits only. A pharmacist decides.",
    Verdict.CREDENTIAL_DIFFERS: "The registry has another credential for this NPI.",
    Verdict.STATE_DIFFERS: "The registry lists neither a practice nor a license in the state given.",
    Verdict.MATCH: "Number, name and profession agree with the registry.",
    Verdict.UNCHECKED: "This NPI has not been checked: no registry could be asked.",
}

NOBODY = Registered("", "")
# The beginnings of taxonomy codes (NUCC), and who these are.
PRESCRIBERS = {
    "20": "physician",
    "363L": "nurse practitioner",
    "363A": "physician assistant",
    "364S": "clinical nurse specialist",
    "367A": "nurse midwife",
    "3675": "nurse anesthetist",
}
LIMITED = {
    "1223": "dentist",
    "213E": "podiatrist",
    "152W": "optometrist",
    "175F": "naturopath",
    "1835": "pharmacist",
    "3902": "student or resident",
}
# Some who may not prescribe, for a name that says more than a code.
OTHERS = {
    "111N": "chiropractor",
    "1711": "acupuncturist",
    "163W": "registered nurse",
    "164W": "practical nurse",
    "1041": "social worker",
    "101Y": "counselor",
    "103T": "psychologist",
    "106H": "family therapist",
    "2251": "physical therapist",
    "225X": "occupational therapist",
}


@dataclass(frozen=True)
class Typed:
    """What the request says; an empty credential or state is not compared."""

    name: str
    credential: str = ""
    state: str = ""


@dataclass(unsafe_hash=True, kw_only=True)  # not frozen: that is a fifth of a look-up's time
class Provider:
    """What the registry keeps of one number. Dates are ISO 8601, empty when there is none."""

    npi: str
    organisation: str = ""  # its name; empty: a person
    names: Registered = NOBODY
    credential: str = ""
    taxonomies: tuple[str, ...] = ()  # NUCC codes, the primary first
    states: tuple[str, ...] = ()  # of the practice, then of the licences
    phone: str = ""
    deactivated: str = ""
    reactivated: str = ""
    replacement: str = ""

    @property
    def is_active(self) -> bool:
        """Whether the number is in force: never withdrawn, or given back on that day or later."""
        return not self.deactivated or self.reactivated >= self.deactivated


@dataclass(frozen=True)
class Finding:
    """A verdict with all its reasons, in the registry as of a day."""

    headline: Verdict
    reasons: tuple[Verdict, ...]
    close: Likeness | None  # in which way a name is near rather than the same
    as_of: date | None
    replacement: str = ""

    @property
    def sentence(self) -> str:
        """The headline as a pharmacist would say it."""
        said = SENTENCES[self.headline]
        if self.headline is Verdict.MATCH and self.close:
            said = (
                f"Number and profession agree with the registry, and the name is close: {CLOSE[self.close]}."
            )
        return (
            f"{said} It names {self.replacement} as the number that replaced it."
            if self.replacement
            else said
        )


@dataclass(frozen=True)
class Answer:
    """What a registry said of a number, and as of which day; without a day nobody could be asked."""

    known: Provider | None
    as_of: date | None
    source: str = ""  # a file's name, or a host


NOBODY_ASKED = Answer(None, None)

CLOSE = {
    Likeness.FORMER: "the registry has it as another or former name",
    Likeness.INITIAL: "one of the two gives an initial only",
    Likeness.SHORT_FORM: "one of the two is a short form or another spelling",
    Likeness.MIDDLE: "the registry has that given name as a middle name",
    Likeness.DOUBLE: "one of the two gives more family names",
    Likeness.SWAPPED: "given and family name stand the other way round",
}

# Credentials that are written out, the longer first.
_WRITTEN_OUT = [
    (re.compile(rf"\b(?:{words})\b"), short)
    for words, short in {
        "physician(?:'?s)? (?:assistant|associate)": "pa",
        "nurse practitioner": "np",
        "nurse[ -]midwife|midwife": "cnm",
        "nurse ana?esthetist": "crna",
        "clinical nurse specialist": "cns",
        "medical doctor|doctor of medicine": "md",
        r"(?:doctor of )?osteopath\w*(?: medicine)?": "do",
        "physician": "md do",
        "dentist": "dds",
        "podiatrist": "dpm",
        "pharmacist|pharm d": "pharmd",
        r"naturopath\w*": "nd",
    }.items()
]
# Those that say the same for this purpose; what is none of these stands for itself.
_ALIKE = {
    "md": "md|mbbs|mbchb",
    "np": "[a-z]*np(?:c|bc)?|aprn(?:c|bc)?|apn",
    "pa": "r?pac?|dmsc",
    "cns": "[a-z]*cns(?:bc)?",
    "dentist": "dds|dmd",
    "pharmacist": "pharmd|rph",
    "nd": "nd|nmd",
}
_BETWEEN = re.compile(r"[,;/&\s-]+")
_CERTIFIED = frozenset(["c", "bc", "pc", "ac"])  # behind FNP-, PA-


def credentials(text: str) -> set[str]:
    """The groups of the credentials in a free text: "M.D., Ph.D." is {"md", "phd"}."""
    said = text.casefold().replace(".", "")
    for words, short in _WRITTEN_OUT:
        said = words.sub(short, said)
    found = [re.sub(r"[^a-z]", "", word) for word in _BETWEEN.split(said)]
    # "M D" and "P A - C": single letters are one credential.
    if all(len(word) <= 1 for word in found):
        found = ["".join(found)]
    return {_group(word) for word in found if word and word not in _CERTIFIED}


def _group(word: str) -> str:
    return next((group for group, words in _ALIKE.items() if re.fullmatch(words, word)), word)


def profession(code: str) -> str:
    """Who a taxonomy code stands for, in words where we have any."""
    known = PRESCRIBERS | LIMITED | OTHERS
    return next((who for start, who in known.items() if code.startswith(start)), f"other ({code})")


def phone_in_words(digits: str) -> str:
    """A telephone number as people here write it; what is no such number stays as the registry has it."""
    ten = re.fullmatch(r"(\d{3})(\d{3})(\d{4})", digits)
    return "({}) {}-{}".format(*ten.groups()) if ten else digits


def judge(typed: Typed, known: Provider | None, as_of: date | None) -> Finding:
    """The verdict on what was typed; without a day nobody was asked, without a provider nobody holds the number."""
    if as_of is None:
        return Finding(Verdict.UNCHECKED, (Verdict.UNCHECKED,), None, None)
    if known is None:
        return Finding(Verdict.NOT_FOUND, (Verdict.NOT_FOUND,), None, as_of)
    found = set()
    close = None
    if not known.is_active:
        found.add(Verdict.DEACTIVATED)
    if known.organisation:
        found.add(Verdict.ORGANISATION)
    elif known.names.last or known.names.first:  # a withdrawn number keeps little more than its date
        like = likeness(typed.name, known.names)
        close = like if like in CLOSE else None
        found |= _of_person(typed, known) | ({Verdict.NAME_DIFFERS} if like is Likeness.DIFFERENT else set())
    elif known.is_active:
        found.add(Verdict.NAME_DIFFERS)
    reasons = tuple(verdict for verdict in Verdict if verdict in found) or (Verdict.MATCH,)
    return Finding(reasons[0], reasons, close, as_of, known.replacement)


def _of_person(typed: Typed, known: Provider) -> set[Verdict]:
    found = set()
    if not any(code.startswith(tuple(PRESCRIBERS)) for code in known.taxonomies):
        limited = any(code.startswith(tuple(LIMITED)) for code in known.taxonomies)
        found.add(Verdict.LIMITED_SCOPE if limited else Verdict.NOT_PRESCRIBER)
    said, listed = credentials(typed.credential), credentials(known.credential)
    if said and listed and not said & listed:
        found.add(Verdict.CREDENTIAL_DIFFERS)
    if typed.state and known.states and typed.state.upper() not in known.states:
        found.add(Verdict.STATE_DIFFERS)
    return found
