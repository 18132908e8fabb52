#!/usr/bin/env bash
# pint 0.25.3: without regard to case, "50 mg" is milligrams in one process and milligauss in the next; RxNorm's "50 MG" is megagauss
#
# Guess:    RxNorm writes "naltrexone hydrochloride 50 MG Oral Tablet"; pint does not know MG and raises, or takes it as milligrams.
#           With case_sensitive=False, MG and mg are milligrams for certain.
# Happened: as it stands, MG is mega and G, the gauss: a magnetic field, without a word. With case_sensitive=False, g and G are candidates in
#           a set, and the seed of Python's hashes picks one: "50 mg", too, is a mass or a field by chance, new with each
#           process; MG is a tonne or a field. "1 ML" is a megalitre always. MCG raises.
#           Output seen: as written: MG megagauss; any case, 12 seeds: mg milligram or milligauss, MG megagram or megagauss, ML megaliter
# Matters:  a test of a dose passes today and fails tomorrow, or the other way round with the server. Doses are read with a short list of
#           units of our own, as each source writes them, never with a general parser.
# Source:   this run; strengths in the names of RxNorm (SCD) are in MG, ML; pint's default registry.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv v && v/bin/pip -q install pint==0.25.3
cat > one.py <<'PY'
import pint
units = pint.UnitRegistry()
for case in (True, False):
    print(*(units.parse_expression(text, case_sensitive=case).units for text in ("50 mg", "50 MG", "1 ML")))
try:
    units.parse_expression("50 MCG", case_sensitive=False)
except pint.UndefinedUnitError:
    print("MCG undefined")
PY
cat > try.py <<'PY'
import os, subprocess, sys
seen = set()
for seed in range(12):
    done = subprocess.run(
        [sys.executable, "one.py"], env=os.environ | {"PYTHONHASHSEED": str(seed)}, capture_output=True, text=True, check=True
    )
    written, ignored, last = done.stdout.splitlines()
    assert (written, last) == ("milligram megagauss megaliter", "MCG undefined"), done.stdout
    seen.add(ignored)
print("as written:", written)
for line in sorted(seen):
    print("in any case:", line)
assert seen == {"milligram megagram megaliter", "milligauss megagauss megaliter"}
PY
v/bin/python try.py
