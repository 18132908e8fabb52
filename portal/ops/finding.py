"""What one check says."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """What one check found; `remedy` is empty when all is well."""

    name: str
    ok: bool
    detail: str
    remedy: str = ""
    serving: bool = True  # whether /readyz asks it too
    advice: bool = False  # whether what is not well is no fault

    @property
    def is_fault(self) -> bool:
        """Whether it is an alarm."""
        return not self.ok and not self.advice
