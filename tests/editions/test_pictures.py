"""Pictures of editions: only ours, without what stood in their files, and no mail needs them."""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable
from email import message_from_bytes, policy
from typing import Any
from xml.etree import ElementTree

import pytest
from bs4 import BeautifulSoup
from flask import Flask
from PIL import Image, ImageCms, PngImagePlugin

from portal import addresses
from portal.db import db, transaction
from portal.editions import pictures, proof, rendering, service
from portal.editions.models import Edition, EditionPicture
from portal.errors import Conflict, Refused
from portal.settings import settings
from tests import world
from tests.conftest import START, Clock
from tests.editions.conftest import DRAFT, send, step
from tests.mail.conftest import Sink
from tests.newsletter.people import make_subscriber
from tests.pages import Visitor

SECRET = b"taken at 37.78 N 121.97 W"
_numbers = itertools.count()


def drawn(size: tuple[int, int] = (1600, 800), mode: str = "RGB", kind: str = "PNG", **how: Any) -> bytes:
    made = Image.effect_noise(size, 60).convert(mode) if kind == "JPEG" else Image.new(mode, size, "#a4560a")
    file = io.BytesIO()
    made.save(file, kind, **how)
    return file.getvalue()


def with_place() -> bytes:
    exif = Image.Exif()
    exif[0x010E] = SECRET.decode()
    exif[0x0112] = 6  # held upright
    return drawn(kind="JPEG", exif=exif, comment=SECRET)


def with_words() -> bytes:
    words = PngImagePlugin.PngInfo()
    words.add_text("Comment", SECRET.decode())
    return drawn(pnginfo=words) + SECRET


def kept(raw: bytes) -> EditionPicture:
    picture = pictures.anew(raw)
    with transaction():
        return pictures.keep(picture, by=world.employ(f"Al Bo {next(_numbers)}"), at=START)


@pytest.mark.parametrize(
    ("make", "size", "ending"), [(with_place, (800, 1600), "jpg"), (with_words, (1120, 560), "png")]
)
def test_a_picture_is_its_pixels_alone(
    context: Flask, make: Callable[[], bytes], size: tuple[int, int], ending: str
) -> None:
    raw = make()
    found = kept(raw)

    with Image.open(io.BytesIO(found.content)) as image:
        assert (image.size, image.info.keys() & {"exif", "comment", "Comment", "icc_profile", "xmp"}) == (
            size,
            set(),
        )
    assert SECRET not in found.content
    assert found.slug.endswith(f"-{size[0]}x{size[1]}.{ending}")
    assert kept(raw).id == found.id, "the same picture twice is one"


def test_colors_of_another_space_are_shown_as_they_were_meant(context: Flask) -> None:
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes()
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for profile in (srgb, b"none", lab):
        with Image.open(io.BytesIO(kept(drawn((8, 8), icc_profile=profile)).content)) as image:
            assert image.getpixel((4, 4)) == (0xA4, 0x56, 0x0A)


@pytest.mark.parametrize(
    ("mode", "kind", "size", "ending"),
    [("RGBA", "PNG", (10, 10), "png"), ("P", "PNG", (10, 10), "png"), ("1", "PNG", (10, 10), "png"),
     ("CMYK", "JPEG", (1200, 1200), "jpg"), ("RGB", "WEBP", (9000, 9), "png"), ("L", "JPEG", (30, 2000), "jpg")],
)  # fmt: skip
def test_pictures_of_every_kind(
    context: Flask, mode: str, kind: str, size: tuple[int, int], ending: str
) -> None:
    found = kept(drawn(size, mode, kind))

    with Image.open(io.BytesIO(found.content)) as image:
        assert image.width <= pictures.WIDTH
        assert found.slug.endswith(f"-{image.width}x{image.height}.{ending}")
        assert image.mode in ("RGB", "RGBA")


def test_what_cannot_be_decoded_is_refused_in_words(context: Flask) -> None:
    for raw, said in (
        (drawn(kind="JPEG")[:9000], "damaged"),
        (deep(), "8 bits"),
    ):
        with pytest.raises(Refused, match=said):
            kept(raw)
    assert pictures.all_pictures() == []


