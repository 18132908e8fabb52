"""The words people agree to, each version kept for ever: what the form shows is exactly what stands here.

A text is never edited, only followed by a new version, because `consent_event` points at it by id, version and
SHA-256. The words name no pharmacy and no medicine, so a change of name makes no new version.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

FOREIGN = "other-site"  # words another site showed and sent us with the sign-up; kept with it


@dataclass(frozen=True)
class Words:
    """One version of one text in one language."""

    id: str
    version: int
    language: str
    text: str
    sha256: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sha256", hashlib.sha256(self.text.encode()).hexdigest())

    @property
    def name(self) -> str:
        """How another site names this text: `newsletter-1-en`."""
        return f"{self.id}-{self.version}-{self.language}"


TEXTS = (
    Words(
        "newsletter",
        1,
        "en",
        "By pressing “Sign up” I ask this pharmacy to send me its email newsletter on the topics I chose. "
        "I can stop at any time with the link in every email. "
        "Signing up or not changes nothing about my care or my prescriptions.",
    ),
    Words(
        "newsletter",
        1,
        "es",
        "Al pulsar «Inscribirme» pido a esta farmacia que me envíe su boletín por correo electrónico sobre los "
        "temas que elegí. Puedo dejar de recibirlo en cualquier momento con el enlace que trae cada correo. "
        "Inscribirme o no hacerlo no cambia nada de mi atención ni de mis recetas.",
    ),
    Words(
        "newsletter",
        2,
        "es",
        "Al pulsar «Inscribirme», pido a esta farmacia que me envíe su boletín por correo electrónico sobre los "
        "temas que elegí. Puedo dejar de recibirlo en cualquier momento con el enlace que trae cada correo. "
        "Inscribirme o no hacerlo no cambia nada de mi atención ni de mis recetas.",
    ),
)


def current(language: str) -> Words:
    """The newest version in that language."""
    return next(words for words in reversed(TEXTS) if words.language == language)


def shown_elsewhere(text: str, language: str) -> Words:
    """What another site says it showed: the name or the words of one of ours, or words of its own."""
    for words in TEXTS:
        if text in (words.name, words.text):
            return words
    return Words(FOREIGN, 1, language, text) if text else current(language)
