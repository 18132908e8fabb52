"""`python -m bench.registry [ROWS [FILE]] [--web]`: the import of the registry and its look-up, beside csv.reader.

Each side runs in a process of its own, in turn, and inflates by itself. Where duckdb or polars are installed, what
they make of seven columns stands beside. With `--web`, the web's p99 with and without an import beside it.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

from bench import nppes, paced
from tests.live import ROOT, Live
from tests.world import SETTINGS

ROUNDS = 3
WHOLE = 9_200_000  # rows of the real file, by those who load it
LOOK_UPS = 100_000
CSV = """
import csv, io, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as archive, archive.open(archive.namelist()[0]) as file:
    for row in csv.reader(io.TextIOWrapper(file, "utf-8", "replace", newline="")): pass
"""
# What the index keeps of every provider, with the number found quickly: the least that would do.
KEPT = ", ".join(
    f'"{name}"'
    for name in ("NPI", "Entity Type Code", "Provider Last Name (Legal Name)", "Provider First Name",
                 "Provider Credential Text", "Healthcare Provider Taxonomy Code_1", "Last Update Date")
)  # fmt: skip
TAKE = """
import sys
from pathlib import Path
from portal.npi import program
assert program.main(Path(sys.argv[2]), [Path(sys.argv[1])]) == 0
"""
MOST = """
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""
UNZIP = """
import shutil, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as archive, archive.open(archive.namelist()[0]) as file:
    shutil.copyfileobj(file, open(sys.argv[2] + "/data.csv", "wb"), 1 << 20)
"""
DUCKDB = f"""{UNZIP}
import duckdb
base = duckdb.connect(sys.argv[2] + "/duck.db", config={{"threads": 1, "memory_limit": "1GB"}})
base.execute('''CREATE TABLE provider AS SELECT {KEPT} FROM
    read_csv(?, all_varchar=true, header=true)''', [sys.argv[2] + "/data.csv"])
base.execute('CREATE INDEX npi ON provider ("NPI")')
"""
POLARS = f"""{UNZIP}
import polars
rows = polars.scan_csv(sys.argv[2] + "/data.csv", infer_schema=False).select([{KEPT}])
rows.sink_parquet(sys.argv[2] + "/npi.parquet")
"""


ASK = """
import random, sys, time
from pathlib import Path
from bench import nppes
from portal.npi.index import Index
index, rows, count = Index(Path(sys.argv[1]) / "registry.db"), int(sys.argv[2]), int(sys.argv[3])
numbers = [nppes.npi(row) for row in random.Random(1).choices(range(rows), k=count)]
began, spent = time.perf_counter(), time.process_time()
assert all(index.find(number) for number in numbers)
print(count / (time.perf_counter() - began), count / (time.process_time() - spent))
"""
# As `flask npi import` does it, again and again.
AGAIN = """
import sys
from pathlib import Path
from portal.npi import program
program.stand_back()
while program.main(Path(sys.argv[2]), [Path(sys.argv[1])]) == 0:
    (Path(sys.argv[2]) / "registry.db").unlink()
"""
QUIET = subprocess.DEVNULL


def measured(script: str, file: Path, folder: Path) -> tuple[float, float, float]:
    """Seconds from start to end, those of processor time, and the most memory, in MB; always into an empty folder."""
    known = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "PYTHONPATH") if name in os.environ}
    env = {**known, **SETTINGS, "INSTANCE_DIR": str(folder), "OPENBLAS_NUM_THREADS": "1"}
    folder.mkdir()
    began, spent = time.perf_counter(), _spent()
    command = [sys.executable, "-c", script + MOST, str(file), str(folder)]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    return time.perf_counter() - began, _spent() - spent, int(done.stdout.split()[-1]) / 1000


def _spent() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def look_ups(folder: Path, rows: int) -> tuple[float, float]:
    """How many a second, by the clock and by processor time, of numbers drawn by lot: medians of some processes."""
    command = [sys.executable, "-c", ASK, str(folder), str(rows), str(LOOK_UPS)]
    found = [
        subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True) for _ in range(ROUNDS)
    ]
    clock, spent = zip(*(map(float, done.stdout.split()) for done in found), strict=True)
    return statistics.median(clock), statistics.median(spent)


