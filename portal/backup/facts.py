"""What a backup's manifest says of the database in it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Facts:
    """Of the very moment that was copied."""

    schema: str
    counts: dict[str, int]  # rows by table
    audit_head: int  # the last entry's number
    audit_seal: str = ""  # number and MAC of the last seal
