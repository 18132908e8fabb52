"""What a Prometheus scrapes, as text (https://prometheus.io/docs/instrumenting/exposition_formats/, version 0.0.4).

Each web process tells of its own answers, by its number; everything else is asked of the database at that moment.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from portal import jobs
from portal.asker import mailbox
from portal.db import db
from portal.intake.models import OPEN, Request, Status
from portal.mail import lanes
from portal.ops import host
from portal.ops.tally import BUCKETS, Tally

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
Sample = tuple[str, Mapping[str, object], float]  # what its name ends in, its labels, its value


def text(tally: Tally, at: datetime) -> str:
    """All of it. A database that does not answer is told as portal_database_up 0, and the rest of it left out."""
    lines = [*_answers(tally)]
    try:
        lines += [*_up(1), *_queue(at), *_mail(at), *_jobs(at)]
    except SQLAlchemyError:
        lines += _up(0)
    lines += [*_replies(), *_backup()]
    return "\n".join(lines) + "\n"


def _answers(tally: Tally) -> Iterator[str]:
    own = {"process": os.getpid()}
    answers, seconds = tally.told()
    yield from _family(
        "portal_answers_total",
        "counter",
        "Answers of this process by method, route and status; route ready: answered before Flask.",
        (
            ("", {"method": method, "route": route, "status": status, **own}, count)
            for (method, route, status), count in sorted(answers.items())
        ),
    )
    yield from _family(
        "portal_answer_seconds",
        "histogram",
        "How long Flask took, by route.",
        (sample for route, kept in sorted(seconds.items()) for sample in _histogram(route, kept, own)),
    )


def _histogram(route: str, kept: list[float], own: Mapping[str, object]) -> Iterator[Sample]:
    running = 0.0
    for bound, count in zip((*BUCKETS, "+Inf"), kept, strict=False):
        running += count
        yield "_bucket", {"route": route, "le": bound, **own}, running
    yield "_sum", {"route": route, **own}, kept[-1]
    yield "_count", {"route": route, **own}, running


def _up(value: int) -> Iterator[str]:
    return _family("portal_database_up", "gauge", "Whether the database answers.", [("", {}, value)])


def _replies() -> Iterator[str]:
    words = "Replies by mail that belong to no request, for a person to read."
    return _family("portal_replies_unmatched", "gauge", words, [("", {}, mailbox.left())])


def _queue(at: datetime) -> Iterator[str]:
    query = select(
        func.count(),
        func.count().filter(Request.status == Status.NEW, Request.owner_id.is_(None)),
        func.count().filter(Request.answer_by < at),
    )
    found = db.session.execute(query.where(Request.status.in_(OPEN))).one()
    states = zip(("open", "unassigned", "late"), found, strict=True)
    told = [("", {"state": state}, count) for state, count in states]
    return _family(
        "portal_requests", "gauge", "Requests that are open, and of them unassigned and late.", told
    )


def _mail(at: datetime) -> Iterator[str]:
    told = [("", {"state": state}, count) for state, count in lanes.counts().items()]
    yield from _family("portal_deliveries", "gauge", "Mails by what became of them.", told)
    oldest = lanes.oldest_due(at)
    waits = (at - oldest) / timedelta(seconds=1) if oldest else 0.0
    words = "For how long the mail that waits longest could have gone."
    yield from _family("portal_mail_waiting_seconds", "gauge", words, [("", {}, max(0.0, waits))])


def _jobs(at: datetime) -> Iterator[str]:
    known = [job for job in jobs.standings() if job.label]
    failures = [("", {"job": job.name}, job.failures) for job in known]
    yield from _family(
        "portal_job_failures", "gauge", "Failures in a row of each job of the worker.", failures
    )
    ran = [("", {"job": job.name}, job.ran_at.timestamp()) for job in known if job.ran_at]
    yield from _family(
        "portal_job_last_run_seconds", "gauge", "When each job was last done (Unix time).", ran
    )


def _backup() -> Iterator[str]:
    age = host.backup_age()
    told: list[Sample] = [("", {}, age / timedelta(seconds=1))] if age is not None else []
    return _family(
        "portal_backup_age_seconds", "gauge", "How old the newest backup is; absent: there is none.", told
    )


def _family(name: str, kind: str, words: str, samples: Iterable[Sample]) -> Iterator[str]:
    yield f"# HELP {name} {words}"
    yield f"# TYPE {name} {kind}"
    for ending, labels, value in samples:
        told = ",".join(f'{key}="{_escaped(str(label))}"' for key, label in labels.items())
        yield f"{name}{ending}{{{told}}} {value}" if told else f"{name}{ending} {value}"


def _escaped(label: str) -> str:
    return label.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
