"""What the worker does with mail."""

from __future__ import annotations

from datetime import timedelta

from portal.jobs import Hand, Job, NotNow
from portal.mail import service
from portal.mail.transport import RelayDown, Transport, transport_for
from portal.settings import settings

WITHIN = timedelta(minutes=3)  # a server may take its time


def _transport() -> Transport:
    config = settings()
    return transport_for(config.SMTP_URL, config.INSTANCE_DIR / "mail")


def _deliver(hand: Hand) -> bool:
    try:
        sent = service.deliver_one(hand.keep(_transport), worker=hand.worker, sender=settings().MAIL_FROM)
    except RelayDown as error:
        raise NotNow(str(error)) from error
    hand.handled += sent
    if sent and (rate := settings().MAIL_RATE_PER_SECOND):
        hand.wait(1 / rate)
    return sent


JOBS = (
    Job(
        name="mail.deliver",
        label="Sending mail",
        step=_deliver,
        within=WITHIN,
        recover=service.free_leases,
    ),
)
