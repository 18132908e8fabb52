"""Finds, and where it may installs, what the browser tests need: two browsers, axe-core, the Nu HTML checker.

`python -m tests.browser_tools` says in one line what is there and never fails: where something cannot be had, the
browser tests are skipped with that line. The versions, with their hashes, are in `tests/tools/package-lock.json`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WANTED = ROOT / "tests" / "tools"
TOOLS = ROOT / ".tools"
AXE = TOOLS / "node_modules" / "axe-core" / "axe.min.js"
NU = TOOLS / "node_modules" / "vnu-jar" / "build" / "dist" / "vnu.jar"
ARGUMENTS = [  # for Chromium, as root and with no network
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]


def chromium() -> str | None:
    """The browser's path, or None."""
    return next((path for name in ("chromium", "chromium-browser") if (path := shutil.which(name))), None)


def axe() -> str | None:
    """The accessibility checker's script, or None."""
    return AXE.read_text() if AXE.exists() else None


def nu() -> tuple[str, Path] | None:
    """The Java to run and the Nu HTML checker's jar, or None."""
    java = shutil.which("java")
    return (java, NU) if java and NU.exists() else None


def _try(*command: str, timeout: int = 400) -> bool:
    try:
        done = subprocess.run(command, capture_output=True, timeout=timeout, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def main() -> None:
    """Install what is missing and may be installed."""
    packages = [] if chromium() else ["chromium", "fonts-liberation"]
    packages += [] if shutil.which("java") else ["default-jre-headless"]
    packages += [] if shutil.which("firefox-esr") else ["firefox-esr"]
    if packages and os.geteuid() == 0 and shutil.which("apt-get"):
        _try("apt-get", "update", "-qq")
        _try("apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages)
    if not (AXE.exists() and NU.exists()) and shutil.which("npm"):
        TOOLS.mkdir(exist_ok=True)
        for file in WANTED.glob("*.json"):
            shutil.copy(file, TOOLS)
        _try("npm", "ci", "--prefix", str(TOOLS), "--ignore-scripts", "--no-audit", "--no-fund")
    found: dict[str, object] = {"chromium": chromium(), "firefox": shutil.which("firefox-esr")}
    found |= {"axe-core": AXE.exists(), "Nu HTML checker": nu()}
    words = ", ".join(f"{name} {'found' if there else 'not found'}" for name, there in found.items())
    sys.stdout.write(f"browser tests: {words}\n")


if __name__ == "__main__":
    main()
