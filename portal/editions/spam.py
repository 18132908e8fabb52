"""What SpamAssassin makes of a mail, where the machine has it: its own rules alone, nothing asked over the network.

It learns nothing from the mail and keeps nothing of it: its home is a folder that goes with it.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from email import message_from_bytes, policy

from portal.errors import Unavailable

PROGRAM = "spamassassin"
LONGEST = 60  # seconds; a slow machine reads its rules for ten
_SCORE = re.compile(r"score=(-?[\d.]+) required=(-?[\d.]+)")
_RULE = re.compile(r"\*\s+(-?\d+\.\d+) (\S+) ((?:(?! \*\s+-?\d+\.\d+ ).)*)")


@dataclass(frozen=True)
class Verdict:
    """Points, how many make it spam, and each rule that was met: its points, its name, its words."""

    points: float
    limit: float
    rules: list[tuple[float, str, str]]

    @property
    def is_spam(self) -> bool:
        """Whether a server with these rules and no others would put it aside."""
        return self.points >= self.limit


def is_here() -> bool:
    """Whether this machine has the program."""
    return shutil.which(PROGRAM) is not None


def verdict(mail: bytes) -> Verdict:
    """What its rules give for a whole mail. Raises Unavailable when it says nothing that can be read, or nothing in a
    minute."""
    with tempfile.TemporaryDirectory(prefix="scored-") as home:
        try:
            done = subprocess.run(  # noqa: S603 - the machine's own program, with words of ours
                [shutil.which(PROGRAM) or PROGRAM, "--local", "--nocreate-prefs",
                 "--cf", "use_bayes 0", "--cf", "add_header all Report _REPORT_"],
                input=mail, capture_output=True, timeout=LONGEST, check=True,
                env={"HOME": home, "PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
            )  # fmt: skip
        except (OSError, subprocess.SubprocessError) as fault:
            raise Unavailable("SpamAssassin did not answer.") from fault
    read = message_from_bytes(done.stdout, policy=policy.compat32)
    said, report = (" ".join(str(read[f"X-Spam-{name}"] or "").split()) for name in ("Status", "Report"))
    if not (found := _SCORE.search(said)):
        raise Unavailable("SpamAssassin did not say how many points it gives.")
    # Long words are folded between a star and more stars: "* 1.0 NAME words * words".
    rules = [
        (float(points), name, words.replace(" * ", " ").strip())
        for points, name, words in _RULE.findall(report)
    ]
    return Verdict(float(found[1]), float(found[2]), rules)
