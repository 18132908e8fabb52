"""Whether the portal lives and can work, and its figures, for monitors; and where to report a weakness."""

from __future__ import annotations

import hmac
import ipaddress
from datetime import timedelta

from flask import Blueprint, Response, abort, make_response, request

from portal import addresses
from portal.clock import now
from portal.ops import checks, metrics
from portal.ops.tally import answered
from portal.settings import settings

bp = Blueprint("ops", __name__)


@bp.get(addresses.HEALTHZ)
def healthz() -> Response:
    """200 while the process lives."""
    return _plain("ok\n")


@bp.get(addresses.READYZ)
def readyz() -> Response:
    """200 or 503 with each check's verdict; no detail that helps a stranger."""
    found = [check() for check in checks.SERVING]
    told = [check() for check in checks.TOLD]
    ok = all(finding.ok for finding in found)
    body = {
        "status": "ok" if ok else "failing",
        "checks": {item.name: item.ok or item.advice for item in (*found, *told)},
    }
    response = make_response(body, 200 if ok else 503)
    response.headers["Cache-Control"] = "no-store"
    return response


@bp.get(addresses.METRICS)
def figures() -> Response:
    """What a Prometheus scrapes: for this machine itself, or whoever brings METRICS_TOKEN. Nobody else finds it."""
    if not (_is_this_machine() or _has_token()):
        abort(404)
    response = _plain(metrics.text(answered, now()))
    response.headers["Content-Type"] = metrics.CONTENT_TYPE
    return response


def _is_this_machine() -> bool:
    """By its address, and by nobody's word: what came through a proxy that we were not told of is a stranger's."""
    if not settings().TRUSTED_PROXIES and {"X-Forwarded-For", "Forwarded", "Via"} & set(
        request.headers.keys()
    ):
        return False
    try:
        return ipaddress.ip_address(request.remote_addr or "").is_loopback
    except ValueError:
        return False


def _has_token() -> bool:
    token = settings().METRICS_TOKEN
    sent = request.headers.get("Authorization", "")
    return bool(token) and hmac.compare_digest(sent.encode(), f"Bearer {token}".encode())


@bp.get(addresses.SECURITY_TXT)
def security_txt() -> Response:
    """Where to report a weakness (RFC 9116)."""
    config = settings()
    expires = (now() + timedelta(days=300)).replace(hour=0, minute=0, second=0, microsecond=0)
    lines = [
        f"Contact: mailto:{config.REPLY_TO or config.MAIL_FROM}",
        f"Expires: {expires:%Y-%m-%dT%H:%M:%SZ}",
        f"Canonical: {config.BASE_URL}{addresses.SECURITY_TXT}",
        f"Preferred-Languages: {', '.join(addresses.LANGUAGES)}",
    ]
    return _plain("\n".join(lines) + "\n")


def _plain(text: str) -> Response:
    response = make_response(text)
    response.headers["Content-Type"] = "text/plain; charset=utf-8"
    response.headers["Cache-Control"] = "no-store"
    return response
