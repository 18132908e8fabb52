"""How long each of the newsletter's tables keeps what, and how it is exported."""

from __future__ import annotations

from datetime import timedelta

from portal.keeping import Kept
from portal.newsletter.models import State

MONTH = timedelta(days=30)
KEPT = (
    Kept(
        table="signup",
        personal=("address", "address_key", "network"),
        rule="30 days after it was answered; a confirmed one's evidence has its own place",
        after=MONTH,
        since="answered_at",
        told={
            "en": ("A sign-up for news that was not confirmed", "30 days"),
            "es": ("Una inscripción al boletín sin confirmar", "30 días"),
        },
        whose=("address",),
        exported=("address", "language", "topics", "source", "page", "network", "at", "answered_at"),
    ),
    Kept(
        table="subscriber",
        personal=("address", "address_key", "handle", "leave_digest", "preferences_digest"),
        rule="until the person erases it; one that was never confirmed, 30 days",
        after=MONTH,
        since="created_at",
        only=("state", (State.PENDING,)),
        told={
            "en": ("Your address, topics and language for news", "Until you erase them"),
            "es": ("Su dirección, sus temas y su idioma para el boletín", "Hasta que usted los borre"),
        },
        whose=("address",),
        exported=("address", "state", "language", "created_at", "confirmed_at", "paused_until", "left_at"),
    ),
    Kept(
        table="subscription",
        rule="as long as its subscriber",
        of=("subscriber_id", "subscriber"),
        exported=("topic", "state", "changed_at"),
    ),
    Kept(
        table="consent_event",
        personal=("subject", "network"),
        rule="while subscribed and 5 years, then its count and digest (append-only; ended by `retention.sealed`); it "
        "names nobody but by a hash",
        told={
            "en": (
                "The record that you agreed to get news",
                "As long as you get it and 5 years more, without your address",
            ),
            "es": (
                "La prueba de que usted aceptó el boletín",
                "Mientras lo reciba y 5 años más, sin su dirección",
            ),
        },
        hidden="the person's own record page shows it; from here the hash leads to nobody",
    ),
    Kept(
        table="newsletter_token",
        rule="30 days; only its hash",
        after=MONTH,
        since="created_at",
        of=("subscriber_id", "subscriber"),
    ),
    Kept(
        table="tombstone",
        personal=("address_hash",),
        rule="until its end, if it has one; a keyed hash",
        after=timedelta(0),
        since="until",
        hidden="a keyed hash leads from here to nobody",
    ),
    Kept(
        table="newsletter_leave_request",
        personal=("address", "address_key"),
        rule="30 days after it was answered",
        after=MONTH,
        since="answered_at",
        whose=("address",),
        exported=("address", "at", "answered_at", "mailed_at"),
    ),
    Kept(
        table="newsletter_spent_link",
        rule="for ever; the hash of a random link that leads to nobody",
    ),
)
