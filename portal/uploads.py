"""The one way in for files: a route says beside its address what it takes; everything else is refused as ever.

    @bp.post("/staff/registry/import")
    @takes_upload("text/csv", most=2_000_000)
    def take_in() -> ResponseReturnValue: ...

Before a byte of such a post is read its length is held against the limit, and the staff face asks who sends it. Then
each file is looked at, by its name's ending and by what is in it; the view, with its form and the form's token, sees
only what passed. Files lie in memory, or past half a megabyte in a nameless temporary file, and go with the request.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from pathlib import PurePath
from typing import IO, TypeVar

from flask import Request, current_app, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from werkzeug.datastructures import FileStorage
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from portal.settings import settings

MULTIPART = "multipart/form-data"

View = TypeVar("View", bound=Callable[..., ResponseReturnValue])


class WrongFiles(HTTPException):
    """Files that this page does not take, or more than it takes."""

    code = 415


def _read_csv(file: IO[bytes]) -> None:
    """Read all of it as CSV (RFC 4180) in UTF-8; raises ValueError or csv.Error for what is none."""
    words = file.read().decode("utf-8-sig")
    if "\0" in words:
        raise ValueError("no text")
    for _row in csv.reader(io.StringIO(words, newline=""), strict=True):
        pass


def _read_picture(file: IO[bytes]) -> None:
    """See that it is a still picture, and how large it would be, before it is decoded; raises ValueError."""
    from PIL import Image  # where nobody sends a picture nothing of it is loaded

    Image.MAX_IMAGE_PIXELS = None  # which would warn, and refuse much later than we do
    try:
        with Image.open(file, formats=PICTURE_FORMATS) as image:
            is_wanted = image.width * image.height <= PICTURE_PIXELS and getattr(image, "n_frames", 1) == 1
            if is_wanted:
                image.verify()
    except Exception as error:  # what a decoder makes of a broken file is anything
        raise ValueError("no picture") from error
    if not is_wanted:
        raise ValueError("too many pixels, or moving")


PICTURE_FORMATS = ("JPEG", "PNG", "WEBP")
PICTURE_PIXELS = 25_000_000


@dataclass(frozen=True)
class Kind:
    """One kind of file: how its names end, how one is read to the end, and what is said of what is none."""

    endings: tuple[str, ...]
    read: Callable[[IO[bytes]], None]
    words: Callable[[], str]


# By media type. What a browser calls a file is no help: with a spreadsheet program installed a CSV file is
# `application/vnd.ms-excel`.
KINDS: Mapping[str, Kind] = {
    "text/csv": Kind(
        (".csv",),
        _read_csv,
        lambda: _("This page takes files that end in %(ending)s, with text in UTF-8.", ending=".csv"),
    ),
    "image/*": Kind(
        (".jpg", ".jpeg", ".png", ".webp"),
        _read_picture,
        lambda: _("This page takes one still picture, as .jpg, .png or .webp, of at most 25 million pixels."),
    ),
}


@dataclass(frozen=True)
class Upload:
    """What one route takes: files of one media type, of `most` bytes each, at most `files` of them."""

    kind: str
    most: int
    files: int = 1

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"nobody can look into {self.kind}: give uploads.KINDS a reader for it")

    @property
    def too_large(self) -> str:
        """What to say of more than `most`."""
        size = f"{self.most / 1_000_000:g} MB"
        return _("A file may have at most %(size)s here. Make it smaller and send it again.", size=size)

    def admit(self, sent: Request) -> None:
        """Give this post its own limit, before it is read; raises RequestEntityTooLarge."""
        # (A max_form_memory_size no larger than werkzeug's buffer, 64 KiB, would refuse every file that is longer.)
        sent.max_content_length = self.files * self.most + settings().MAX_CONTENT_LENGTH
        if (sent.content_length or 0) > sent.max_content_length:
            raise RequestEntityTooLarge

    def judge(self, given: list[FileStorage]) -> None:
        """Look at each file; raises WrongFiles or RequestEntityTooLarge. No file: the form says it."""
        if len(given) > self.files:
            raise WrongFiles(_("There are too many files. Send at most %(most)s.", most=self.files))
        kind = KINDS[self.kind]
        for file in given:
            if file.stream.seek(0, io.SEEK_END) > self.most:
                raise RequestEntityTooLarge
            file.stream.seek(0)
            try:
                if PurePath(file.filename or "").suffix.lower() not in kind.endings:
                    raise ValueError("another ending")
                kind.read(file.stream)
            except (ValueError, csv.Error) as fault:
                raise WrongFiles(kind.words()) from fault
            file.stream.seek(0)


def takes_upload(kind: str, *, most: int, files: int = 1) -> Callable[[View], View]:
    """Let a view take files of one media type (`KINDS`), of `most` bytes each; put it right under the route."""
    upload = Upload(kind, most, files)

    def around(view: View) -> View:
        @wraps(view)
        def run(*args: object, **values: object) -> ResponseReturnValue:
            upload.judge([file for _name, file in request.files.items(multi=True) if file.filename])
            return view(*args, **values)

        run.upload = upload  # type: ignore[attr-defined]
        return run  # type: ignore[return-value]

    return around


def declared() -> Upload | None:
    """What the route of this multipart post takes; None for any other post."""
    if request.mimetype != MULTIPART:
        return None
    return getattr(current_app.view_functions.get(request.endpoint or ""), "upload", None)