def beside(file: Path, folder: Path) -> dict[str, tuple[float, float]]:
    """The web's p99 alone and with an import beside it: medians of rounds in turn, for two ways of asking."""
    live = Live(folder / "web").migrate()
    ways = paced.ways(live)
    alone, busy = ({way: list[float]() for way in ways} for _ in range(2))
    into = folder / "beside"
    into.mkdir()
    command = [sys.executable, "-c", AGAIN, str(file), str(into)]
    env = {**live.env, "OPENBLAS_NUM_THREADS": "1"}
    try:
        live.start_web()
        paced.saturated(live, 2)
        for way, ask in [*ways.items()] * ROUNDS:
            alone[way].append(ask())
            process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=QUIET, stderr=QUIET)
            try:
                time.sleep(1)  # it has begun
                busy[way].append(ask())
                assert process.poll() is None, "the import has ended"
            finally:
                process.kill()
                process.wait()
    finally:
        live.stop()
    return {way: (statistics.median(alone[way]), statistics.median(busy[way])) for way in ways}


def main() -> None:
    """Measure and print."""
    words = [word for word in sys.argv[1:] if not word.startswith("-")]
    rows = int(words[0].replace("_", "")) if words else 500_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = Path(words[1]) if len(words) > 1 else nppes.write(folder / "NPPES.zip", rows)
        sides = {"csv.reader, nothing kept": CSV, "ours, the index written": TAKE}
        for module, script in (("duckdb", DUCKDB), ("polars", POLARS)):
            if find_spec(module):
                sides[f"{module}, seven columns"] = script
        found: dict[str, list[tuple[float, float, float]]] = {side: [] for side in sides}
        for number in range(ROUNDS if rows <= 1_000_000 else 1):
            for side, script in sides.items():
                into = folder / f"{number}-{side[:4]}"
                found[side].append(measured(script, file, into))
                (into / "data.csv").unlink(missing_ok=True)
        report(rows, found, file)
        index = folder / "0-ours"
        clock, spent = look_ups(index, rows)
        print(f"look-ups a second: {clock:,.0f}, by processor time {spent:,.0f}")
        print(f"size: {(index / 'registry.db').stat().st_size / rows:.0f} bytes a row")
        for word, only in (("organisation", nppes.ORGANISATION), ("person", nppes.PERSON)):
            measured(TAKE, nppes.write(folder / f"{word}.zip", 50_000, only=only), folder / word)
            print(f"each {word}: {(folder / word / 'registry.db').stat().st_size / 50_000:.0f} bytes a row")
        if "--web" in sys.argv:
            for way, (alone, busy) in beside(file, folder).items():
                print(
                    f"web p99 {way}: {alone:.2f} ms alone, {busy:.2f} ms beside an import: {busy / alone:.2f}"
                )


def report(rows: int, found: dict[str, list[tuple[float, float, float]]], file: Path) -> None:
    """The table."""
    print(f"\n{rows:,} rows, {file.stat().st_size / 1e6:,.0f} MB zipped; load {os.getloadavg()[0]:.1f}\n")
    print(
        f"{'what':<26}{'rows/s':>9}{'÷ csv':>7}{'µs of CPU a row':>17}{'÷ csv':>7}{'MB':>6}{'whole file, s':>15}"
    )
    medians = {
        side: [statistics.median(each) for each in zip(*rounds, strict=True)]
        for side, rounds in found.items()
    }
    first, first_cpu, _ = medians["csv.reader, nothing kept"]
    for side, (took, cpu, most) in medians.items():
        print(
            f"{side:<26}{rows / took:>9,.0f}{first / took:>7.2f}{cpu / rows * 1e6:>17.1f}{first_cpu / cpu:>7.2f}"
            f"{most:>6.0f}{WHOLE / rows * took:>15,.0f}"
        )


if __name__ == "__main__":
    main()
