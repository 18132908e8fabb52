#!/usr/bin/env bash
# mail-parser-reply 1.36: with languages=["es"], the line "El ... escribió:" never ends the reply, and the whole quote stays in it
#
# Guess:    Spanish is one of its languages, so the line that Gmail, Apple Mail or Thunderbird put before a quote ("El mar, 3 nov 2026 a las
#           10:00, Ana Ruiz <...> escribió:") ends the reply, as "On ... wrote:" does.
# Happened: the pattern begins with a look-ahead that forbids what the rest of it demands ("On" has a second "On" there, "El" has not), and wants
#           two blanks before "escribió:" as well. None of the three is found; the quote counts as new text. French,
#           German and English are cut; so is Outlook's block in Spanish ("De:", "Enviado:"): a test with that alone looks fine.
#           Output seen: Gmail, Apple, Thunderbird in Spanish: kept, two blanks: kept; fr, de, en: cut; Outlook in Spanish: cut
# Matters:  a reply's quote holds what the asker wrote before, perhaps about a patient; it would be stored and shown again
#           with each answer, in one of our two languages only. A reader of replies is tried with each language's real lines.
# Source:   this run; mailparser_reply/constants.py, "es", wrote_header.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv v && v/bin/pip -q install mail-parser-reply==1.36
cat > try.py <<'PY'
from mailparser_reply import EmailReplyParser
WHO = "Ana Ruiz <ana@example.org>"
for name, language, line, cut in (
    ("Gmail", "es", f"El mar, 3 nov 2026 a las 10:00, {WHO} escribió:", False),
    ("Apple Mail", "es", f"El 3 nov 2026, a las 10:00, {WHO} escribió:", False),
    ("Thunderbird", "es", "El 3/11/26 a las 10:00, Ana Ruiz escribió:", False),
    ("two blanks", "es", f"El mar, 3 nov 2026 a las 10:00, {WHO}  escribió:", False),
    ("Gmail", "fr", f"Le mar. 3 nov. 2026 à 10:00, {WHO} a écrit :", True),
    ("Gmail", "de", f"Am Di., 3. Nov. 2026 um 10:00 Uhr schrieb {WHO}:", True),
    ("Gmail", "en", f"On Tue, Nov 3, 2026 at 10:00 AM {WHO} wrote:", True),
    ("Outlook", "es", f"De: {WHO}\nEnviado: martes, 3 de noviembre de 2026\nPara: yo@example.org\nAsunto: Dosis", True),
):
    text = f"Gracias.\n\n{line}\n\n> Hola\n"
    reply = EmailReplyParser(languages=[language]).parse_reply(text=text)
    print(f"{name} ({language}): {'cut' if cut else 'kept'}: {reply!r}")
    assert reply == ("Gracias." if cut else text.strip())
PY
v/bin/python try.py
