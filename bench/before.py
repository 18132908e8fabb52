"""Version 0.1.0 beside this one: checked out from the history, with the packages it asks for, on the same machine."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from io import BytesIO
from pathlib import Path

from tests.live import ROOT

COMMIT = "73c479f"  # tagged v0.1.0
FOLDER = ROOT / ".tools" / "v0.1.0"


def python() -> str:
    """The interpreter of version 0.1.0's own environment; what is not there yet is made (about a minute)."""
    folder = checkout()
    found = folder / ".venv" / "bin" / "python"
    ready = folder / ".venv" / "ready"
    if not ready.exists():
        print("making the environment of version 0.1.0 …", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", folder / ".venv"], check=True)
        wanted = [*("--require-hashes", "-r", folder / "requirements.txt")]
        subprocess.run(
            [found, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted], check=True
        )
        compiled = [found.with_name("pybabel"), "-q", "compile", "--use-fuzzy", "-d", "portal/translations"]
        subprocess.run(compiled, cwd=folder, check=True)
        ready.touch()
    return str(found)


def checkout() -> Path:
    """The files of that version."""
    if not (FOLDER / "wsgi.py").exists():
        packed = subprocess.run(["git", "archive", COMMIT], cwd=ROOT, capture_output=True, check=True).stdout
        FOLDER.mkdir(parents=True, exist_ok=True)
        with tarfile.open(fileobj=BytesIO(packed)) as archive:
            archive.extractall(FOLDER, filter="data")
    return FOLDER
