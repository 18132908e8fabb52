"""A real mail server for the tests: Debian's Postfix, on loopback, in a folder of its own, ended with the test.

It is used where it is installed, and else unpacked, not installed, into `.tools` (`apt-get download`, `dpkg-deb -x`).
Its `master` asks for root; where it cannot be had, `NoServer` says why.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests import debian
from tests.live import free_port

QUEUES = ("incoming", "active", "deferred", "bounce", "defer", "flush", "trace", "hold", "corrupt", "saved")
SOCKETS = ("private", "public", "maildrop", "pid")
OWNER, GROUP = "daemon", "games"  # Postfix asks for two that are nobody's login and not root's
DAEMONS = """
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""
STARTS_WITHIN = 15.0  # seconds, generous: the machine may be busy


class NoServer(Exception):
    """There is none here; the text says why."""


def unpacked() -> Path:
    """The root under which Postfix lies."""
    for find in (lambda: Path("/"), lambda: debian.unpacked("postfix")):
        root = find()
        if (root / "usr/lib/postfix/sbin/master").exists():
            return root
    raise NoServer("no Postfix here (Debian's package postfix), and it could not be fetched")


@contextmanager
def postfix(
    folder: Path, services: Mapping[str, str], maps: Mapping[str, Mapping[str, str]]
) -> Iterator[dict[str, int]]:
    """Run it: `services` are names and the options of each SMTP port; gives the port of each.

    `maps` are written as files; in the options `MAP:name` stands for one. What is accepted stays in `queue/hold`.
    """
    if os.geteuid() != 0:
        raise NoServer("Postfix's master asks for root")
    before = os.umask(0o022)  # the portal's own would keep its daemons out
    root, conf, data, queue = unpacked(), folder / "conf", folder / "data", folder / "queue"
    for made in (conf, data, *(queue / name for name in QUEUES + SOCKETS)):
        made.mkdir(parents=True)
    for name, lines in maps.items():
        (conf / name).write_text("".join(f"{key} {value}\n" for key, value in lines.items()), "utf-8")
    ports = {name: free_port() for name in services}
    smtp = "".join(
        f"127.0.0.1:{ports[name]} inet n - n - - smtpd\n"
        + "".join(
            f"  -o {option}\n"
            for option in options.replace("MAP:", f"texthash:{conf}/").split("\n")
            if option
        )
        for name, options in services.items()
    )
    (conf / "master.cf").write_text(smtp + DAEMONS, "utf-8")
    (conf / "main.cf").write_text(_settings(root, folder), "utf-8")
    for owned in (data, *(each for each in (folder / "queue").iterdir() if each.name != "pid")):
        shutil.chown(owned, OWNER)
    for above in (folder, *list(folder.parents)[:3]):  # its daemons give root up
        above.chmod(above.stat().st_mode | 0o011)
    os.umask(before)
    env = {
        "PATH": os.environ["PATH"],
        "MAIL_CONFIG": str(conf),
        "LD_LIBRARY_PATH": str(root / "usr/lib/postfix"),
    }
    master = subprocess.Popen(
        [str(root / "usr/lib/postfix/sbin/master"), "-c", str(conf), "-d"], env=env, stderr=subprocess.DEVNULL
    )
    try:
        end = time.monotonic() + STARTS_WITHIN
        while "daemon started" not in (log := _log(data)):
            if master.poll() is not None or time.monotonic() > end:
                raise NoServer(f"Postfix does not start here: {log[-300:]}")
            time.sleep(0.05)
        yield ports
    finally:
        master.terminate()
        master.wait()


def held(folder: Path) -> list[bytes]:
    """What it accepted, as its queue files have it."""
    return [path.read_bytes() for path in (folder / "queue" / "hold").iterdir()]


def taken(folder: Path) -> list[bytes]:
    """The mails that it accepted, as it would hand them on."""
    root = unpacked()
    env = {"MAIL_CONFIG": str(folder / "conf"), "LD_LIBRARY_PATH": str(root / "usr/lib/postfix")}
    command = [str(root / "usr/sbin/postcat"), "-bh"]
    held_files = (folder / "queue" / "hold").iterdir()
    said = [
        subprocess.run([*command, str(path)], env=env, capture_output=True, check=True) for path in held_files
    ]
    return [done.stdout.replace(b"\n", b"\r\n") for done in said]


def _log(data: Path) -> str:
    file = data / "log"
    return file.read_text("utf-8", "replace") if file.exists() else ""


def _settings(root: Path, folder: Path) -> str:
    given = {
        "compatibility_level": "3.6",
        "queue_directory": folder / "queue",
        "data_directory": folder / "data",
        "command_directory": root / "usr/sbin",
        "daemon_directory": root / "usr/lib/postfix/sbin",
        "shlib_directory": root / "usr/lib/postfix",
        "meta_directory": root / "etc/postfix",
        "mail_owner": OWNER,
        "setgid_group": GROUP,
        "import_environment": "MAIL_CONFIG LD_LIBRARY_PATH",
        "inet_interfaces": "127.0.0.1",
        "inet_protocols": "ipv4",
        "myhostname": "mta.example",
        "mynetworks": "",
        "mydestination": "clinic.example",
        "local_recipient_maps": "",
        "alias_maps": "",
        "header_checks": "static:HOLD",
        "smtpd_error_sleep_time": "0",
        "smtpd_relay_restrictions": "reject_unauth_destination",
        "maillog_file": folder / "data" / "log",
        "maillog_file_prefixes": folder,
    }
    return "".join(f"{name} = {value}\n" for name, value in given.items())
