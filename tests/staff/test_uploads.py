"""Files have one way in: a route that says so. Shown on routes of this test's own, one on each face."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from flask import Blueprint, Flask, request
from flask.typing import ResponseReturnValue
from flask_wtf.file import FileField
from wtforms import MultipleFileField
from wtforms.validators import DataRequired

from portal import web
from portal.app import create_app
from portal.forms import BaseForm
from portal.people.rights import Right
from portal.signin.gate import guarded, keeps_text
from portal.uploads import takes_upload
from tests.conftest import _dispose
from tests.pages import Visitor

MOST = 300_000  # more than any other post may have
MANY = 700_000  # past this werkzeug moves a file from memory to the disk
CSV = b'first,last\nAna,"Ruiz, NP"\n'
STAFF, PUBLIC = "/staff/test-import", "/test-import"

taken: list[list[bytes]] = []


class FileForm(BaseForm):
    file = FileField("A file", [DataRequired("Choose a file")])


class FilesForm(BaseForm):
    file = MultipleFileField("Some files", [DataRequired("Choose a file")])


def multipart(fields: dict[str, str], files: Sequence[tuple[bytes, str]]) -> dict[str, Any]:
    """As a browser sends it (RFC 7578); the test client would write large files to the disk itself."""
    parts = [(f'name="{name}"', value.encode()) for name, value in fields.items()]
    parts += [(f'name="file"; filename="{name}"\r\nContent-Type: text/x-any', body) for body, name in files]
    body = b"".join(
        b"--line\r\nContent-Disposition: form-data; %s\r\n\r\n%s\r\n" % (head.encode(), content)
        for head, content in parts
    )
    return {"data": body + b"--line--\r\n", "content_type": "multipart/form-data; boundary=line"}


def take(form: BaseForm) -> ResponseReturnValue:
    if not form.validate_on_submit():
        return web.page("newsletter/unsubscribe.html", form=form)
    taken.append([file.read() for file in request.files.getlist("file")])
    return "taken"


def blueprints() -> tuple[Blueprint, Blueprint]:
    public, staff = Blueprint("takes", __name__), guarded("takes", Right.WORK)

    @public.route(PUBLIC, methods=["GET", "POST"])
    @takes_upload("text/csv", most=MOST)
    def one() -> ResponseReturnValue:
        return take(FileForm())

    @public.route(f"{PUBLIC}/many", methods=["GET", "POST"])
    @takes_upload("text/csv", most=MANY, files=2)
    def many() -> ResponseReturnValue:
        return take(FilesForm())

    @public.route(f"{PUBLIC}/none", methods=["GET", "POST"])
    def none() -> ResponseReturnValue:
        return take(FileForm())

    @staff.route(STAFF, methods=["GET", "POST"])
    @keeps_text
    @takes_upload("text/csv", most=MOST)
    def import_one() -> ResponseReturnValue:
        return take(FileForm())

    return public, staff


@pytest.fixture(scope="module")
def another_app(the_app: Flask) -> Flask:
    """The portal as it is, with the test's routes beside its own."""
    made = create_app(the_app.extensions["settings"])
    public, staff = blueprints()
    made.register_blueprint(public)
    made.extensions["staff"].register_blueprint(staff)
    return made


@pytest.fixture
def world(app: Flask, another_app: Flask) -> Iterator[Flask]:
    """That one, with an empty database, which it lets go of at the end."""
    taken.clear()
    another_app.extensions["throttle"].clear()
    yield another_app
    _dispose(another_app)


@pytest.fixture
def send(world: Flask, clock: Any) -> Callable[..., Any]:
    """Post files, with the tokens of the form that stands at the address unless told otherwise."""
    visitor = Visitor(world, clock)

    def post(path: str = PUBLIC, *files: tuple[bytes, str], tokens: bool = True, **more: str) -> Any:
        page = visitor.open(path)
        fields = [tag for tag in page.soup.select("main input[type=hidden]") if tokens]
        clock.tick(seconds=5)
        data = {**{tag["name"]: tag["value"] for tag in fields}, **more}
        return visitor.post(path, **multipart(data, files))

    return post


def open_files_without_a_name(folder: Path) -> list[str]:
    """As /proc shows them: the folder, a number, `(deleted)`."""
    found = []
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            found.append(str(link.readlink()))
    return [name for name in found if name.startswith(str(folder))]


def test_the_right_file_arrives_byte_for_byte(send: Callable[..., Any]) -> None:
    large = b"a,b\n" * (MOST // 4)

    assert send(PUBLIC, (CSV, "people.CSV")).text == "taken"
    assert send(PUBLIC, (large, "large.csv")).text == "taken"
    assert taken == [[CSV], [large]]


def test_a_form_that_takes_a_file_says_so_to_the_browser(world: Flask, clock: Any) -> None:
    visitor = Visitor(world, clock)

    assert visitor.open(PUBLIC).soup.select_one("main form")["enctype"] == "multipart/form-data"
    assert "enctype" not in visitor.open("/newsletter").soup.select_one("main form").attrs


@pytest.mark.parametrize("size", [MOST + 1, MOST + 64 * 1024, 5_000_000])
def test_too_large_a_file_is_413_in_words(size: int, send: Callable[..., Any]) -> None:
    answer = send(PUBLIC, (b"a" * size, "large.csv"))

    assert answer.status_code == 413
    assert "A file may have at most 0.3 MB here" in answer.text
    assert "That is too large" in answer.text
    assert taken == []


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (CSV, "people.xlsx"),
        (CSV, "people"),
        (CSV, "people.csv.exe"),
        (b"PK\x03\x04\x14\x00\x06\x00\x08\x00", "people.csv"),
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "people.csv"),
        ("Núñez".encode("latin-1"), "people.csv"),
        (b'first,last\n"Ana,Ruiz\n', "people.csv"),
        (b"first\0last", "people.csv"),
    ],
)
def test_what_is_no_such_file_is_415_in_words(body: bytes, name: str, send: Callable[..., Any]) -> None:
    answer = send(PUBLIC, (body, name))

    assert answer.status_code == 415
    assert "This page takes files that end in .csv, with text in UTF-8." in answer.text
    assert taken == []


def test_several_files_only_where_several_are_taken(send: Callable[..., Any]) -> None:
    two, three = [(CSV, "a.csv"), (CSV, "b.csv")], [(CSV, f"{n}.csv") for n in range(3)]

    answers = [send(PUBLIC, *two), send(f"{PUBLIC}/many", *two), send(f"{PUBLIC}/many", *three)]

    assert [answer.status_code for answer in answers] == [415, 200, 415]
    assert "Send at most 1." in answers[0].text
    assert taken == [[CSV, CSV]]


def test_one_bad_file_among_good_ones_spoils_all(send: Callable[..., Any]) -> None:
    assert send(f"{PUBLIC}/many", (CSV, "a.csv"), (b"\xff", "b.csv")).status_code == 415
    assert taken == []


def test_no_file_is_the_forms_to_say(send: Callable[..., Any]) -> None:
    """A browser sends an empty part for a field where nothing was chosen."""
    for files in ([], [(b"", "")]):
        answer = send(PUBLIC, *files)

        assert answer.status_code == 422
        assert "Choose a file" in answer.text
    assert taken == []


def test_a_form_token_is_still_needed(send: Callable[..., Any]) -> None:
    assert send(PUBLIC, (CSV, "people.csv"), tokens=False).status_code == 400
    assert send(PUBLIC, (CSV, "people.csv"), csrf_token="forged").status_code == 400
    assert taken == []


def test_a_route_that_says_nothing_takes_no_file(send: Callable[..., Any], world: Flask, clock: Any) -> None:
    assert send(f"{PUBLIC}/none", (CSV, "people.csv")).status_code == 415
    for path in ("/newsletter", "/requests/consultation", "/nowhere"):
        assert Visitor(world, clock).post(path, **multipart({}, [(CSV, "a.csv")])).status_code == 415, path
    assert taken == []


def test_a_post_without_a_file_has_the_limit_of_every_form(world: Flask, clock: Any) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    for path in (PUBLIC, "/newsletter"):
        assert Visitor(world, clock).post(path, data=b"a=" + b"a" * 70_000, headers=form).status_code == 413


def test_another_site_cannot_send_a_file(world: Flask, clock: Any) -> None:
    foreign = {"Origin": "https://evil.example"}

    answer = Visitor(world, clock).post(PUBLIC, **multipart({}, [(CSV, "a.csv")]), headers=foreign)

    assert answer.status_code == 403


@pytest.mark.parametrize("name", ["large.csv", "large.txt"])
def test_nothing_is_left_lying_about(
    name: str, send: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither of what was taken nor of what was refused, though it was on the disk meanwhile."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    large = b"a,b\n" * (MANY // 4)

    answer = send(f"{PUBLIC}/many", (large, name))
    answer.close()

    assert answer.status_code == (200 if name.endswith(".csv") else 415)
    assert list(tmp_path.iterdir()) == []
    assert open_files_without_a_name(tmp_path) == []


def test_a_kind_that_nobody_can_look_into_stops_the_start() -> None:
    with pytest.raises(ValueError, match="nobody can look into application/pdf"):
        takes_upload("application/pdf", most=1)


# ---- The staff face


@pytest.fixture
def colleague(world: Flask, signed_in: Callable[..., Visitor]) -> Visitor:
    """A member of staff at the portal with the test's routes."""
    person = signed_in("manager")
    client = world.test_client()
    client._cookies = person.client._cookies
    person.client = client
    return person


@pytest.mark.parametrize(
    ("body", "name", "status"),
    [(CSV, "a.csv", 200), (b"a" * (MOST + 1), "a.csv", 413), (CSV, "a.pdf", 415), (b"", "", 422)],
)
def test_staff_send_files_by_the_same_way(
    body: bytes, name: str, status: int, colleague: Visitor, clock: Any
) -> None:
    page = colleague.open(STAFF)
    tokens = {tag["name"]: tag["value"] for tag in page.soup.select("main input[type=hidden]")}
    clock.tick(seconds=5)

    answer = colleague.post(STAFF, **multipart(tokens, [(body, name)]))

    assert answer.status_code == status
    assert taken == ([[CSV]] if status == 200 else [])


def test_staff_need_their_token_too_and_take_no_file_elsewhere(colleague: Visitor) -> None:
    assert colleague.post(STAFF, **multipart({}, [(CSV, "a.csv")])).status_code == 400
    assert colleague.post("/staff/people/invite", **multipart({}, [(CSV, "a.csv")])).status_code == 415
    assert colleague.post(STAFF, data=b"<xml/>", content_type="application/xml").status_code == 415
    assert colleague.post(STAFF, data=b"{}", content_type="application/json").status_code == 415
    assert taken == []


def test_a_stranger_sends_staff_no_file(world: Flask, clock: Any) -> None:
    assert Visitor(world, clock).post(STAFF, **multipart({}, [(CSV, "a.csv")])).status_code == 401
    assert taken == []
