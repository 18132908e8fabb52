#!/usr/bin/env bash
# dateparser 1.5.0: in Spanish the first of a month is not read, and search_dates makes another day of it
#
# Guess:    "1.º de mayo de 1980" and "primero de mayo de 1980", as Spanish writes and says the first, are 1980-05-01, as "May 1st" is.
# Happened: parse() returns None for both, and for "1º" and "1ro"; Italian's "1º maggio" is None too, while French "1er mai" is read. "1°", with the
#           sign of degrees, is read. search_dates() on the same words in a sentence drops the first and takes
#           the day of the month from today's date: the first of May becomes the 28th on a 28th.
#           Output seen: primero de mayo de 1980 -> parse None, search 1980-05-28 with a base of 2026-11-28, 1980-05-17 with the 17th
# Matters:  a date of birth or of a refill that was read out of a sentence would be a valid day, a wrong one, and another one each
#           day. Ask for dates in fields; whoever reads them from text sets REQUIRE_PARTS to all three (it is tried here).
# Source:   this run.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv v && v/bin/pip -q install dateparser==1.5.0
cat > try.py <<'PY'
from datetime import datetime
import dateparser
from dateparser.search import search_dates
MAY = datetime(1980, 5, 1)
for text, language, day in (
    ("1 de mayo de 1980", "es", MAY),
    ("1° de mayo de 1980", "es", MAY),
    ("1.º de mayo de 1980", "es", None),
    ("1º de mayo de 1980", "es", None),
    ("1ro de mayo de 1980", "es", None),
    ("primero de mayo de 1980", "es", None),
    ("May 1st, 1980", "en", MAY),
    ("1er mai 1980", "fr", MAY),
    ("1º maggio 1980", "it", None),
):
    found = dateparser.parse(text, languages=[language])
    print(f"{text:24} {language} -> {found}")
    assert found == day
for first in ("primero", "1.º"):
    for today in (28, 17):
        text, settings = f"Nací el {first} de mayo de 1980.", {"RELATIVE_BASE": datetime(2026, 11, today)}
        found = search_dates(text, languages=["es"], settings=settings)
        print(f"{text} on the {today}th -> {found}")
        assert [day for _words, day in found] == [datetime(1980, 5, today)]
        whole = search_dates(text, languages=["es"], settings=settings | {"REQUIRE_PARTS": ["day", "month", "year"]})
        print("  REQUIRE_PARTS:", whole)
        assert not whole
PY
v/bin/python try.py
