"""Compiled templates, kept in the cache: to compile those of one page takes longer than to render it many times."""

from __future__ import annotations

from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

from jinja2.bccache import Bucket, BytecodeCache

from portal import disk


class Compiled(BytecodeCache):
    """One file for each template; it holds as long as its source, Jinja, and `rules` (what filters and functions the
    templates were compiled for) are the same. A file that is broken, or cannot be written, costs time alone."""

    def __init__(self, folder: Path, rules: bytes) -> None:
        self._folder = folder
        self._made_by = f"{version('jinja2')} {rules!r} "

    def get_source_checksum(self, source: str) -> str:
        """What the compiled template depends on."""
        return super().get_source_checksum(self._made_by + source)

    def load_bytecode(self, bucket: Bucket) -> None:
        """Take what was kept; what is not whole is compiled anew."""
        with suppress(Exception):  # whatever a power cut left of it
            bucket.bytecode_from_string(self._path(bucket).read_bytes())

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep what was compiled."""
        with suppress(OSError):
            self._folder.mkdir(
                exist_ok=True
            )  # in a folder that is there: that one is made for its owner alone
            disk.keep(self._path(bucket), bucket.bytecode_to_string(), lasting=False)

    def _path(self, bucket: Bucket) -> Path:
        return self._folder / f"template-{bucket.key}"
