"""How long each of the intake's tables keeps what, and how it is exported."""

from __future__ import annotations

from portal.keeping import Kept

KEPT = (
    Kept(
        table="request",
        personal=(
            *("name", "credential", "npi", "practice", "email", "phone", "delegate_name", "delegate_email"),
            *("answer_email", "question", "address", "note"),
        ),
        rule="24 months after closing, then its kind, times and outcome only (`retention.requests`)",
        told={
            "en": (
                "A prescriber's request: who asked, what, our answer and the mails about it",
                "24 months after it was closed; after that, only what kind it was, and when",
            ),
            "es": (
                "La solicitud de un profesional: quién pregunta, qué pregunta, la respuesta y sus correos",
                "24 meses después de cerrarla; luego queda solo de qué tipo fue y cuándo",
            ),
        },
        whose=("email", "delegate_email", "answer_email"),
        exported=(
            *("reference", "kind", "status", "received_at", "answered_at", "closed_at"),
            *("name", "credential", "npi", "practice", "state", "email", "phone"),
            *("on_behalf", "delegate_name", "delegate_email", "answer_email", "topics", "question"),
            *("contact_method", "contact_window", "leave_message", "items", "delivery", "address", "note"),
        ),
    ),
    Kept(
        table="request_message",
        personal=("author_name", "text"),
        rule="as long as its request's text",
        of=("request_id", "request"),
        exported=("kind", "written_at", "author_name", "text"),
    ),
    Kept(
        table="request_term",
        personal=("term",),
        rule="as long as its request's names",
        of=("request_id", "request"),
        hidden="the same words stand in the request itself",
    ),
    Kept(
        table="request_word",
        personal=("term",),
        rule="as long as its request's text",
        of=("request_id", "request"),
        hidden="the same words stand in the request and its thread",
    ),
    Kept(
        table="npi_check",
        personal=("npi", "typed", "provider"),
        rule="as long as its request's text",
        of=("request_id", "request"),
        exported=("at", "npi", "typed", "verdict", "reasons", "as_of", "source", "provider"),
    ),
)
