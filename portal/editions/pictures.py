"""Pictures of editions: our own files alone, decoded and written anew, so that nothing else of a file is kept.

A picture's name is a digest of its bytes and its size: its address never changes, and everybody's is the same.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.orm import undefer

from portal import audit
from portal.audit import Actor
from portal.db import db
from portal.editions.models import Edition, EditionPicture, EditionText
from portal.errors import Conflict, NotFound, Refused
from portal.uploads import PICTURE_FORMATS

if TYPE_CHECKING:
    from PIL.Image import Image

# Twice as wide as a mail shows it, so that it is sharp on every screen.
WIDTH, HEIGHT = 1120, 2240
QUALITY = 82  # of JPEG
PNG_MOST = 150_000  # bytes; what is larger is a photograph and becomes a JPEG
KINDS = {"jpg": "image/jpeg", "png": "image/png"}
_SHAPE = re.compile(r"[0-9a-f]{32}-\d{1,4}x\d{1,4}\.(jpg|png)")


@dataclass(frozen=True)
class Anew:
    """A picture as it is kept: its pixels alone."""

    content: bytes
    name: str


def keep(picture: Anew, *, by: Actor, at: datetime) -> EditionPicture:
    """Keep a picture; the same one twice is one."""
    name, content = picture.name, picture.content
    found = db.session.scalar(select(EditionPicture).where(EditionPicture.slug == name))
    if found is None:
        found = EditionPicture(slug=name, content=content, size=len(content), created_at=at)
        db.session.add(found)
        db.session.flush()
        audit.record(by, "edition.picture", f"picture:{name}", at=at)
    return found


def get(name: str) -> EditionPicture:
    """One, with its bytes; raises NotFound."""
    query = select(EditionPicture).where(EditionPicture.slug == name)
    found = (
        db.session.scalar(query.options(undefer(EditionPicture.content))) if _SHAPE.fullmatch(name) else None
    )
    if found is None:
        raise NotFound
    return found


def kind_of(name: str) -> str:
    """Its media type."""
    return KINDS[name.rpartition(".")[2]]


def all_pictures() -> Sequence[EditionPicture]:
    """Every one, newest first, without its bytes."""
    return db.session.scalars(select(EditionPicture).order_by(EditionPicture.id.desc())).all()


def known(names: Collection[str]) -> set[str]:
    """Which of these there are."""
    if not names:
        return set()
    return set(db.session.scalars(select(EditionPicture.slug).where(EditionPicture.slug.in_(names))))


def used_in(name: str) -> Sequence[str]:
    """The editions that show it."""
    shows = select(Edition.slug).join(EditionText).where(EditionText.source.contains(name, autoescape=True))
    return db.session.scalars(shows.distinct().order_by(Edition.slug)).all()


def delete(name: str, *, by: Actor, at: datetime) -> None:
    """Forget one that no edition shows; raises Conflict for one that is shown."""
    found = get(name)
    if slugs := used_in(name):
        raise Conflict(f"It is shown in {slugs[0]}.")
    db.session.delete(found)
    audit.record(by, "edition.picture-deleted", f"picture:{name}", at=at)


def anew(raw: bytes) -> Anew:
    """A file's picture, no wider than a mail needs; outside any transaction. Raises Refused for what cannot be
    decoded."""
    from PIL import Image, ImageOps  # where nobody sends a picture nothing of it is loaded

    try:
        with Image.open(io.BytesIO(raw), formats=PICTURE_FORMATS) as opened:
            opened.draft("RGB", (2 * WIDTH, 2 * WIDTH))  # a JPEG is decoded no larger than is needed
            if opened.mode.startswith(("I", "F")):
                raise Refused("Save the picture with 8 bits a color and send it again", field="file")
            if opened.mode in ("RGB", "RGBA", "CMYK", "L", "LA"):
                # Before anything else is made of so many pixels; however it is turned, it fits then.
                opened.thumbnail((max(WIDTH, HEIGHT), max(WIDTH, HEIGHT)))
            ImageOps.exif_transpose(opened, in_place=True)
            pixels = _in_srgb(opened)
    except Refused:
        raise
    except Exception as error:  # what a decoder makes of a broken file is anything
        raise Refused("This file is damaged: save the picture again and send that", field="file") from error
    pixels.thumbnail((WIDTH, HEIGHT))
    clean = Image.new(pixels.mode, pixels.size)
    clean.paste(pixels)
    content = _written(clean, "PNG", optimize=True)
    if len(content) <= PNG_MOST:
        return _named(content, "png", clean)
    if clean.mode == "RGBA":
        paper = Image.new("RGB", clean.size, "white")
        paper.paste(clean, mask=clean.getchannel("A"))
        clean = paper
    return _named(_written(clean, "JPEG", quality=QUALITY, optimize=True, progressive=True), "jpg", clean)


def _named(content: bytes, ending: str, image: Image) -> Anew:
    digest = hashlib.sha256(content).hexdigest()[:32]
    return Anew(content, f"{digest}-{image.width}x{image.height}.{ending}")


def _in_srgb(image: Image) -> Image:
    """The colors that every screen shows, for its own description of them is not kept."""
    from PIL import ImageCms

    profile = image.info.get("icc_profile")
    mode = "RGBA" if image.has_transparency_data else "RGB"
    if profile and image.mode in ("RGB", "RGBA", "CMYK"):
        try:
            given = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            made = ImageCms.profileToProfile(image, given, ImageCms.createProfile("sRGB"), outputMode=mode)
        except (ImageCms.PyCMSError, OSError, ValueError):
            made = None  # a description that cannot be read is none
        if made is not None:
            return made
    return image.convert(mode)


def _written(image: Image, kind: str, **how: object) -> bytes:
    into = io.BytesIO()
    image.save(into, kind, **how)
    return into.getvalue()
