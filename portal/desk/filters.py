"""Which requests a list shows, from the query string of its page.

A filter that is not on the list, or has a value that is none, is left out and named in `Filters.ignored`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from portal import text
from portal.desk import narrowing
from portal.desk.cursor import is_id
from portal.intake.models import OPEN, Kind, Status
from portal.npi.verdicts import Verdict

SEARCH_MAX = 100
SORT_ANSWER_BY = "answer_by"
SORT_NEWEST = "-received_at"
OPEN_WORD = "open"  # everything somebody still has to do something about
LATE_WORD = "late"  # open, and past its promise
TODAY_WORD = "today"  # promised for today
CALL_WORD = "call"  # a call is wanted
SNOOZED_WORD = "snoozed"  # set aside until a day
REFUSED_WORD = "refused"  # a mail to whoever asked was given up
REAL_WORD = "real"  # everything that is no spam
ALL_WORD = "all"
AWAY_WORD = narrowing.AWAY
WORDS = (OPEN_WORD, LATE_WORD, TODAY_WORD, CALL_WORD, SNOOZED_WORD, REFUSED_WORD, REAL_WORD, ALL_WORD)
NAMES = ("status", "kind", "verdict", "owner", "q", *narrowing.RULES, "sort")
# Lists that stay short however many requests there are, for they ask for a status that does not last.
SHORT = (OPEN_WORD, LATE_WORD, TODAY_WORD, CALL_WORD, SNOOZED_WORD, REFUSED_WORD, *OPEN)


@dataclass(frozen=True, kw_only=True)
class Filters:
    """What to show; every part of it stands in the address of the page."""

    status: str = ""  # open, late, all, or one Status; "": open, and while searching all
    kind: str = ""  # "", or one Kind
    verdict: str = ""  # "", or one Verdict on the NPI
    owner: str = ""  # "", me, none, away (whoever is out of office), or the id of an account
    q: str = ""
    since: str = ""  # a day on which it was received, or later
    until: str = ""
    topic: str = ""  # "", or one Topic
    promise: str = ""  # "", kept, missed
    call: str = ""  # "", any, or one CallOutcome
    sort: str = SORT_ANSWER_BY
    ignored: tuple[str, ...] = ()

    @classmethod
    def parse(cls, args: Mapping[str, str]) -> Filters:
        """From a query string; never raises."""
        known: dict[str, str] = {}
        ignored = []
        for name, is_good in (_RULES | narrowing.RULES).items():
            value = args.get(name, "").strip()
            if not value:
                continue
            if is_good(value):
                known[name] = value
            else:
                ignored.append(name)
        if search := args.get("q", ""):
            try:
                known["q"] = text.check(search, max_length=SEARCH_MAX)
            except ValueError:
                ignored.append("q")
        return cls(**known, ignored=tuple(ignored))

    @property
    def shows(self) -> str:
        """Which of them the list shows: whoever searches looks for somebody, wherever they stand."""
        return self.status or (ALL_WORD if self.q else OPEN_WORD)

    @property
    def is_newest_first(self) -> bool:
        """What is over stands newest first always: no promise of it is to come."""
        return self.sort == SORT_NEWEST or self.shows not in SHORT

    def args(self, **changes: str) -> dict[str, str]:
        """The query string of this list, with changes; what is the default is left out."""
        changed = replace(self, **changes)  # type: ignore[arg-type]
        return {
            name: getattr(changed, name) for name in NAMES if getattr(changed, name) != getattr(Filters, name)
        }


_RULES: dict[str, Callable[[str], bool]] = {
    "status": lambda value: value in (*WORDS, *Status),
    "kind": lambda value: value in set(Kind),
    "verdict": lambda value: value in set(Verdict),
    "owner": lambda value: value in ("me", "none", AWAY_WORD) or is_id(value),
    "sort": lambda value: value in (SORT_ANSWER_BY, SORT_NEWEST),
}
