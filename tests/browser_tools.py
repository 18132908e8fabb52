"""Finds, and where it may installs, what the browser tests need: Debian's Chromium and axe-core.

`python -m tests.browser_tools` says in one line what is there and never fails: where something cannot be had, the
browser tests are skipped with that line.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ROOT / ".tools"
AXE = TOOLS / "node_modules" / "axe-core" / "axe.min.js"
AXE_VERSION = "4.14.1"


def chromium() -> str | None:
    """The browser's path, or None."""
    return next((path for name in ("chromium", "chromium-browser") if (path := shutil.which(name))), None)


def axe() -> str | None:
    """The checker's script, or None."""
    return AXE.read_text() if AXE.exists() else None


def _try(*command: str, timeout: int = 400) -> bool:
    try:
        done = subprocess.run(command, capture_output=True, timeout=timeout, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def main() -> None:
    """Install what is missing and may be installed."""
    if chromium() is None and os.geteuid() == 0 and shutil.which("apt-get"):
        _try("apt-get", "update", "-qq")
        _try("apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium", "fonts-liberation")
    if axe() is None and shutil.which("npm"):
        TOOLS.mkdir(exist_ok=True)
        (TOOLS / "package.json").write_text("{}")
        wanted = f"axe-core@{AXE_VERSION}"
        _try("npm", "install", "--prefix", str(TOOLS), "--ignore-scripts", "--no-audit", "--no-fund", wanted)
    found = "found" if axe() else "not found"
    sys.stdout.write(f"browser tests: chromium {chromium() or 'not found'}, axe-core {found}\n")


if __name__ == "__main__":
    main()
