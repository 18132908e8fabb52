#!/usr/bin/env bash
# pandoc 3.9 (pypandoc-binary 1.17): names of a RIS file are read by the rules of BibTeX
#
# Guess:    "AU  - Guy, G. P., Jr." is family, given name, suffix, as the format orders them; "AU  - Center for Pain", without a
#           comma, is a body with that name; both as citation-js 0.8.2 reads them.
# Happened: the parts of a name with two commas are taken in BibTeX's order: given name "Jr.", suffix "G. P.". A name without
#           a comma is parted before its last word: family "Pain", given "Center", particle "for". With a comma behind it the body stays whole.
#           Output seen: Guy / Jr. / G. P. ; Pain / Center / for ; Center for Pain
# Matters:  who cites a paper by way of a RIS file prints "G. P., Jr. Guy" and a hospital by its last word. Our files put the comma
#           behind a body's name (EndNote wants it too) and keep to the format for a suffix; BibTeX and CSL say both rightly.
# Source:   the RIS format's AU is "Lastname, Firstname, Suffix"; the rest is this run.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv v && v/bin/pip -q install pypandoc-binary==1.17
cat > try.py <<'PY'
import json
import pypandoc
print("pandoc", pypandoc.get_pandoc_version())
names = ["Guy, G. P., Jr.", "Center for Pain", "Center for Pain,"]
lines = ["TY  - JOUR", "ID  - one", *(f"AU  - {name}" for name in names), "TI  - A title", "PY  - 2020", "ER  - ", ""]
(work,) = json.loads(pypandoc.convert_text("\r\n".join(lines), "csljson", format="ris"))
found = work["author"]
for name, read in zip(names, found):
    print(f"{name!r}: {read}")
assert found[0] == {"family": "Guy", "given": "Jr.", "suffix": "G. P."}
assert found[1] == {"family": "Pain", "given": "Center", "dropping-particle": "for"}
assert found[2] == {"family": "Center for Pain"}
PY
v/bin/python try.py
