"""A zip's member as bytes, inflated by ISA-L at a third of what zlib costs."""

from __future__ import annotations

import gzip
import io
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO, Any

from isal import igzip, isal_zlib

FAULTS: tuple[type[Exception], ...] = (EOFError, gzip.BadGzipFile, isal_zlib.IsalError)  # type: ignore[assignment]
PIECE = 1 << 19  # several hundred rows: enough that what a call costs is little


def inflated(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[bytes]:
    """A member's bytes in pieces. Raises BadZipFile when they are not those that were zipped."""
    with archive.open(info):  # which reads the member's own header, and refuses what it cannot read
        pass
    file = archive.fp
    assert file is not None  # noqa: S101 - told to the type checker
    file.seek(info.header_offset + 26)
    lengths = file.read(4)
    start = info.header_offset + 30
    file.seek(start + int.from_bytes(lengths[:2], "little") + int.from_bytes(lengths[2:], "little"))
    if info.compress_type == zipfile.ZIP_DEFLATED:
        pieces = _of_gzip(_Gzip(file, info))
    elif info.compress_type == zipfile.ZIP_STORED:
        pieces = _stored(file, info)
    else:
        raise zipfile.BadZipFile("compressed in another way than Deflate")
    size = 0
    try:
        for piece in pieces:
            size += len(piece)
            if size > info.file_size:
                break
            yield piece
    except FAULTS as error:
        raise zipfile.BadZipFile("its bytes are not those that were zipped") from error
    if size != info.file_size:
        raise zipfile.BadZipFile("it has another size than its zip says")


def _of_gzip(file: _Gzip) -> Iterator[bytes]:
    with igzip.IGzipFile(fileobj=file, mode="rb") as whole:  # type: ignore[no-untyped-call]
        while piece := whole.read1(PIECE):
            yield piece


def _stored(file: IO[bytes], info: zipfile.ZipInfo) -> Iterator[bytes]:
    left, check = info.compress_size, 0
    while left and (piece := file.read(min(PIECE, left))):
        left, check = left - len(piece), zlib.crc32(piece, check)
        yield piece
    if check != info.CRC:
        raise zipfile.BadZipFile("its bytes are not those that were zipped")


class _Gzip(io.RawIOBase):
    """A deflated member as the gzip file that it nearly is: so one reader inflates it and holds it to its CRC."""

    def __init__(self, file: IO[bytes], info: zipfile.ZipInfo) -> None:
        self._file, self._left = file, info.compress_size
        self._before = b"\x1f\x8b\x08" + bytes(6) + b"\xff"
        self._after = struct.pack("<II", info.CRC, info.file_size & 0xFFFFFFFF)

    def readable(self) -> bool:
        """Whether it can be read: always."""
        return True

    def readinto(self, buffer: Any) -> int:
        """As `io.RawIOBase` has it; the buffer takes more than the few bytes before and behind."""
        if self._before:
            found, self._before = self._before, b""
        elif self._left:
            found = self._file.read(min(len(buffer), self._left))
            self._left = self._left - len(found) if found else 0
        else:
            found, self._after = self._after, b""
        buffer[: len(found)] = found
        return len(found)
