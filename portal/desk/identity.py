"""The acts that make surer who asks: the registry again, a call to its number, a look at the license."""

from __future__ import annotations

from datetime import datetime

from portal.desk.acts import EVERYBODY, SENIOR, Act, Given, note
from portal.errors import Conflict
from portal.intake import checks
from portal.intake.models import Request, Status

WRITE_CALL = "Write whom you reached and what they said"
WRITE_LICENSE = "Write what the board's page says: license number, status, until when"
NO_NUMBER = "The registry has no telephone number for this NPI."


def _has_number(request: Request, _at: datetime, _given: Given) -> None:
    if not checks.numbers(request):
        raise Conflict(NO_NUMBER)


CHECK_AGAIN = Act(
    word="check-again",
    label="Check NPI again",
    done="The NPI is being checked again. Reload this page in a moment.",
    audit="request.npi_checked_again",
    told="NPI checked again",
    roles=EVERYBODY,
    starts=frozenset(Status),
    fits=lambda request: bool(request.npi),
    change=lambda _by, _at: {"verdict": ""},  # for the job that checks what has no verdict
    is_versioned=False,
)
CALL_BACK = Act(
    word="call-back",
    label="Record the call",
    done="The call is recorded.",
    audit="request.called_back",
    told="Called back, by the registry's number",
    roles=EVERYBODY,
    starts=frozenset(Status),
    fits=lambda request: bool(request.npi),
    asks="text",
    writes=True,
    missing=WRITE_CALL,
    limit=_has_number,
    then=note,
    is_versioned=False,
)
LICENSE = Act(
    word="license",
    label="Record what you found",
    done="The look-up is recorded.",
    audit="request.license_looked_up",
    told="License looked up",
    roles=SENIOR,
    starts=frozenset(Status),
    fits=lambda request: bool(request.npi),
    asks="text",
    writes=True,
    missing=WRITE_LICENSE,
    then=note,
    is_versioned=False,
)
ON_NPI = (CHECK_AGAIN, CALL_BACK, LICENSE)  # offered beside what the registry says
