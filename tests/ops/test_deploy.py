"""What is shipped to run the portal with is looked at by the programs that read it, and says what the code says."""

from __future__ import annotations

import json
import re
import subprocess
from importlib import metadata
from pathlib import Path

import click
import pytest
import yaml
from flask import Flask

from config import ROOT
from tests import debian

DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").iterdir())
EXPOSURE = 20  # of 100, as `systemd-analyze security` counts


@pytest.mark.kill  # a process for each, not for the quick run
def test_systemd_takes_the_units_and_finds_them_closed(tmp_path: Path) -> None:
    found = debian.program("systemd-analyze", "systemd", "libsystemd-shared")
    if found is None:
        pytest.skip("needs Debian's systemd")
    analyze, env = found
    for unit in UNITS:
        text = (
            unit.read_text()
            .replace("/opt/ldn-portal/.venv/bin/flask", "/bin/true")
            .replace("/opt/ldn-portal", "/")
        )
        (tmp_path / unit.name).write_text(text)
    for path in sorted(tmp_path.iterdir()):
        done = subprocess.run(
            [analyze, "verify", "--man=no", str(path)], env=env, capture_output=True, text=True, check=False
        )
        ours = [line for line in done.stderr.splitlines() if "ldn-portal" in line]
        assert (done.returncode, ours) == (0, []), done.stderr
    for unit in UNITS:
        if unit.suffix == ".service":
            words = [
                analyze,
                "security",
                "--offline=true",
                f"--threshold={EXPOSURE}",
                "--no-pager",
                str(unit),
            ]
            done = subprocess.run(words, env=env, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout[-400:]


def test_a_unit_starts_only_what_there_is_and_rests_on_bad_settings(app: Flask) -> None:
    for unit in UNITS:
        for words in re.findall(r"^ExecStart=\S+/flask (.+)$", unit.read_text(), re.MULTILINE):
            command, *more = words.split()
            assert app.cli.get_command(click.Context(app.cli), command), words
            done = app.test_cli_runner().invoke(
                args=[command, *more[:1], "--help"] if len(more) > 1 else [command, "--help"]
            )
            assert done.exit_code == 0 and all(word in done.output for word in more[1:]), words
    assert "RestartPreventExitStatus=78" in (DEPLOY / "systemd" / "ldn-portal.service").read_text()
    timers = {unit.stem for unit in UNITS if unit.suffix == ".timer"}
    assert timers < {unit.stem for unit in UNITS if unit.suffix == ".service"}


@pytest.mark.kill
def test_logrotate_takes_its_file(tmp_path: Path) -> None:
    found = debian.program("logrotate", "logrotate", "libpopt0", "libacl1", "libselinux1")
    if found is None:
        pytest.skip("needs Debian's logrotate")
    program, env = found
    log = tmp_path / "portal.log"
    log.write_text("a line\n")
    here = tmp_path / "conf"
    here.write_text((DEPLOY / "logrotate").read_text().replace("/var/log/ldn-portal.log", str(log)))
    here.chmod(0o644)
    words = [program, "--force", "--state", str(tmp_path / "state"), str(here)]
    done = subprocess.run(words, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    kept = [path for path in tmp_path.glob("portal.log-*") if path.read_text() == "a line\n"]
    assert len(kept) == 1 and log.read_text() == ""  # the same file, which the portal holds open


def test_the_image_runs_what_the_unit_runs_and_no_more() -> None:
    words = (DEPLOY / "Containerfile").read_text()
    made = (DEPLOY / "make-root").read_text()
    compose = yaml.safe_load((DEPLOY / "compose.yml").read_text())
    portal = compose["services"]["portal"]

    assert "USER 10001:10001" in words and "10001:10001" in made
    assert re.search(r'ENTRYPOINT \["/usr/bin/python3.11", "-m", "flask"\]\nCMD \["serve"\]', words)
    assert portal["read_only"] and portal["cap_drop"] == ["ALL"] and "ports" not in portal
    assert portal["volumes"] == ["data:/var/lib/ldn-portal"]
    assert "reverse_proxy portal:8000" in (DEPLOY / "Caddyfile").read_text()
    assert "--require-hashes" in made
    assert subprocess.run(["bash", "-n", str(DEPLOY / "make-root")], check=False).returncode == 0


def test_the_bill_of_materials_is_what_is_pinned(app: Flask) -> None:
    """ASVS 15.1.2: every pin is there with its hashes, and what runs here is of that version."""
    told = json.loads(app.test_cli_runner().invoke(args=["sbom"]).stdout)
    parts = {(part["name"], part["version"]): part for part in told["components"]}

    assert (told["bomFormat"], told["specVersion"]) == ("CycloneDX", "1.5")
    pins = re.findall(r"^([A-Za-z0-9._-]+)==(\S+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    assert len(pins) > 40
    for name, version in pins:
        assert parts[re.sub(r"[-_.]+", "-", name).lower(), version]["externalReferences"], name
    flask = parts["flask", metadata.version("flask")]
    assert flask["licenses"] == [{"license": {"name": "BSD-3-Clause"}}]
    assert not any(
        "://" in reference["url"] for part in parts.values() for reference in part["externalReferences"]
    )
