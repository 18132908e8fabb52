"""A picture for editions is sent by staff, and what is none is refused."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable

import pytest
from flask import Flask
from PIL import Image

from portal.editions import pictures
from tests.conftest import Clock
from tests.editions.test_pictures import drawn
from tests.pages import Visitor
from tests.staff.test_uploads import multipart

PAGE = "/staff/editions/pictures"


def bomb() -> bytes:
    """Some bytes that say they are ten gigabytes."""
    raw = bytearray(drawn((16, 16)))
    at = raw.index(b"IHDR") + 4
    raw[at : at + 8] = (60_000).to_bytes(4, "big") * 2
    raw[at + 13 : at + 17] = zlib.crc32(raw[at - 4 : at + 13]).to_bytes(4, "big")
    return bytes(raw)


def moving() -> bytes:
    file = io.BytesIO()
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "blue")]
    frames[0].save(file, "WEBP", save_all=True, append_images=frames[1:])
    return file.getvalue()


@pytest.mark.parametrize(
    ("make", "name", "status", "said"),
    [
        (drawn, "a.png", 303, ""),
        (lambda: b"%PDF-1.7", "a.png", 415, "This page takes one still picture, as .jpg, .png or .webp"),
        (
            lambda: b"<svg xmlns='http://www.w3.org/2000/svg'/>",
            "a.svg",
            415,
            "This page takes one still picture",
        ),
        (lambda: drawn((9, 9), "L", "GIF"), "a.png", 415, "This page takes one still picture"),
        (bomb, "a.png", 415, "at most 25 million pixels"),
        (moving, "a.webp", 415, "one still picture"),
        (lambda: drawn(kind="JPEG")[:9000], "a.jpg", 422, "This file is damaged"),
        (lambda: b"a" * 8_000_001, "a.png", 413, "A file may have at most 8 MB here"),
    ],
)
def test_a_picture_that_is_none_is_refused_in_one_sentence(
    app: Flask,
    signed_in: Callable[..., Visitor],
    clock: Clock,
    make: Callable[[], bytes],
    name: str,
    status: int,
    said: str,
) -> None:
    visitor = signed_in("pharmacist")
    page = visitor.open(PAGE)
    tokens = {tag["name"]: tag["value"] for tag in page.soup.select("main input[type=hidden]")}
    clock.tick(seconds=5)

    answer = visitor.post(PAGE, **multipart(tokens, [(make(), name)]))

    assert answer.status_code == status
    assert said in answer.text
    with app.app_context():
        assert len(pictures.all_pictures()) == (status == 303)
