"""An edition in the programs that people read mail with: Thunderbird shows its HTML, mutt and s-nail its text.

Debian's packages, unpacked beside the tests where they are not installed. Thunderbird is 80 MB, so it is asked in the
long form alone (`make browsers`).
"""

from __future__ import annotations

import base64
import json
import os
import pty
import select
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from websockets.sync.client import ClientConnection

from portal.editions.models import Edition
from portal.newsletter.models import Language
from tests import debian
from tests.conftest import Clock
from tests.editions.conftest import send, step
from tests.figures import is_full
from tests.firefox import Remote, driven
from tests.mail.conftest import Sink
from tests.newsletter.people import make_subscriber

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("programs")]

MUTT = ("mutt", "libgpgme11", "libgssglue1", "libidn12", "libntlm0", "libgsasl18", "libtokyocabinet9")
HEAD = "From office@pharmacy.example Thu Jan 15 18:00:00 2026\n"  # of each mail in a mailbox file (RFC 4155)
ENDS_WITHIN = 20.0  # seconds, generous: the machine may be busy
SHOWN = """async () => {
  const end = Date.now() + 20000;
  const pane = () => document.getElementById('messageBrowser')?.contentDocument?.getElementById('messagepane');
  while (!pane()?.contentDocument?.querySelector('h1') && Date.now() < end)
    await new Promise(done => setTimeout(done, 100));
  const mail = pane().contentDocument, of = one => getComputedStyle(mail.querySelector(one));
  const picture = await window.browsingContext.currentWindowGlobal.drawSnapshot(null, 1, 'white');
  const canvas = new OffscreenCanvas(picture.width, picture.height);
  canvas.getContext('2d').drawImage(picture, 0, 0);
  const bytes = new Uint8Array(await (await canvas.convertToBlob()).arrayBuffer());
  let png = '';
  for (const byte of bytes) png += String.fromCharCode(byte);
  return JSON.stringify({
    said: mail.body.innerText, title: of('h1').fontSize, sheet: of('.sheet').backgroundColor,
    links: [...mail.querySelectorAll('a[href]')].map(one => one.href),
    wide: mail.documentElement.scrollWidth - mail.documentElement.clientWidth, png: btoa(png)});
}"""


@pytest.fixture
def sent(
    context: Flask, edition: Callable[..., Edition], clock: Clock, tmp_path: Path
) -> dict[Language, Path]:
    """A mail of an edition in each language, as it was handed over, in a file."""
    for language in Language:
        make_subscriber(context, address=f"{language}@mail.example", language=language)
    edition()
    clock.tick(minutes=10)
    sink = Sink()
    step()
    send(sink)
    found = {}
    for to, mail in zip(sink.recipients, sink.sent, strict=True):
        found[Language(to[:2])] = tmp_path / f"{to[:2]}.eml"
        found[Language(to[:2])].write_bytes(mail)
    return found


def mailbox(mail: Path) -> Path:
    """The mail in a mailbox file."""
    file = mail.with_suffix(".mbox")
    file.write_bytes(HEAD.encode() + mail.read_bytes().replace(b"\r\n", b"\n") + b"\n")
    return file


def mutt(mail: Path) -> str:
    """What it prints; it asks for a terminal."""
    found = debian.program("mutt", *MUTT)
    if found is None:
        pytest.skip("needs Debian's mutt")
    path, env = found
    printed, home = mail.with_suffix(".mutt"), mail.parent
    (home / "Mail").mkdir(exist_ok=True)
    keys = f'set wait_key=no print=yes print_decode=yes print_command="cat > {printed}"; push "<print-message><exit>"'
    command = [path, "-n", "-F", "/dev/null", "-R", "-f", str(mailbox(mail)), "-e", keys]
    told = {**env, "HOME": str(home), "TERM": "xterm", "LC_ALL": "C.UTF-8"}
    ours, its = pty.openpty()
    with subprocess.Popen(command, env=told, stdin=its, stdout=its, stderr=its) as process:
        os.close(its)
        end = time.monotonic() + ENDS_WITHIN
        while process.poll() is None and time.monotonic() < end:
            if select.select([ours], [], [], 0.05)[0] and not _read(ours):
                break
        process.kill()
    os.close(ours)
    return printed.read_text("utf-8")


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # nobody holds its other end any more
        return b""


def s_nail(mail: Path) -> str:
    """What it prints."""
    found = debian.program("s-nail", "s-nail")
    if found is None:
        pytest.skip("needs Debian's s-nail")
    path, env = found
    command = [path, "-n", "-R", "-S", "ttycharset=utf-8", "-S", "crt=", "-f", str(mailbox(mail))]
    told = {**env, "HOME": str(mail.parent), "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        command, env=told, input="type 1\nquit\n", capture_output=True, text=True, timeout=ENDS_WITHIN
    )
    return done.stdout


@pytest.mark.parametrize("program", [mutt, s_nail])
def test_a_program_for_text_shows_all_of_it(
    sent: dict[Language, Path], program: Callable[[Path], str]
) -> None:
    english, spanish = (program(sent[language]) for language in (Language.EN, Language.ES))

    for said, subject, stop in (
        (english, "Later on Thursdays", "Stop all emails:"),
        (spanish, "Los jueves, más tarde", "Dejar de recibir correos:"),
    ):
        lines = said.splitlines()
        assert f"Subject: {subject}" in lines
        assert "=====" in lines[lines.index("Hours" if said == english else "Horario") + 1]
        assert "[1] https://a.example/h" in lines
        assert "/newsletter/unsubscribe/" in lines[lines.index(stop) + 1], (
            "a link is whole, on a line of its own"
        )
        assert "1 Main Street, San Ramon" in said
        assert "=C3" not in said
        assert "<strong>" not in said and "**" not in said


class Thunderbird(Remote):
    """The window of one mail."""

    def __init__(self, socket: ClientConnection) -> None:
        super().__init__(socket)
        end = time.monotonic() + ENDS_WITHIN
        while not self._context and time.monotonic() < end:
            windows = self._ask("browsingContext.getTree", **{"moz:scope": "chrome"})["contexts"]
            named = [one["context"] for one in windows if one["url"].endswith("/messageWindow.xhtml")]
            self._context = named[0] if named else ""
            time.sleep(0.1)

    def shown(self) -> dict[str, Any]:
        """What stands in it."""
        found: dict[str, Any] = json.loads(self._function(SHOWN, awaits=True)["value"])
        return found


@pytest.mark.browser
def test_thunderbird_shows_it_as_it_is_meant(sent: dict[Language, Path], tmp_path: Path) -> None:
    found = debian.program("thunderbird", "thunderbird") if is_full() else None
    if found is None:
        pytest.skip("in the long form alone, and needs Debian's thunderbird")
    folder = Path(found[0]).resolve().parents[1] / "lib/thunderbird"
    command = [str(folder / "thunderbird"), "--headless", "--remote-allow-system-access"]
    first = {"mail.spotlight.firstRunDone": True}
    with driven(command, tmp_path, first, str(sent[Language.ES]), LD_LIBRARY_PATH=str(folder)) as socket:
        shown = Thunderbird(socket).shown()
    (tmp_path / "shown.png").write_bytes(base64.b64decode(shown["png"]))

    assert "Los jueves, más tarde" in shown["said"]
    assert "1 Main Street, San Ramon" in shown["said"]
    assert (shown["title"], shown["sheet"]) == ("24px", "rgb(255, 254, 251)")
    assert shown["links"][0] == "https://a.example/h"
    assert "/newsletter/unsubscribe/" in shown["links"][-1]
    assert shown["wide"] <= 0, "it scrolls sideways"
