"""Nothing is rendered while a transaction is open: whoever waits for its lock would wait for the words too."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import before_render_template, has_request_context, request

from portal.db import _writing


@pytest.fixture(autouse=True)
def nothing_is_rendered_in_a_transaction() -> Iterator[None]:
    """Fails the test, whatever the portal makes of an error raised in the middle of a page."""
    rendered = set[str]()

    def look(_app: object, template: object, **_more: object) -> None:
        endpoint = request.endpoint if has_request_context() else None
        if _writing.get():
            rendered.add(f"{getattr(template, 'name', None)} at {endpoint}")

    with before_render_template.connected_to(look):
        yield
    assert not rendered, f"rendered while a transaction was open: {sorted(rendered)}"
