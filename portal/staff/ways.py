"""The way back to the list that somebody came from: the same view, filters and page, whatever they did meanwhile."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl, urlencode

from portal import addresses
from portal.desk.filters import NAMES, Filters

PARAMETERS = (*NAMES, "after")
LONGEST = 1_000
SAFE = "!$'()*,/:;?@"  # in a query, as Werkzeug spells it
EVERYTHING = "all"  # the way back to the list without filters, which has no query string


def list_address(args: Mapping[str, str], **more: str) -> str:
    """The address of a list; only parameters it knows."""
    known = {name: args[name] for name in PARAMETERS if name in args} | more
    return f"{addresses.STAFF_REQUESTS}{'?' if known else ''}{urlencode(known, safe=SAFE)}"


def way_to(filters: Filters, after: str | None) -> str:
    """A list as one word of another address."""
    here = urlencode(filters.args() | ({"after": after} if after else {}))
    return here if 0 < len(here) <= LONGEST else EVERYTHING


def known(way: str) -> str:
    """That word as this version understands it; nothing where there is none."""
    if not way or len(way) > LONGEST:
        return ""
    if way == EVERYTHING:
        return way
    args = dict(parse_qsl(way))
    return way_to(Filters.parse(args), args.get("after"))


def back_to(way: str, **more: str) -> str:
    """The address of the list that somebody came from."""
    return list_address(dict(parse_qsl("" if way == EVERYTHING else known(way))), **more)
