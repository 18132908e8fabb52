"""Whether a name as typed is the name of a person in the registry: pure, and kind to how names are really written."""

import re
import unicodedata
from collections.abc import Iterator
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
_SAINT = re.compile(r"\bst\b")
_NOT_LETTERS = re.compile(r"[\W\d_]+")
_DOTTED = re.compile(r"\b(?:[A-Za-z]{1,4}\.){2,}[A-Za-z]?")  # M.D., Ph.D., but also J.R.
_CERTIFIED = re.compile(r"(?<=[A-Za-z])-(?=B?C\b)", re.IGNORECASE)  # PA-C, FNP-BC
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa"})


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_TITLES = _words("dr dra doctor doctora prof professor mr mrs ms")
_SUFFIXES = _words("jr sr junior senior ii iii iv rd")  # 3rd
_PARTICLES = _words("de del la las los da das do dos di van von der den y e al el bin ibn san saint")
# Taken off a name's end without a comma.
_DEGREES = _words(
    "md mbbs od dds dmd dpm np pa pac dnp fnp fnpc fnpbc agnp agnpc agnpbc pmhnp pmhnpbc whnp aprn arnp crnp cns cnm "
    "crna nd nmd rn pharmd phd mph mba msn facp faafp"
)
_PERHAPS_DEGREES = _words("do ma dc ms")  # which are family names too
_AFTER_A_COMMA = _DEGREES | _PERHAPS_DEGREES | _SUFFIXES | _words("c bc lac")

_SHORT_FORMS = [
    set(line.split())
    for line in """
abigail abby
albert al bert beto
alberto beto
alejandro alex
alexander alex sandy
alexandra alex sandra
amanda mandy
andrew andy drew
angela angie
anthony tony antonio
antonio tony
barbara barb
benjamin ben
beverly bev
bradley brad
catherine katherine katharine kathryn kate kathy katie cathy
charles charlie chuck carlos
christina christine chris tina
christopher chris
cynthia cindy
daniel dan danny
david dave
deborah debra deb debbie
donald don
dorothy dot
douglas doug
eduardo eddie lalo
edward ed eddie ted
edwin ed
elizabeth liz beth betty eliza lisa
enrique quique henry
eugene gene
francisco paco frank
frederick fred
gabriel gabe
geoffrey jeff geoff
gerald jerry
gregory greg
guadalupe lupe
guillermo memo
henry hank harry
ignacio nacho
jacob jake
jacqueline jackie
james jim jimmy
janet jan
jeffrey jeff
jennifer jen jenny
jesus chuy
joan joanie
john jack johnny
jonathan jon
jose pepe
joseph joe joey
joshua josh
judith judy
kathleen kathy katie kate
kenneth ken
kimberly kim
lawrence larry
leonard len
leonardo leo
louis lou
manuel manny
margaret maggie meg marge peggy
maria ma
matthew matt
maxwell max
michael mike
mohammed muhammad mohammad mohamed
nathan nate
nathaniel nate
nicholas nick
oliver ollie
pamela pam
patricia pat patty trish
patrick pat
peter pete
philip phil
phillip phil
raymond ray
rebecca becky becca
richard rick dick rich
robert bob rob bobby
roberto beto
ronald ron
samantha sam
samuel sam
sandra sandy
stephen steven steve
susan sue susie
susana susie
suzanne sue
teresa tere
theodore ted
theresa teresa terry
thomas tom tommy
timothy tim
valerie val
victoria vicky vicki
vincent vince
walter walt
william bill will billy
zachary zach zack
""".strip().splitlines()
]


def plain(text: str) -> str:
    """Lower case, without accents and apostrophes; what is no letter becomes one blank."""
    bare = _APOSTROPHES.sub("", unicodedata.normalize("NFKD", text.casefold().translate(_LETTERS)))
    letters = _NOT_LETTERS.sub(" ", "".join(char for char in bare if not unicodedata.combining(char)))
    return _SAINT.sub("saint", letters.strip())


def likeness(typed: str, known: Registered) -> Likeness:
    """The nearest reading of the typed name, in any split into given and family names and in either order."""
    return min(
        (_read(words, known) for words in _readings(typed)), key=ORDER.index, default=Likeness.DIFFERENT
    )


def _read(words: list[str], known: Registered) -> Likeness:
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


def _readings(text: str) -> Iterator[list[str]]:
    """The words of a name, given names first, without titles, degrees and what only tells father from son."""
    text = _CERTIFIED.sub("", _DOTTED.sub(_undotted, text))
    for spelled in dict.fromkeys((text, text.casefold().translate(_UMLAUTS))):
        parts = [part for part in (plain(part).split() for part in spelled.split(",")) if part]
        extra = [part for part in parts[1:] if not set(part) <= _AFTER_A_COMMA]
        if extra:
            yield _bare([*extra[0], *parts[0]])
        if parts and (
            not extra or len(parts[0]) > 1
        ):  # what is behind the comma may be a degree that is not known
            yield (words := _bare(parts[0]))
            if len(words) > 2 and words[-1] in _PERHAPS_DEGREES:
                yield words[:-1]


def _undotted(found: re.Match[str]) -> str:
    bare = found[0].replace(".", "")
    return bare if bare.casefold() in _AFTER_A_COMMA else found[0]


def _bare(words: list[str]) -> list[str]:
    while len(words) > 1 and words[0] in _TITLES:
        words = words[1:]
    if len(words) > 3 and words[-2:] == ["m", "d"]:
        words = words[:-2]
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
    if middle and joined == first[0][0] + middle[0][0]:
        return Likeness.INITIAL
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
