"""The portal's own texts, and a pharmacist; what a test signs is gone after it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask

from portal.app import CONTENT
from portal.db import transaction
from portal.library import loading
from portal.library.pages import Library
from portal.people.models import User
from portal.review.shelf import Shelf
from tests import world


@pytest.fixture(scope="session")
def library() -> Library:
    return loading.load(CONTENT)


@pytest.fixture
def shelf(app: Flask) -> Iterator[Shelf]:
    found: Shelf = app.extensions["shelf"]
    yield found
    found._mark.unlink(missing_ok=True)
    found.shown = app.extensions["library"] = found.read
    app.extensions["ready"]._seen = None


@pytest.fixture
def context(app: Flask, shelf: Shelf) -> Iterator[Flask]:
    with app.app_context():
        yield app


@pytest.fixture
def pharmacist(context: Flask) -> User:
    with transaction():
        return world.employ("Ada Park", "pharmacist")
