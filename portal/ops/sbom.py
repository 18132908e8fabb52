"""What the portal is made of, as CycloneDX 1.5 JSON (https://cyclonedx.org/docs/1.5/json/)."""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path
from typing import Any

_PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;\\]+)")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


def made(lists: list[Path]) -> dict[str, Any]:
    """One component for each pin of the lists; its licence where it is installed here."""
    pins = dict[tuple[str, str], list[str]]()
    for path in lists:
        pin: tuple[str, str] | None = None
        for line in path.read_text(encoding="utf-8").splitlines():
            if found := _PIN.match(line):
                pin = (re.sub(r"[-_.]+", "-", found["name"]).lower(), found["version"])
                pins.setdefault(pin, [])
            if pin is not None:
                pins[pin] += _HASH.findall(line)
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": {"type": "application", "name": "ldn-prescriber-portal"}},
        "components": [_component(name, version, hashes) for (name, version), hashes in sorted(pins.items())],
    }


def _component(name: str, version: str, hashes: list[str]) -> dict[str, Any]:
    purl = f"pkg:pypi/{name}@{version}"
    # A pin has a hash for each file it may come as; CycloneDX says it so: one reference a file.
    references = [
        {"type": "distribution", "url": purl, "hashes": [{"alg": "SHA-256", "content": digest}]}
        for digest in sorted(set(hashes))
    ]
    component = {
        "type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl,
        "externalReferences": references,
    }  # fmt: skip
    return {**component, "licenses": [{"license": {"name": told}}]} if (told := _licence(name)) else component


def _licence(name: str) -> str:
    try:
        told = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return ""
    words = str(told.json.get("license_expression") or told.json.get("license") or "")
    if not words or len(words) > 80:  # some put the whole text there
        kinds = [line for line in told.get_all("Classifier") or () if line.startswith("License")]
        words = ", ".join(line.rpartition(" :: ")[2] for line in kinds)
    return words
