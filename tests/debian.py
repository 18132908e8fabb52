"""Programs of Debian's that a test runs beside the portal: those installed, else unpacked into .tools."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

from config import ROOT

FOLDER = ROOT / ".tools" / "debian"
PATH = "/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin"
LIBRARIES = "usr/lib/x86_64-linux-gnu", "usr/lib/aarch64-linux-gnu", "usr/lib"


def program(name: str, *packages: str) -> tuple[str, dict[str, str]] | None:
    """Its path and the environment to run it in; None where it is neither here nor to be had."""
    if found := shutil.which(name, path=PATH):
        return found, dict(os.environ)
    folder = unpacked(*packages)
    here = next(
        (path for path in (folder / "usr/sbin" / name, folder / "usr/bin" / name) if path.exists()), None
    )
    if here is None or not all(_mark(package).exists() for package in packages):
        return None
    return str(here), {**os.environ, "LD_LIBRARY_PATH": ":".join(str(folder / part) for part in LIBRARIES)}


def unpacked(*packages: str) -> Path:
    """The folder that all of these are unpacked into, as far as they could be had."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    FOLDER.chmod(0o755)  # some run as a user of their own, and the portal's commands narrow what is made
    root = FOLDER / "root"
    with (FOLDER / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for package in packages:
            if _mark(package).exists() or not shutil.which("apt-get"):
                continue
            wanted = ["apt-get", "download", "-qq", package]
            try:
                if subprocess.run(wanted, cwd=FOLDER, capture_output=True, timeout=120).returncode:
                    # The machine's list of packages may be missing, or older than what is offered now.
                    subprocess.run(["apt-get", "update", "-qq"], capture_output=True, timeout=300)
                    subprocess.run(wanted, cwd=FOLDER, check=True, capture_output=True, timeout=120)
                for file in FOLDER.glob(f"{package}_*.deb"):
                    subprocess.run(["dpkg", "-x", str(file), str(root)], check=True, capture_output=True)
                    file.unlink()
            except (OSError, subprocess.SubprocessError):
                continue
            _mark(package).touch()
    return root


def _mark(package: str) -> Path:
    return FOLDER / f"{package}.unpacked"
