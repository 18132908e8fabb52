"""The worker: runs every job of the register, each in a thread of its own, so that none waits for another.

While nobody saves anything and nothing falls due, no job looks: one look at the whole database (`Changes`), five
times a second, wakes them all. It has a thread of its own: a database that hangs keeps nobody from seeing that a step
does.

Any number may run; leases keep them apart. The first on a machine also holds a lock that the kernel lets go when it
dies, however it dies: whoever gets it next knows that a lease of this machine has no owner, and frees it at once.
"""

from __future__ import annotations

import fcntl
import logging
import os
import secrets
import socket
import threading
import time
from contextlib import suppress
from datetime import datetime
from typing import IO

from flask import Flask, current_app
from sqlalchemy.exc import DBAPIError

from portal import jobs, office
from portal.changes import Changes
from portal.clock import now
from portal.db import db, is_storage_fault, transaction
from portal.errors import Unavailable
from portal.jobs import JOBS, Hand, Job, NotNow
from portal.settings import settings

log = logging.getLogger(__name__)

IDLE_SECONDS = 0.5  # between two looks of one job at least, whatever is saved meanwhile
PERIODIC_SECONDS = 5.0  # the same, where it is whether a period is over
LONGEST_SECONDS = 30.0  # between two looks at most: leases end, clocks are set
REST_SECONDS = 10.0
STORAGE_SECONDS = 2.0
WATCH_SECONDS = 0.2
GRACE_SECONDS = 8.0  # for the steps in hand
FAULTS = (Exception, SystemExit)  # what a step may raise without ending its thread