def deep() -> bytes:
    file = io.BytesIO()
    Image.new("I;16", (4, 4)).save(file, "PNG")
    return file.getvalue()


def shown(app: Flask, **changes: Any) -> tuple[str, dict[str, Any]]:
    """A picture's address, and an edition's words that show it."""
    path = addresses.EDITION_PICTURE.of(slug=kept(drawn()).slug)
    source = f"## Hours\n\n![Our counter, *new*]({path})\n\nSee [our hours](https://a.example/h)."
    return path, {
        "source_en": source,
        "source_es": source.replace("Our counter", "Nuestro mostrador"),
        **changes,
    }


def test_mail_preview_and_archive_show_it_and_the_text_says_it(
    context: Flask, edition: Callable[..., Edition], clock: Clock, visitor: Visitor
) -> None:
    make_subscriber(context, address="en@mail.example")
    path, words = shown(context)
    made = edition(**words)
    clock.tick(minutes=10)
    step()
    sink = Sink()
    send(sink)

    mail = message_from_bytes(sink.sent[0], policy=policy.default)
    [tag] = BeautifulSoup(mail.get_body(("html",)).get_content(), "html.parser").select("img")  # type: ignore[union-attr]
    assert tag["src"] == settings().BASE_URL + path
    assert (tag["width"], tag["height"], tag["alt"]) == ("560", "280", "Our counter, new")
    assert "(Picture: Our counter, new)" in mail.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert "(Imagen: Nuestro mostrador, new)" in rendering.plain(words["source_es"], "Imagen")
    assert [found for _id, found in proof.verify(made)] == ["same"]
    [tag] = visitor.open("/newsletter/editions/march-2026").soup.select("article img")
    assert (tag["src"], tag["alt"], "style" in tag.attrs) == (path, "Our counter, new", False)
    feed = ElementTree.fromstring(visitor.client.get("/newsletter/feed.xml").data)
    assert f'src="{settings().BASE_URL}{path}"' in "".join(feed.itertext())


def test_its_address_is_for_ever_and_everybodys(context: Flask, visitor: Visitor) -> None:
    path, _words = shown(context)

    answer = visitor.client.get(path)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "image/png"
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert "Set-Cookie" not in answer.headers
    again = visitor.client.get(path, headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304
    for other in (
        path.replace("1120x560", "1120x561"),
        "/newsletter/pictures/x",
        path.replace(".png", ".jpg"),
    ):
        assert visitor.client.get(other).status_code == 404, other


@pytest.mark.parametrize(
    ("source", "finding"),
    [
        (
            "![A dog](https://a.example/dog.png)",
            "Line 1: Show one of our pictures: copy its line",
        ),
        (f"words\n![A dog](/newsletter/pictures/{'0' * 32}-3x3.png)", "Line 2: Show one of our pictures"),
        ("![A dog](data:image/png;base64,AAAA)", "Line 1: Show one of our pictures"),
        ("![ ](OURS)", "Line 1: Say between the brackets what the picture shows"),
        ("[![](OURS)](https://a.example)", "Line 1: The link “” does not say where it leads"),
    ],
)
def test_a_picture_is_ours_and_has_words(context: Flask, source: str, finding: str) -> None:
    path = addresses.EDITION_PICTURE.of(slug=kept(drawn()).slug)
    with transaction():
        words = {**DRAFT, "source_en": source.replace("OURS", path)}
        made = service.write(None, words, version=0, by=world.employ(f"Al Bo {next(_numbers)}"), at=START)

    assert any(str(found).startswith(finding) for found in service.check(made.text_in("en")))


def test_only_what_no_edition_shows_can_be_deleted(context: Flask) -> None:
    path, words = shown(context)
    with transaction():
        by = world.employ(f"Al Bo {next(_numbers)}")
        made = service.write(None, {**DRAFT, **words}, version=0, by=by, at=START)
    name = path.rpartition("/")[2]

    with pytest.raises(Conflict, match="It is shown in march-2026"), transaction():
        pictures.delete(name, by=by, at=START)
    with transaction():
        service.write(made, DRAFT, version=made.version, by=by, at=START)
        pictures.delete(name, by=by, at=START)
    assert db.session.query(EditionPicture).count() == 0
