"""The press: Typst source on standard input, a PDF/UA-1 file on standard output behind one line with its pages.

A program of its own, run by path (`guide.py` does): Typst takes some 110 MB while it works and keeps much of it, and
a process gives back everything when it ends. The source is the one file it can read, the fonts are
those in Typst's own wheel, and the time is the one it is given (seconds since 1970), so equal input gives equal
bytes. Exit status 1, with Typst's complaint on standard error, for what cannot be set or would not be accessible.
"""

import re
import sys
import tempfile
from pathlib import Path
from typing import cast

import qrcode
import typst
from qrcode.image.svg import SvgPathImage

CODE = re.compile(rb'sys\.inputs\.at\("([0-9a-f]+)"\)')  # where a QR code leads to (`typesetting.qr`)
PAGES = "<pages>"  # the label under which the source says how many there are


def drawn(address: bytes) -> str:
    """A QR code of it, as SVG."""
    image = qrcode.make(address.decode(), image_factory=SvgPathImage, border=0)
    return cast(str, image.to_string(encoding="unicode"))


def main() -> int:
    """Set one document."""
    with tempfile.TemporaryDirectory() as folder:  # Typst reads files under its root alone: this one
        source = Path(folder, "guide.typ")
        source.write_bytes(text := sys.stdin.buffer.read())
        codes = {code.decode(): drawn(bytes.fromhex(code.decode())) for code in CODE.findall(text)}
        press = typst.Compiler(source, root=folder, ignore_system_fonts=True, sys_inputs=codes)
        try:
            made, warnings = press.compile_with_warnings(
                format="pdf", pdf_standards=["ua-1"], timestamp=int(sys.argv[1])
            )
            pages = press.query(PAGES, field="value", one=True)
        except typst.TypstError as error:
            sys.stderr.write(error.diagnostic)
            return 1
    sys.stderr.writelines(warning.diagnostic for warning in warnings)
    sys.stdout.buffer.write(f"{pages}\n".encode())
    sys.stdout.buffer.write(cast(bytes, made))  # the format is one that makes a single file
    return 0


if __name__ == "__main__":
    sys.exit(main())
