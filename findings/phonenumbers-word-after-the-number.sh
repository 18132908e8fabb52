#!/usr/bin/env bash
# phonenumberslite 9.0.42: a word after the number is dialled too: "555-0100 fax" is a possible ten-digit number
#
# Guess:    words after a number are dropped, as words before it are, or make parse() raise; a number without its area code
#           stays too short.
# Happened: with three or more letters the whole text counts as a vanity number ("1-800-FLOWERS"), and the word is turned into
#           digits of the keypad. "555-0100 fax" becomes 5550100329 and IS_POSSIBLE, while "925-555-0100 cell", which anyone could dial,
#           is TOO_LONG. One or two letters are dropped; "ext 4", "x4", "int. 4" are extensions as they should be.
#           Output seen: 555-0100 fax -> 5550100329 IS_POSSIBLE; 925-555-0100 cell -> 92555501002355 TOO_LONG
# Matters:  a form that asks for a number with area code accepts one without, and refuses good ones with a word of
#           explanation. Take away trailing words that are no extension before parsing, or refuse letters with a sentence of their own.
# Source:   this run; libphonenumber's notes on vanity numbers (three letters or more).
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv v && v/bin/pip -q install phonenumberslite==9.0.42
cat > try.py <<'PY'
import phonenumbers
from phonenumbers import ValidationResult as Result
for text, number, extension, result in (
    ("555-0100", 5550100, None, Result.IS_POSSIBLE_LOCAL_ONLY),
    ("555-0100 Jo", 5550100, None, Result.IS_POSSIBLE_LOCAL_ONLY),
    ("555-0100 fax", 5550100329, None, Result.IS_POSSIBLE),
    ("555-0100 (lab)", 5550100522, None, Result.IS_POSSIBLE),
    ("fax 555-0100", 5550100, None, Result.IS_POSSIBLE_LOCAL_ONLY),
    ("Cell: 925-555-0100", 9255550100, None, Result.IS_POSSIBLE),
    ("925-555-0100 cell", 92555501002355, None, Result.TOO_LONG),
    ("925-555-0100 / fax", 9255550100329, None, Result.TOO_LONG),
    ("925-555-0100 ext 4", 9255550100, "4", Result.IS_POSSIBLE),
):
    found = phonenumbers.parse(text, "US")
    reason = phonenumbers.is_possible_number_with_reason(found)
    print(f"{text:20} -> {found.national_number} extension {found.extension} {Result.to_string(reason)}")
    assert (found.national_number, found.extension, reason) == (number, extension, result), (number, extension, result)
PY
v/bin/python try.py
