"""How far an edition is, counted from its deliveries, and when that is reason to pause it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from portal import audit, jobs
from portal.editions.models import Edition, State
from portal.mail import course, rate, returns
from portal.mail.dsn import Kind
from portal.mail.models import Lane
from portal.mail.models import State as MailState

# Pause by itself: so many of at least so many results were refused.
RESULTS_MIN, REFUSED_MAX = 50, 0.05
POLICY_RESULTS_MIN, POLICY_MAX = 20, 0.1
COMPLAINTS_MIN, COMPLAINTS_MAX = 3, 0.003
SMALL, SMALL_COMPLAINTS = 500, 2
AGAIN = 1.25  # times the failures that a person saw and let it go on


@dataclass(frozen=True)
class Progress:
    """Where the deliveries of an edition stand; the parts always add up to the total, for they are its rows."""

    waiting: int
    held: int  # of those who wait
    doubtful: (
        int  # of those who wait: their worker died, or the server's answer was lost, so it may have been sent
    )
    doubted: int  # the same, and never tried again
    sent: int
    twice: int  # of those sent: perhaps twice, with the same bytes and Message-ID
    refused: int
    skipped: Mapping[str, int]
    put_off: int  # of those who wait: by a rule of their servers
    back: Mapping[str, int]  # what came back of those sent or refused, by kind
    unheard: int  # of those refused: not judged yet

    @property
    def failures(self) -> int:
        """What speaks against sending more."""
        kinds = (Kind.HARD, Kind.POLICY, Kind.COMPLAINT)
        return self.unheard + self.put_off + sum(self.back.get(kind, 0) for kind in kinds)

    @property
    def results(self) -> int:
        """Of how many it is known what became of them."""
        return self.sent + self.refused

    @property
    def total(self) -> int:
        """All of them."""
        return self.waiting + self.doubted + self.sent + self.refused + sum(self.skipped.values())


def trouble(now_at: Progress, excused: int = 0, *, is_called_unwanted_anew: bool = True) -> str:
    """Why it had better be looked at before more goes out, in words; nothing while all is well, or no worse than when
    a person saw `excused` failures, and what readers had called it until then, and let it go on."""
    if now_at.failures <= excused:
        return ""
    complaints = now_at.back.get(Kind.COMPLAINT, 0)
    most = SMALL_COMPLAINTS if now_at.total < SMALL else max(COMPLAINTS_MIN, COMPLAINTS_MAX * now_at.results)
    if is_called_unwanted_anew and complaints >= most:
        return f"{complaints} readers called it unwanted."
    if now_at.failures <= AGAIN * excused:
        return ""
    results = now_at.results
    gone = now_at.back.get(Kind.HARD, 0) + now_at.unheard
    if results >= RESULTS_MIN and gone > REFUSED_MAX * results:
        return f"{gone} of the first {results} were refused or came back: there is no such mailbox."
    policy = now_at.put_off + now_at.back.get(Kind.POLICY, 0)
    tried = results + now_at.put_off
    if tried >= POLICY_RESULTS_MIN and policy > POLICY_MAX * tried:
        return f"{policy} of the first {tried} were refused by a rule of their servers, which is about us."
    return ""


def trouble_of(edition: Edition, now_at: Progress) -> str:
    """The same of an edition; nothing while it is no worse than when a person let it go on, if one did."""
    if now_at.failures <= edition.excused:
        return ""
    resumed = audit.latest(edition.cause, "edition.resumed", 1)
    complained = returns.latest(edition.cause, Kind.COMPLAINT)
    is_new = not resumed or (complained is not None and complained > resumed[0].at)
    return trouble(now_at, edition.excused, is_called_unwanted_anew=is_new)


def what_limits(edition: Edition, pace: course.Pace, at: datetime) -> str:
    """Why what is being sent goes no faster, in words."""
    limit = rate.of(Lane.BULK)
    relay = next((job.last_error for job in jobs.standings() if job.name == f"mail.{Lane.BULK}"), "")
    if edition.state == State.PAUSED:
        return "It is paused."
    if relay and not pace.in_a_minute:
        return f"Nothing goes: {relay}."
    if pace.first_due and pace.first_due > at and not pace.in_a_minute:
        return "All who wait were put off by their servers, and are tried again later."
    if limit and pace.in_a_minute >= 0.9 * 60 * limit:
        return f"Our own limit of {limit:g} a second, of all workers together (MAIL_RATE_PER_SECOND)."
    if not pace.in_a_minute and not pace.workers:
        return "No worker has taken any for a minute. Is one running?"
    if not pace.in_a_minute:
        return "It has only begun."
    each = 60_000 * max(1, pace.workers) / pace.in_a_minute
    said = f"{pace.workers} workers are at it" if pace.workers > 1 else "One worker is at it"
    limited = f", under our own limit of {limit:g} a second" if limit else ", and no limit of ours"
    return f"The mail server: {said}, {each:.0f} ms a mail{limited}."


def progress(edition: Edition) -> Progress:
    """Counted from the rows."""
    counts = dict.fromkeys(MailState, 0)
    in_doubt = dict.fromkeys(MailState, 0)
    skipped: dict[str, int] = {}
    for row in course.standing(edition.cause):
        if row.state == MailState.WITHDRAWN and not row.is_doubtful:
            reason = row.reason or "cancelled"
            skipped[reason] = skipped.get(reason, 0) + row.count
        else:
            counts[row.state] += row.count
        if row.is_doubtful:
            in_doubt[row.state] += row.count
    waiting = counts[MailState.QUEUED] + counts[MailState.HELD]
    back = returns.counts(edition.cause)
    return Progress(
        waiting=waiting,
        held=counts[MailState.HELD],
        doubtful=in_doubt[MailState.QUEUED] + in_doubt[MailState.HELD],
        doubted=counts[MailState.WITHDRAWN],
        sent=counts[MailState.SENT],
        twice=in_doubt[MailState.SENT],
        refused=counts[MailState.DEAD],
        skipped=skipped,
        put_off=course.put_off_by_policy(edition.cause),
        back=back,
        unheard=max(0, counts[MailState.DEAD] - returns.refused(edition.cause)),
    )
