"""What can go wrong, in words a person can act on. No status codes here: `web.py` holds the only map."""


def N_(message: str) -> str:  # noqa: N802 - the name by which `make translations` finds what is marked
    """Mark a message that a Spanish page may show: who raises it knows no language, so the edge translates it."""
    return message


class PortalError(Exception):
    """A refusal with a message for the person; `field` names the form field it belongs to, if any."""

    def __init__(self, message: str = "", *, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field


class NotFound(PortalError):
    """There is no such thing, or it is not for this person to know."""


class Refused(PortalError):
    """A rule says no."""


class Forbidden(PortalError):
    """This person may not do that."""


class Conflict(PortalError):
    """Somebody else was first."""


class Expired(PortalError):
    """The link or the page is too old."""


class Unavailable(PortalError):
    """Something we stand on (the disk, the database) cannot do it now; nothing was saved."""


class TooMany(PortalError):
    """Too many tries from one place; `retry_after` is in whole seconds."""

    def __init__(self, message: str, *, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class CodeFaults(Exception):
    """The code contradicts itself: the portal does not start. `faults` names each."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults
