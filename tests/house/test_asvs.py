"""Lines of OWASP ASVS that hold for all of the code at once: what it never calls, whom it speaks to, what is written
down. `tests/promises.py` says which test holds which line."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from flask import Flask

from config import ROOT
from portal.throttle import LIMITS
from tests.intake.samples import CONSULTATION, the_request
from tests.pages import Visitor

CODE = sorted((ROOT / "portal").rglob("*.py"))
SECURITY = (ROOT / "SECURITY.md").read_text()

# Where a text is said to be HTML already, each with its reason beside it (ruff's S704 sees any other).
MARKUP = {
    "editions/rendering.py",
    "editions/archive.py",
    "library/pages.py",
    "library/markdown.py",
    "staff/drawing.py",
    "intake/forms.py",
    "intake/views.py",
    "catalogues.py",
    "controls.py",
    "staff/queue.py",
    "staff/rows.py",
}
SAFE = {"resource/plan.html", "resource/article.html"}  # parts that a template made of escaped parts
# Patterns that are put together when they are used, of words that are escaped or our own.
PUT_TOGETHER = {
    "desk/passages.py": "pattern_of spells each letter, escaped",
    "intake/patient_data.py": "our own lists",
    "library/pictures.py": "the colours of our own pictures",
    "library/words.py": "the words of a text of ours",
    "mail/wire.py": "numbers that we made up",
    "npi/verdicts.py": "our own table",
}
OUTSIDE = {  # what opens a connection, and to whom
    "mail/transport.py": "SMTP_URL",
    "mail/sasl.py": "SMTP_URL",
    "npi/remote.py": "NPI_REGISTRY_URL",
    "ops/network.py": "`flask doctor --network`",
    "library/links.py": "`flask content links`",
    "serve.py": "(our own port)",
    "worker.py": "(the machine's name)",
}
SPEAKS = {
    "socket",
    "smtplib",
    "ssl",
    "urllib.request",
    "http.client",
    "dns",
    "ftplib",
    "telnetlib",
    "requests",
}
CIPHERS = {"argon2", "cryptography", "hashlib", "hmac", "itsdangerous", "passlib", "secrets", "webauthn"}
EVALUATES = {"eval", "exec", "render_template_string"}
READS_OBJECTS = {"pickle", "marshal", "shelve", "dill", "jsonpickle"}
PROBED = (
    "/.git/HEAD /.git/config /.svn/entries /.env /.env.production /config.py /wsgi.py /portal.db /instance/portal.db "
    "/instance/secret /backups/ /static/ /static/../config.py /static/%2e%2e/config.py /templates/base.html /console "
    "/server-status /server-info /phpinfo.php /wp-login.php /admin/ /debug /actuator/health /docs/ /api/ /backup.sql "
    "/index.html~ /site.css.map /requirements.txt /Makefile /.DS_Store /WEB-INF/web.xml /cgi-bin/ /test/ /metrics.bak"
)


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def calls() -> Iterator[tuple[str, ast.Call, str]]:
    """Each call in the portal's code: the file, the call, and the name that is called."""
    for path in CODE:
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Call):
                yield str(path.relative_to(ROOT / "portal")), node, ast.unparse(node.func)


def imports() -> Iterator[tuple[str, str]]:
    """Each module that the portal's code imports, by file."""
    for path in CODE:
        for node in ast.walk(tree(path)):
            names = (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom) and not node.level
                else []
            )
            yield from ((str(path.relative_to(ROOT / "portal")), name) for name in names)


def test_a_text_is_said_to_be_html_only_where_that_is_known() -> None:
    found = {
        file.relative_to(ROOT / "portal").as_posix() for file in CODE if "noqa: S704" in file.read_text()
    }
    templates = sorted((ROOT / "templates").rglob("*.*"))
    safe = {
        path.relative_to(ROOT / "templates").as_posix()
        for path in templates
        if re.search(r"\|\s*safe\b|autoescape\s+false", path.read_text())
    }

    assert found == MARKUP
    assert safe == SAFE
    assert '"S"' in (ROOT / "pyproject.toml").read_text(), "ruff looks for it"


def test_nothing_is_evaluated_and_no_object_is_read() -> None:
    called = {(file, name) for file, _, name in calls()}

    assert not [(file, name) for file, name in called if name in EVALUATES]
    assert {file for file, name in called if name in ("yaml.load", "yaml.unsafe_load")} == {
        "library/records.py"
    }
    assert not [(file, name) for file, name in imports() if name.partition(".")[0] in READS_OBJECTS]


def test_no_program_is_started_by_a_shell() -> None:
    for file, call, name in calls():
        assert name not in ("os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput"), (
            file
        )
        assert not [word for word in call.keywords if word.arg == "shell"], file


def test_no_pattern_is_made_of_what_was_typed() -> None:
    for file, call, name in calls():
        if not re.fullmatch(r"re\.(compile|match|search|fullmatch|sub|findall|finditer|split)", name):
            continue
        pattern = call.args[0]
        is_ours = isinstance(pattern, ast.Constant) or all(
            isinstance(part, ast.Constant) or _is_ours(part) for part in getattr(pattern, "values", [pattern])
        )
        assert is_ours or file in PUT_TOGETHER, f"{file}:{call.lineno} {ast.unparse(pattern)}"


def _is_ours(part: ast.expr) -> bool:
    """A constant by its name, or what was escaped."""
    words = ast.unparse(part.value if isinstance(part, ast.FormattedValue) else part)
    return "re.escape" in words or re.fullmatch(r"[A-Z_]+", words) is not None or words == "name"


def test_no_form_of_a_sentence_is_made_of_what_was_typed() -> None:
    """`{0.__class__}` in a name stays these signs: what is filled is a sentence of ours."""
    for file, call, name in calls():
        if not name.endswith(".format") or not isinstance(call.func, ast.Attribute):
            continue
        said = call.func.value
        is_ours = isinstance(said, ast.Constant) or re.search(
            r"(^|\.)[A-Z][A-Z_]+$|^Markup\(", ast.unparse(said)
        )
        assert is_ours or (file, ast.unparse(said)) in {
            ("library/references.py", "link"),  # Markup, three lines above
            ("audit.py", "statement"),  # of the migration's own list
            *(("print/leaflets.py", f"said['{word}']") for word in ("call", "reviewed", "changed")),
        }, f"{file}:{call.lineno} {name}"


def test_chance_that_guards_something_is_the_systems() -> None:
    assert {file for file, name in imports() if name == "random"} == {"jobs.py", "mail/deliver.py"}
    for file in ("jobs.py", "mail/deliver.py"):
        drawn = [name for at, _, name in calls() if at == file and name.startswith("random.")]
        assert drawn == ["random.uniform"], "when something is tried again, and nothing else"


def test_hashes_and_ciphers_are_of_libraries_and_none_is_old() -> None:
    named = {name.partition(".")[0] for _, name in imports()}
    assert named & {"Crypto", "nacl", "OpenSSL", "M2Crypto", "rsa", "bcrypt", "md5", "sha"} == set()
    assert named >= CIPHERS - {"cryptography"}
    for file in CODE:
        assert not re.search(r"\b(md5|sha1|MD5|SHA1|DES|RC4|ECB|Blowfish)\b", file.read_text()), file


def test_whom_the_portal_speaks_to_is_written_down() -> None:
    found = {file for file, name in imports() if name in SPEAKS or name.partition(".")[0] in SPEAKS}

    assert found == set(OUTSIDE)
    told = SECURITY.partition("**Whom it speaks to.**")[2].partition("\n\n")[0]
    for whom in (*OUTSIDE.values(), "DATABASE_URL", "REDIS_URL", "BACKUP_COMMAND"):
        assert whom.startswith("(") or whom in told, whom


def test_what_is_written_down_is_there_with_its_numbers() -> None:
    """The rules that ASVS asks to be documented, each under its own words, and the limits with their numbers."""
    for words in ("Text", "Sign-in", "Sessions", "Who may open what", "Keys", "Dependencies", "Costly work"):
        assert f"**{words}.**" in SECURITY, words
    limits = (ROOT / "docs" / "limits.md").read_text()
    for name, each in LIMITS.items():
        row = re.search(rf"^\| `{name}` \| (.+?) \|", limits, re.MULTILINE)
        assert row, name
        assert [int(number) for number in re.findall(r"(\d+)(?= (?:in|an?) )", row[1])] == [
            limit.amount for limit in each
        ], name


def test_a_file_that_is_given_out_has_a_name_of_ours() -> None:
    for file, call, _ in calls():
        assert not [word for word in call.keywords if word.arg in ("download_name", "attachment_filename")], (
            file
        )
    named = [line for path in CODE for line in path.read_text().splitlines() if "filename=" in line]
    for line in named:
        holes = re.findall(r"{([^}]*)}", line)
        assert set(holes) <= {"name", 'wanted or "ldn-references"', "slug"}, line  # of lists of ours


def test_scripts_keep_nothing_in_the_browser() -> None:
    for path in (ROOT / "portal" / "static").glob("*.js"):
        assert not re.search(r"localStorage|sessionStorage|indexedDB|caches\b", path.read_text()), path


@pytest.mark.parametrize("place", PROBED.split())
def test_what_only_an_attacker_asks_for_is_not_there(visitor: Visitor, place: str) -> None:
    assert visitor.get(place).status_code in (404, 308), place


def test_a_trace_is_refused(visitor: Visitor) -> None:
    for place in ("/", "/newsletter", "/requests/consultation"):
        visitor.open(place, method="TRACE", status=405)


@pytest.mark.parametrize("extra", ["id", "status", "owner_id", "answered_at", "reference", "receipt_hash"])
def test_a_field_that_the_form_has_not_changes_nothing(app: Flask, visitor: Visitor, extra: str) -> None:
    more = {**CONSULTATION, extra: "999"}
    check = visitor.open("/requests/consultation").set(**more).press("Continue", status=200)
    check.set(**{extra: "999"}).press("Send my question", status=303)

    row = the_request(app)
    assert (row.status, row.owner_id, row.answered_at, row.id) == ("new", None, None, 1)
    assert "999" not in (row.reference, row.receipt_hash)
