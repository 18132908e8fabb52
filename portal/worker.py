"""The mail worker: answers sign-ups, empties the outbox, keeps house.

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
from datetime import timedelta
from typing import IO

from sqlalchemy.exc import DBAPIError

from portal.clock import now
from portal.db import db, transaction
from portal.errors import Unavailable
from portal.mail import service as mail
from portal.mail.transport import RelayDown, transport_for
from portal.newsletter import service as newsletter
from portal.people import credentials, invitations
from portal.settings import settings

log = logging.getLogger(__name__)

IDLE_SECONDS = 0.5
REST_SECONDS = 10.0
HOUSEKEEPING_EVERY = timedelta(minutes=10)


class Worker:
    """One worker; `run` until `stop`, or `run_once` until nothing is due."""

    def __init__(self) -> None:
        config = settings()
        self.name = f"{socket.gethostname()[:30]}-{os.getpid()}-{secrets.token_hex(3)}"
        self.sender = config.MAIL_FROM
        self.keys = config.keys
        self.transport = transport_for(config.SMTP_URL, config.INSTANCE_DIR / "mail")
        self._stop = threading.Event()
        self._lock: IO[str] | None = None
        self._kept_house_at = now() - HOUSEKEEPING_EVERY

    def stop(self) -> None:
        """Finish the mail in hand, then end."""
        self._stop.set()

    def run(self) -> None:
        """Work until told to stop; a fault of storage or relay makes it rest, not die."""
        log.info("worker started", extra={"worker": self.name})
        self._free_dead_leases()
        while not self._stop.is_set():
            try:
                busy = self._round()
                pause = 0.0 if busy else IDLE_SECONDS
            except RelayDown as error:
                log.warning("the mail server is down", extra={"reason": str(error)})
                pause = REST_SECONDS
            except (Unavailable, DBAPIError) as error:
                log.warning("the database cannot be used now", extra={"reason": type(error).__name__})
                pause = REST_SECONDS / 5
            finally:
                db.session.remove()
            self._stop.wait(pause)
        self.close()
        log.info("worker stopped", extra={"worker": self.name})

    def run_once(self) -> int:
        """Do all that is due now; returns how many mails were handed over or given up. Raises RelayDown."""
        self._free_dead_leases()
        self._keep_house()
        count = 0
        try:
            while newsletter.answer_signups(keys=self.keys, at=now()):
                pass
            while mail.deliver_one(self.transport, worker=self.name, sender=self.sender):
                count += 1
        finally:
            self.close()
        return count

    def close(self) -> None:
        """Let go of the server and the lock."""
        self.transport.close()
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _keep_house(self) -> None:
        """Remind, end pauses, and forget what is over."""
        newsletter.housekeeping(keys=self.keys, at=now())
        with transaction():
            credentials.purge_sessions(at=now())
            invitations.purge(at=now())

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
            mail.free_leases()

    def _round(self) -> bool:
        """One step of each kind of work; whether there may be more at once."""
        at = now()
        if at - self._kept_house_at >= HOUSEKEEPING_EVERY:
            self._keep_house()
            self._kept_house_at = at
        answered = newsletter.answer_signups(keys=self.keys, at=at)
        sent = mail.deliver_one(self.transport, worker=self.name, sender=self.sender)
        if sent and (rate := settings().MAIL_RATE_PER_SECOND):
            time.sleep(1 / rate)
        return bool(answered) or sent
