"""Whether a name as typed is the name of a person in the registry: pure, and kind to how names are really written."""

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum


class Likeness(StrEnum):
    """How near two names are, or in which way they are only close."""

    SAME = "same"
    FORMER = "former_name"
    INITIAL = "initial"
    SHORT_FORM = "short_form"
    MIDDLE = "middle_name"
    DOUBLE = "double_family_name"
    SWAPPED = "swapped_order"
    DIFFERENT = "different"


# The nearest first.
ORDER = list(Likeness)


@dataclass(unsafe_hash=True)  # not frozen: that costs a look-up more than it is worth
class Registered:
    """A person's names as the registry has them; any of them may be empty."""

    last: str
    first: str
    middle: str = ""
    other_last: str = ""
    other_first: str = ""


_LETTERS = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "æ": "ae", "œ": "oe", "ı": "i", "ð": "d", "þ": "th"})
_APOSTROPHES = re.compile("['\u2018\u2019\u02bc`\u00b4]")
_NOT_LETTERS = re.compile(r"[\W\d_]+")
_DOTTED = re.compile(r"\b(?:[A-Za-z]{1,3}\.){2,}[A-Za-z]?")  # M.D., Ph.D., but also J.R.
_TITLES = frozenset({"dr", "dra", "doctor", "doctora", "prof", "professor", "mr", "mrs", "ms"})
_SUFFIXES = frozenset({"jr", "sr", "junior", "senior", "ii", "iii", "iv", "2nd", "3rd"})
_PARTICLES = frozenset(
    [
        "de",
        "del",
        "la",
        "las",
        "los",
        "da",
        "das",
        "do",
        "dos",
        "di",
        "van",
        "von",
        "der",
        "den",
        "y",
        "e",
        "al",
        "el",
        "bin",
        "ibn",
        "san",
    ]
)
# Taken off a name's end without a comma. Not DO and MA: those are family names.
_DEGREES = frozenset(
    [
        "md",
        "np",
        "pa",
        "pac",
        "dnp",
        "phd",
        "fnp",
        "aprn",
        "arnp",
        "crnp",
        "cns",
        "cnm",
        "dds",
        "dmd",
        "dpm",
        "nd",
        "rn",
        "mph",
        "msn",
        "pharmd",
        "facp",
        "faafp",
        "od",
    ]
)
_AFTER_A_COMMA = (
    _DEGREES
    | _SUFFIXES
    | frozenset(["do", "ma", "ms", "c", "bc", "mbbs", "crna", "dc", "lac", "fnpc", "fnpbc"])
)

_SHORT_FORMS = [
    set(line.split())
    for line in """
abigail abby
alejandro alex
alexander alex sandy
alexandra alex sandra
andrew andy drew
anthony tony antonio
barbara barb
benjamin ben
catherine katherine kathryn kate kathy katie cathy
charles charlie chuck carlos
christina christine chris tina
christopher chris
daniel dan danny
deborah debra deb debbie
donald don
dorothy dot
edward ed eddie ted
elizabeth liz beth betty eliza lisa
eugene gene
francisco paco frank
frederick fred
gerald jerry
gregory greg
guadalupe lupe
henry hank harry
ignacio nacho
jacob jake
james jim jimmy
jennifer jen jenny
jesus chuy
john jack johnny
jonathan jon
jose pepe
joseph joe joey
joshua josh
judith judy
kenneth ken
kimberly kim
lawrence larry
leonard len
margaret maggie meg peggy
matthew matt
michael mike
nicholas nick
pamela pam
patricia pat patty
patrick pat
peter pete
philip phil
rebecca becky
richard rick dick rich
robert bob rob bobby
ronald ron
samantha sam
samuel sam
stephen steven steve
susan sue susie
suzanne sue
theodore ted
theresa teresa terry
thomas tom tommy
timothy tim
victoria vicky
vincent vince
william bill will billy
""".strip().splitlines()
]


def plain(text: str) -> str:
    """Lower case, without accents and apostrophes; what is no letter becomes one blank."""
    bare = _APOSTROPHES.sub("", unicodedata.normalize("NFKD", text.casefold().translate(_LETTERS)))
    return _NOT_LETTERS.sub(" ", "".join(char for char in bare if not unicodedata.combining(char))).strip()


def likeness(typed: str, known: Registered) -> Likeness:
    """The nearest reading of the typed name, in any split into given and family names and in either order."""
    words = _typed(typed)
    whole = "".join(words)
    first, last = "".join(plain(known.first).split()), "".join(_family(known.last))
    if whole and whole == first + last:
        return Likeness.SAME
    found = Likeness.DIFFERENT
    for at in range(1, len(words)):
        head, tail = words[:at], words[at:]
        found = min(found, _compare(head, tail, known), key=ORDER.index)
        if _compare(tail, head, known) is not Likeness.DIFFERENT:
            found = min(found, Likeness.SWAPPED, key=ORDER.index)
    return found


def _typed(text: str) -> list[str]:
    """The words of a name, given names first, without titles, degrees and what only tells father from son."""
    text = _DOTTED.sub(lambda found: found[0].replace(".", ""), text)
    parts = [part for part in (plain(part).split() for part in text.split(",")) if part]
    extra = [part for part in parts[1:] if not set(part) <= _AFTER_A_COMMA]
    words = [*extra[0], *parts[0]] if extra else parts[0] if parts else []
    while len(words) > 1 and words[0] in _TITLES:
        words = words[1:]
    while len(words) > 2 and words[-1] in _DEGREES | _SUFFIXES:
        words = words[:-1]
    return words


def _family(text: str) -> list[str]:
    words = plain(text).split()
    while len(words) > 1 and words[-1] in _SUFFIXES:
        words = words[:-1]
    return words


def _compare(given: list[str], family: list[str], known: Registered) -> Likeness:
    families = [(known.last, Likeness.SAME), (known.other_last, Likeness.FORMER)]
    near_family = [_family_like(family, _family(name), like) for name, like in families if name]
    firsts = [(known.first, known.middle), (known.other_first, "")]
    near_given = [
        _given_like(given, plain(first).split(), plain(rest).split()) for first, rest in firsts if first
    ]
    if not near_family or not near_given:
        return Likeness.DIFFERENT
    return max(min(near_family, key=ORDER.index), min(near_given, key=ORDER.index), key=ORDER.index)


def _family_like(typed: list[str], known: list[str], like: Likeness) -> Likeness:
    if "".join(typed) == "".join(known):
        return like
    # An initial belongs to the given names.
    if any(len(word) == 1 and word not in _PARTICLES for word in typed):
        return Likeness.DIFFERENT
    one, other = set(typed) - _PARTICLES, set(known) - _PARTICLES
    return Likeness.DOUBLE if one and other and (one <= other or other <= one) else Likeness.DIFFERENT


def _given_like(typed: list[str], first: list[str], middle: list[str]) -> Likeness:
    joined, name = "".join(typed), "".join(first)
    if joined in (name, name + "".join(middle)):
        return Likeness.SAME
    head = typed[0]
    rest, behind = typed[1:], [*first[1:], *middle]
    # Another middle name is another person, a missing one is not; one letter stands for a name.
    if rest and behind and rest[0][0] != behind[0][0]:
        return Likeness.DIFFERENT
    if head in (first[0], name):
        return Likeness.SAME
    if (len(head) == 1 or len(first[0]) == 1) and head[0] == first[0][0]:
        return Likeness.INITIAL
    if any(head in group and first[0] in group for group in _SHORT_FORMS):
        return Likeness.SHORT_FORM
    return Likeness.MIDDLE if head in middle and len(head) > 1 else Likeness.DIFFERENT
