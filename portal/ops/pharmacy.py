"""The checks of what the pharmacy has told of itself, in the environment or on the page of settings."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy.exc import DBAPIError

from portal import office
from portal.clock import now
from portal.ops.finding import Finding
from portal.settings import settings


def holidays() -> Finding:
    """The answer-by promise knows the days we are closed."""
    days = settings().ORG.holidays
    today = now().date()
    if not any(today <= day <= today + timedelta(days=366) for day in days):
        remedy = (
            "Save the coming year's under /staff/settings, or in ORG_HOLIDAYS, like 2026-11-26,2026-12-25."
        )
        return Finding("holidays", False, "none in the next 12 months", remedy, serving=False, advice=True)
    return Finding("holidays", True, f"{len(days)} known", serving=False)


def chosen() -> Finding:
    """Which settings a manager has saved, and which the environment says."""
    try:
        office.keep_up(at_once=True)
        said = office.told()
    except DBAPIError as error:
        return Finding(
            "settings", False, type(error).__name__, "See the check named database.", serving=False
        )
    return Finding("settings", True, said, serving=False)


def facts() -> Finding:
    """Pages leave out what they were not told."""
    org = settings().ORG
    names = ("address", "phone", "fax", "hours", "license", "pic")
    absent = [f"ORG_{name.upper()}" for name in names if not getattr(org, name)]
    absent += [] if settings().REPLY_TO else ["REPLY_TO"]
    if absent:
        said, remedy = f"{', '.join(absent)} not set", "Pages and mails leave them out; set what there is."
        return Finding("facts", False, said, remedy, serving=False, advice=True)
    return Finding("facts", True, "complete", serving=False)
