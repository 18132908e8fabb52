"""The lists that everybody comes back to, and the words of what they are narrowed by."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

from portal.desk.filters import (
    ALL_WORD,
    CALL_WORD,
    LATE_WORD,
    OPEN_WORD,
    REAL_WORD,
    REFUSED_WORD,
    SNOOZED_WORD,
    SORT_ANSWER_BY,
    SORT_NEWEST,
    TODAY_WORD,
    Filters,
)
from portal.intake.models import STATUS_LABELS, Status
from portal.staff.ways import list_address


@dataclass(frozen=True)
class View:
    """A list that staff come back to."""

    tab: str
    heading: str
    filters: Filters
    count: str  # which of queue.Counts
    when_empty: str

    @cached_property
    def address(self) -> str:
        """The address of the list."""
        return list_address(self.filters.args())

    @property
    def is_counted_so(self) -> bool:
        """Whether that number is of these very rows; calls and refused mails are counted otherwise."""
        return self.count not in ("call", "refused")


VIEWS = (
    View(
        "Unassigned",
        "Unassigned requests",
        Filters(status=Status.NEW, owner="none"),
        "unassigned",
        "No unassigned requests.",
    ),
    View("Mine", "My requests", Filters(owner="me"), "mine", "You have no open requests."),
    View("Late", "Late requests", Filters(status=LATE_WORD), "late", "Nothing is late."),
    View(
        "Due today",
        "Requests promised for today",
        Filters(status=TODAY_WORD),
        "today",
        "Nothing more is promised for today.",
    ),
    View(
        "To call", "Requests that want a call", Filters(status=CALL_WORD), "call", "Nobody waits for a call."
    ),
    View(
        "Waiting",
        "Requests that wait for the prescriber",
        Filters(status=Status.WAITING),
        "waiting",
        "Nothing waits for a prescriber.",
    ),
    View(
        "Snoozed",
        "Requests that are set aside",
        Filters(status=SNOOZED_WORD),
        "snoozed",
        "Nothing is set aside.",
    ),
    View(
        "Mail refused",
        "Requests whose mail did not arrive",
        Filters(status=REFUSED_WORD),
        "refused",
        "No mail to a prescriber was given up.",
    ),
    View("All open", "Open requests", Filters(), "open", "Nothing is open."),
    View(
        "Answered",
        "Answered requests",
        Filters(status=Status.ANSWERED, sort=SORT_NEWEST),
        "answered",
        "Nothing is answered and still open to a reply.",
    ),
    View(
        "Closed",
        "Closed requests",
        Filters(status=Status.CLOSED, sort=SORT_NEWEST),
        "closed",
        "Nothing is closed yet.",
    ),
    View("Spam", "Spam", Filters(status=Status.SPAM, sort=SORT_NEWEST), "spam", "No spam."),
)
STATUS_CHOICES = {
    "": "All open, or all while searching",
    OPEN_WORD: "All open",
    LATE_WORD: "Late",
    TODAY_WORD: "Due today",
    CALL_WORD: "To call",
    SNOOZED_WORD: "Snoozed",
    REFUSED_WORD: "Mail refused",
    REAL_WORD: "All but spam",
    **{status.value: label for status, label in STATUS_LABELS.items()},
    ALL_WORD: "All",
}
SORT_CHOICES = {SORT_ANSWER_BY: "Soonest first (open ones)", SORT_NEWEST: "Newest first"}


def view_of(filters: Filters) -> View | None:
    """Which of them these filters are, whatever the order."""
    return _BY_FILTERS.get(replace(filters, sort="", ignored=()))


_BY_FILTERS = {replace(view.filters, sort=""): view for view in VIEWS}
