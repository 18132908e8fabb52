"""The move to our own sign-in, with rows in the old shape: accounts go on, and so do whole sessions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask
from flask_migrate import downgrade, upgrade
from sqlalchemy import text

from config import Config
from portal.app import create_app
from portal.db import db, writes_allowed
from tests.conftest import own_postgres

AT = datetime(2026, 1, 15, 18, tzinfo=UTC)
BEFORE, THIS = "0001", "0005"


@pytest.fixture(scope="module")
def old(
    tmp_path_factory: pytest.TempPathFactory, settings: dict[str, str], worker_id: str
) -> Iterator[Flask]:
    """A portal as the version before left it."""
    own = {**settings, "INSTANCE_DIR": str(tmp_path_factory.mktemp("old"))}
    if url := settings.get("DATABASE_URL"):
        own["DATABASE_URL"] = own_postgres(url, f"{worker_id}_old")
    app = create_app(Config.from_env(own))
    with app.app_context():
        upgrade(revision=BEFORE)
        plant()
        yield app
        db.session.remove()
    for face in (app, app.extensions["staff"]):
        with face.app_context():
            db.engine.dispose()


def run(statement: str, **values: Any) -> list[Any]:
    with writes_allowed(), db.engine.begin() as connection:
        result = connection.execute(text(statement), values)
        return list(result.mappings()) if result.returns_rows else []


def plant() -> None:
    """Ada has her app, Grace was interrupted while she set hers up, Tom only has his link."""
    for number, (name, method, secret) in enumerate(
        (("Ada", "authenticator", "sealed"), ("Grace", None, "never confirmed"), ("Tom", None, None)), 1
    ):
        run(
            'INSERT INTO "user" (id, email, name, role, active, password, fs_uniquifier, tf_primary_method, '
            "tf_totp_secret, totp_counter, created_at) VALUES (:id, :email, :name, 'desk', :yes, '$argon2id$', "
            ":key, :method, :secret, 58000000, :at)",
            id=number,
            email=f"{name}@b.example",
            name=name,
            key=f"key of {name}",
            method=method,
            secret=secret,
            yes=True,
            at=AT,
        )
    whole = {"_user_id": "key of Ada", "second_factor": 1, "fs_paa": 1768500000.5, "csrf_token": "c"}
    half = {"tf_user_id": "key of Ada", "tf_state": "ready", "csrf_token": "c"}
    for digest, user_id, data in (("whole", 1, whole), ("half", None, half)):
        run(
            "INSERT INTO staff_session (digest, user_id, data, browser, created_at, seen_at, expires_at) "
            "VALUES (:digest, :user_id, :data, '', :at, :at, :at)",
            digest=digest,
            user_id=user_id,
            data=json.dumps(data),
            at=AT,
        )
    run("INSERT INTO recovery_code (user_id, digest, created_at) VALUES (1, 'd', :at)", at=AT)


def test_rows_of_the_old_shape_go_there_and_back(old: Flask) -> None:
    upgrade(revision=THIS)

    people = run('SELECT name, password, session_key, totp_secret, totp_counter FROM "user" ORDER BY id')
    assert [tuple(person.values()) for person in people] == [
        ("Ada", "$argon2id$", "key of Ada", "sealed", 58_000_000),
        ("Grace", "$argon2id$", "key of Grace", None, 58_000_000),
        ("Tom", "$argon2id$", "key of Tom", None, 58_000_000),
    ]
    [session] = run("SELECT digest, data FROM staff_session")
    data = session["data"] if isinstance(session["data"], dict) else json.loads(session["data"])
    assert session["digest"] == "whole"
    assert (data["key"], data["password_at"], data["csrf_token"]) == ("key of Ada", 1768500000.5, "c")
    assert len(run("SELECT id FROM recovery_code")) == 1, "the codes of a table that was rebuilt"

    downgrade(revision=BEFORE)

    people = run('SELECT fs_uniquifier, tf_primary_method, tf_totp_secret FROM "user" ORDER BY id')
    assert [tuple(person.values()) for person in people] == [
        ("key of Ada", "authenticator", "sealed"),
        ("key of Grace", None, None),
        ("key of Tom", None, None),
    ]
    assert run("SELECT id FROM staff_session") == []
    assert len(run("SELECT id FROM recovery_code")) == 1
