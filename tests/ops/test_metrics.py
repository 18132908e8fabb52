"""What a Prometheus scrapes: right figures in its own format, for this machine or with the token, for nobody else."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from flask import Flask
from sqlalchemy.exc import OperationalError

from config import ROOT, Config, ConfigError
from portal.db import db
from portal.ops import host
from portal.ops.tally import BUCKETS, Tally, answered
from portal.worker import Worker
from tests.conftest import Clock
from tests.intake.samples import submit

SAMPLE = re.compile(r"(?P<name>[a-z_]+)(?:\{(?P<labels>[^}]*)\})? (?P<value>[0-9.e+-]+|\+Inf)")
LABEL = re.compile(r'([a-z]+)="((?:[^"\\]|\\.)*)"(?:,|$)')
TOKEN = "q" * 20 + "w" * 20


def scrape(app: Flask, path: str = "/metrics", **more: object) -> dict[tuple[str, ...], float]:
    """Every sample by its name and labels, as a scraper reads them; what is no sample fails."""
    response = app.test_client().get(path, **more)  # type: ignore[arg-type]
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert response.headers["Cache-Control"] == "no-store"
    found, families = dict[tuple[str, ...], float](), list[str]()
    for line in response.text.splitlines():
        if line.startswith("# TYPE"):
            families.append(line.split()[2])
        if line.startswith("#"):
            continue
        sample = SAMPLE.fullmatch(line)
        assert sample and sample["name"].startswith(families[-1]), line
        labels = LABEL.findall(sample["labels"] or "")
        assert ",".join(f'{key}="{value}"' for key, value in labels) == (sample["labels"] or "")
        key = (sample["name"], *(value for name, value in labels if name != "process"))
        assert key not in found, line
        found[key] = float(sample["value"])
    assert len(set(families)) == len(families)
    return found


def test_the_figures_are_those_of_the_portal(app: Flask, clock: Clock) -> None:
    submit(app)
    before = scrape(app)
    app.test_client().get("/requests/consultation?x=1")
    app.test_client().get("/nowhere/quokka")
    after = scrape(app)

    route = ("GET", "/requests/consultation", "200")
    assert after["portal_answers_total", *route] == before.get(("portal_answers_total", *route), 0) + 1
    assert not [key for key in after if "quokka" in "".join(key)], "a path is nobody's label"
    assert after["portal_database_up",] == 1
    assert after["portal_requests", "open"] == after["portal_requests", "unassigned"] == 1
    assert after["portal_requests", "late"] == 0
    assert after["portal_deliveries", "queued"] > 0
    clock.tick(days=9, hours=1)
    later = scrape(app)
    assert later["portal_requests", "late"] == 1
    assert later["portal_mail_waiting_seconds",] == timedelta(days=9, hours=1).total_seconds()
    with app.app_context():
        Worker().run_once()
    done = scrape(app)
    assert done["portal_mail_waiting_seconds",] == 0 and done["portal_deliveries", "sent"] > 0
    assert done["portal_job_last_run_seconds", "mail.retire"] == clock().timestamp()
    assert done["portal_job_failures", "mail.retire"] == 0


def test_a_histogram_adds_up() -> None:
    tally = Tally()
    for seconds in (0.001, 0.01, 0.011, 9.0):
        tally.count("BREW", "/a", 200, seconds)
    answers, seconds_by_route = tally.told()

    assert answers == {("OTHER", "/a", 200): 4}
    kept = seconds_by_route["/a"]
    assert kept[:3] == [2, 1, 0] and kept[len(BUCKETS)] == 1 and round(kept[-1], 3) == 9.022


@pytest.mark.parametrize(
    ("changes", "address", "headers", "status"),
    [
        ({}, "127.0.0.1", {}, 200),
        ({}, "::1", {}, 200),
        ({}, "10.0.0.7", {}, 404),
        ({}, "127.0.0.1", {"X-Forwarded-For": "203.0.113.9"}, 404),  # a proxy that nobody told us of
        ({}, "127.0.0.1", {"Via": "1.1 proxy"}, 404),
        ({}, "", {}, 404),
        ({"METRICS_TOKEN": TOKEN}, "10.0.0.7", {}, 404),
        ({"METRICS_TOKEN": TOKEN}, "10.0.0.7", {"Authorization": f"Bearer {TOKEN}"}, 200),
        ({"METRICS_TOKEN": TOKEN}, "10.0.0.7", {"Authorization": f"Bearer {TOKEN}x"}, 404),
        ({"METRICS_TOKEN": TOKEN}, "10.0.0.7", {"Authorization": "Bearer ñ"}, 404),
        ({}, "10.0.0.7", {"Authorization": "Bearer "}, 404),
    ],
)
def test_nobody_else_finds_it(
    app: Flask,
    change_settings: Callable[..., None],
    changes: dict[str, str],
    address: str,
    headers: dict[str, str],
    status: int,
) -> None:
    change_settings(**changes)
    response = app.test_client().get("/metrics", headers=headers, environ_overrides={"REMOTE_ADDR": address})

    assert response.status_code == status


def test_a_database_that_is_gone_is_told(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_args: object, **_more: object) -> None:
        raise OperationalError("", {}, Exception("gone"))

    for verb in ("execute", "scalar", "scalars"):
        monkeypatch.setattr(db.session, verb, gone)
    monkeypatch.setattr(host, "backup_age", lambda: timedelta(hours=3))
    found = scrape(app)

    assert found["portal_database_up",] == 0 and found["portal_backup_age_seconds",] == 10800


def test_what_is_answered_before_flask_is_counted(app: Flask) -> None:
    answered.count("GET", "ready", 304)
    assert scrape(app)["portal_answers_total", "GET", "ready", "304"] >= 1


def test_a_token_is_long(settings: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="METRICS_TOKEN is too short"):
        Config.from_env({**settings, "METRICS_TOKEN": "short"}, tmp_path)


def test_the_alert_rules_name_only_what_is_told(app: Flask) -> None:
    told = {key[0] for key in scrape(app)} | {"portal_backup_age_seconds", "portal_mail_waiting_seconds"}
    rules = yaml.safe_load((ROOT / "deploy" / "alerts.yml").read_text())["groups"][0]["rules"]

    for rule in rules:
        named = set(re.findall(r"portal_[a-z_]+", rule["expr"]))
        assert named and named <= told | {name.removesuffix("_bucket") for name in told}, rule["alert"]
        assert rule["annotations"]["summary"] and rule["annotations"]["remedy"]