class Worker:
    """One worker; `run` until `stop`, or `run_once` until nothing is due."""

    def __init__(self) -> None:
        self.name = f"{socket.gethostname()[:30]}-{os.getpid()}-{secrets.token_hex(3)}"
        self._app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
        self._stop = threading.Event()
        self._news = threading.Condition()
        self._saved = 0  # how often something was
        self._told = False
        self._lock: IO[str] | None = None
        self._began: dict[str, float] = {}  # the steps in hand, since when
        self.undone: dict[str, str] = {}  # what `run_once` could not do, and why

    def stop(self) -> None:
        """Finish the steps in hand, then end for good."""
        self._told = True
        self._stop.set()

    def run(self) -> list[str]:
        """Work until told to stop, or until a step never ends.

        Returns the jobs of such steps, unless told to stop: only a new process is rid of them.
        """
        log.info("worker started", extra={"worker": self.name})
        self._free_dead_leases()
        threading.Thread(target=self._listen, args=(Changes(db.engine),), daemon=True).start()
        threads = {job.name: threading.Thread(target=self._work, args=(job,), daemon=True) for job in JOBS}
        for thread in threads.values():
            thread.start()
        hung: list[str] = []
        while not hung and not self._stop.wait(WATCH_SECONDS):
            hung = self._hung()
        self._stop.set()
        self._wake()
        end = time.monotonic() + GRACE_SECONDS
        for name, thread in threads.items():
            if name not in hung:
                thread.join(max(0.0, end - time.monotonic()))
        self._let_go()
        log.info("worker stopped", extra={"worker": self.name})
        return [] if self._told else hung

    def run_once(self) -> int:
        """Do all that is due now, one job after the other; returns how many mails were handed over or given up.

        A job that fails holds up no other; `undone` says of each why.
        """
        self._free_dead_leases()
        office.keep_up()
        count = 0
        for job in JOBS:
            try:
                count += self.run_job(job)
            except NotNow as error:
                self.undone[job.name] = f"has to wait: {error}"
            except FAULTS as error:
                self.undone[job.name] = f"failed: {jobs.place(error)}"
        self._let_go()
        return count

    def run_job(self, job: Job, *, resting: bool = False) -> int:
        """Run one job until it has nothing more to do, also before its time, and with `resting` though it rests.

        Returns how many mails that were. Raises what the job raises, and NotNow when with `resting` another worker
        is at it.
        """
        office.keep_up()
        hand, begun = Hand(self.name, self._stop.wait), False
        try:
            while jobs.begin(job, worker=self.name, at=now(), early=True, resting=resting):
                begun = True
                if not job.step(hand):
                    jobs.end(job, worker=self.name, at=now())
                    break
        except FAULTS as error:
            self._failed(job, error)
            raise
        finally:
            hand.close()
        if resting and not begun:
            raise NotNow("another worker is at it")
        return hand.handled

    def _work(self, job: Job) -> None:
        hand = Hand(self.name, self._stop.wait)
        while not self._stop.is_set():
            saved, at, pause, is_idle = self._saved, now(), STORAGE_SECONDS, False
            try:
                with self._app.app_context():
                    office.keep_up()
                    pause, is_idle = self._round(job, hand)
            except Exception as error:  # to give a broken connection back can fail too; the job goes on
                log.warning("the database cannot be used now", extra={"reason": type(error).__name__})
            if not self._stop.wait(pause) and is_idle and self._saved == saved:
                self._rest(job, saved, at)
        hand.close()

    def _rest(self, job: Job, saved: int, at: datetime) -> None:
        """Wait, after a look at `at`, until something is saved or the job falls due by itself."""
        due_at = None
        # That a database is away is the next round's to tell.
        with suppress(Exception), self._app.app_context():
            due_at = jobs.next_look(job, at=at)
        rest = (due_at - now()).total_seconds() if due_at else LONGEST_SECONDS
        with self._news:
            self._news.wait_for(
                lambda: self._saved != saved or self._stop.is_set(), max(0.0, min(rest, LONGEST_SECONDS))
            )

    def _listen(self, changes: Changes) -> None:
        """Wake all when something was saved; where the database cannot say, at every look."""
        while not self._stop.wait(WATCH_SECONDS):
            if changes.look():
                self._wake()
        changes.close()

    def _wake(self) -> None:
        """Something may have been saved."""
        with self._news:
            self._saved += 1
            self._news.notify_all()

    def _round(self, job: Job, hand: Hand) -> tuple[float, bool]:
        """One step, if it is due; returns the seconds to wait before the next at least, and whether all is done."""
        idle = IDLE_SECONDS if job.every is None else PERIODIC_SECONDS
        try:
            if not jobs.begin(job, worker=self.name, at=now()):
                return idle, True
            self._began[job.name] = time.monotonic()
            more = job.step(hand)
            if not more:
                jobs.end(job, worker=self.name, at=now())
            return (0.0, False) if more else (idle, True)
        except FAULTS as error:
            return self._failed(job, error), False
        finally:
            self._began.pop(job.name, None)

    def _failed(self, job: Job, error: BaseException) -> float:
        """Keep what went wrong where it is to be kept; returns the seconds to wait."""
        try:
            db.session.rollback()
            if isinstance(error, NotNow):
                log.warning("a job has to wait", extra={"job": job.name, "reason": str(error)})
                jobs.put_off(job, str(error), worker=self.name, at=now())
                return REST_SECONDS
            if not _is_storage(error):
                log.error("a job failed", extra={"job": job.name, "reason": jobs.place(error)})
                jobs.fail(job, jobs.place(error), worker=self.name, at=now())
                return IDLE_SECONDS
        except Exception as another:
            error = another
        log.warning("the database cannot be used now", extra={"reason": type(error).__name__})
        return STORAGE_SECONDS

    def _hung(self) -> list[str]:
        at = time.monotonic()
        return [
            job.name
            for job in JOBS
            if (began := self._began.get(job.name)) and at - began > job.within.total_seconds()
        ]

    def _let_go(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _free_dead_leases(self) -> None:
        """On SQLite, which one machine holds: no other worker lives here, so every lease is a dead one's."""
        if db.engine.dialect.name != "sqlite":
            return
        lock = (settings().INSTANCE_DIR / "worker.lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            return
        self._lock = lock
        with transaction():
            jobs.recover()


def _is_storage(error: BaseException) -> bool:
    return isinstance(error, Unavailable) or (isinstance(error, DBAPIError) and is_storage_fault(error))
