"""How hard a text is to read, worked out offline: Flesch-Kincaid for English, INFLESZ for Spanish.

Flesch-Kincaid grade (Kincaid 1975): 0.39 words/sentence + 11.8 syllables/word - 15.59; 8 is the eighth school year.
INFLESZ (Barrio-Cantalejo 2008, on Szigriszt-Pazos): 206.835 - 62.3 syllables/word - words/sentence; 55 to 65 is
"normal", 65 to 80 "quite easy". Headings, which are not sentences, are left out; a list item counts as one.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from portal.library.markdown import Document

WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")

# Counted wrongly by the rules below, in the words that our pages use.
EXCEPTIONS = {
    "every": 2, "medicine": 3, "medicines": 3, "people": 2, "breathe": 1, "something": 2, "sometimes": 2,
    "someone": 2, "diarrhea": 4, "codeine": 2, "surgeon": 2, "pregnant": 2, "really": 2, "area": 3, "being": 2,
    "naltrexone": 3, "times": 1, "used": 1, "bedtime": 2, "larger": 2, "strange": 1, "eye": 1, "eyes": 1, "use": 1,
    "herbs": 1, "safely": 2, "are": 1, "awake": 2, "fda": 3, "ldn": 3, "er": 2,
}  # fmt: skip


@dataclass(frozen=True)
class Count:
    """What both formulae need."""

    words: int
    sentences: int
    syllables: int


def sentences(document: Document) -> list[str]:
    """The sentences of a text, without its headings and table cells."""
    found: list[str] = []
    for before, token in zip(document.tokens, document.tokens[1:], strict=False):
        if token.type != "inline" or before.type != "paragraph_open":
            continue
        words = "".join(
            child.content if child.type == "text" else " " if child.type == "softbreak" else ""
            for child in token.children or ()
        )
        found += split(words)
    return found


def split(words: str) -> list[str]:
    """The sentences of one paragraph or list item."""
    return [part for part in re.split(r"(?<=[.!?:])\s+", words.strip()) if WORD.search(part)]


def grade(document: Document) -> float:
    """The Flesch-Kincaid grade of an English text."""
    return grade_of(sentences(document))


def grade_of(parts: list[str]) -> float:
    """The Flesch-Kincaid grade of English sentences."""
    count = _count(parts, _english_syllables)
    return 0.39 * count.words / count.sentences + 11.8 * count.syllables / count.words - 15.59


def ease(document: Document) -> float:
    """The INFLESZ ease of a Spanish text; more is easier."""
    return ease_of(sentences(document))


def ease_of(parts: list[str]) -> float:
    """The INFLESZ ease of Spanish sentences."""
    count = _count(parts, _spanish_syllables)
    return 206.835 - 62.3 * count.syllables / count.words - count.words / count.sentences


def _count(parts: list[str], syllables: Callable[[str], int]) -> Count:
    words = [word for part in parts for word in WORD.findall(part)]
    return Count(len(words), len(parts), sum(syllables(word.lower()) for word in words))


def _english_syllables(word: str) -> int:
    if word in EXCEPTIONS:
        return EXCEPTIONS[word]
    if "-" in word:
        return sum(_english_syllables(part) for part in word.split("-"))
    groups = len(re.findall(r"[aeiouy]+", word))
    if re.search(r"[^aeiouyl]e$|[^aeiou]es$|[^aeioudt]ed$", word) and not re.search(
        r"(?:[sxz]|ch|sh|c|g)es$", word
    ):
        groups -= 1
    groups += len(re.findall(r"(?<![ct])ia|(?<![sct])io(?!n)|eo|[^aeiou]ism", word))
    return max(1, groups)


def _spanish_syllables(word: str) -> int:
    """Vowel groups, parted where two strong vowels, or a weak one with an accent, stand together."""
    word = re.sub(r"([qg])u(?=[eéií])", r"\1", word)
    word = re.sub(r"y$", "i", word)
    groups = re.findall(r"[aeiouáéíóúü]+", word)
    return max(
        1, sum(1 + len(re.findall(r"(?<=[aeoáéó])[aeoáéó]|[íú](?=[aeo])|(?<=[aeo])[íú]", g)) for g in groups)
    )
