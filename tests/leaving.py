"""What a test must leave as it found it: what the whole process, or its one portal, keeps for the tests after it.

A test that leaves something changed passes, and in some run or other another fails for it. So it fails itself, with
the names of what it left. The look comes when all fixtures of the test have ended: what `monkeypatch` or a fixture
takes back is in its place. Our modules have very many names, which are looked at after the last test of a file. In
the journeys other portals run, which change what is one for the process.
"""

from __future__ import annotations

import gc
import logging
import operator
import os
import resource
import signal
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, has_app_context

from portal import db

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM, signal.SIGUSR1)
LIMITS = (resource.RLIMIT_AS, resource.RLIMIT_FSIZE)  # who starts a web server raises that of open files
NOT_OURS = {"PYTEST_CURRENT_TEST"}

Things = dict[str, tuple[Mapping[str, Any], list[str], list[Any]]]  # whose, names, values

_process: dict[str, object] = {}
_things: Things = {}  # of the portal
_modules: Things = {}
_objects: dict[str, tuple[object, frozenset[str]]] = {}  # of the portal, and what names each has of its own
_portal: list[Flask] = []


def of_the_process() -> dict[str, object]:
    """What there is one of in a process, by name."""
    log = logging.root
    return {
        "os.environ": {name: value for name, value in os.environ.items() if name not in NOT_OURS},
        "the working folder": Path.cwd(),
        "sys.path": list(sys.path),
        "signals": [signal.getsignal(one) for one in SIGNALS],
        "limits": [resource.getrlimit(one) for one in LIMITS],
        "the root log": (log.level, log.manager.disable, list(log.handlers)),
        "the collector": gc.isenabled(),
        "an app's context": has_app_context(),
        "a transaction": db._writing.get(),
    }


def begin(app: Flask) -> None:
    """From now on this portal is looked at too, and what it has imported."""
    _portal[:] = [app]
    for face in (app, app.extensions["staff"]):
        for name in ("extensions", "config", "jinja_env.globals", "jinja_env.filters"):
            _keep(_things, f"{face.name}'s {name}", operator.attrgetter(name)(face))
        for name, one in (*face.extensions.items(), ("templates", face.jinja_env)):
            if hasattr(one, "__dict__") and not isinstance(one, Flask):
                _objects[f"{face.name}'s {name}"] = (one, frozenset(vars(one)))


def _keep(things: Things, name: str, whose: Mapping[str, Any]) -> None:
    things[name] = (whose, list(whose), list(whose.values()))


def _keep_new_modules() -> None:
    for name, module in list(sys.modules.items()):
        if name.startswith("portal.") and name not in _modules:
            _keep(_modules, name, vars(module))


def left(*, modules: bool = True) -> Iterator[str]:
    """The names of what is not as it was; all of it counts as found from now on, so that it is told once."""
    found = of_the_process()
    for name, value in found.items():
        if _process.setdefault(name, value) != value:
            _process[name] = value
            yield name
    yield from _changed(_things)
    for name, (one, names) in _objects.items():
        # To patch a method of one object leaves it there for good, where who patches it for its class is not heard.
        if own := vars(one).keys() - names:
            _objects[name] = (one, names | own)
            yield f"{name}: {', '.join(sorted(own))} of its own"
    if modules:
        yield from _changed(_modules)
        _keep_new_modules()
    for app in _portal:
        for document in (app.extensions["guide"], *app.extensions["leaflets"].values()):
            if document.fault:
                yield f"a fault of {document._document.name}: {document.fault}"


def _changed(things: Things) -> Iterator[str]:
    for name, (whose, names, values) in things.items():
        if not all(map(operator.is_, whose.values(), values)):
            pairs = zip(names, values, strict=True)
            changed = [each for each, was in pairs if _is_other(whose.get(each), was)]
            if changed == ["settings"] and _is_taken_back():
                continue
            _keep(things, name, whose)
            yield from (f"{name}: {each}" for each in changed)


def _is_taken_back() -> bool:
    """What was saved of the pharmacy's settings: the fixture `app` forgets it before the next test."""
    return any(app.extensions["office"].number for app in _portal)


def _is_other(now: Any, was: Any) -> bool:
    return now is not was and (type(now) is not type(was) or bool(now != was))


def pytest_collection_finish() -> None:
    """Look for the first time."""
    _process.update(of_the_process())
    _keep_new_modules()


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    """Fail the test that left something; of what is looked at once, the last of its file."""
    outcome = yield
    found = list(left(modules=nextitem is None or nextitem.path != item.path))
    if found and "journeys" not in item.path.parts and outcome.excinfo is None:
        outcome.force_exception(AssertionError(f"it left behind, changed: {', '.join(found)}"))
