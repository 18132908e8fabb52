#!/usr/bin/env bash
# typst 0.15.2 (Python): the ua-1 export refuses much, but not a table without headers, nor a text without its language
#
# Guess:    pdf_standards=["ua-1"] fails for a table that has no header row and for a document that names no language, as it
#           does for one without a title, for a skipped heading level and for an image without words.
# Happened: both are set without error or warning. The table has TD cells alone. A document that sets no language is
#           marked as English, whatever it says. grid.header, which looks the same in source and on paper,
#           makes no table at all, only Div. An empty corner cell in table.header becomes a TH that heads its column with nothing.
#           Output seen: no title: refused / table: TD 4, TH 0 / grid: TD 0, TH 0 / corner: TH 2, TD 2 / Spanish text: /Lang en
# Matters:  "it compiled, so it is accessible" holds for neither: a dose table read aloud without its headings, a Spanish plan
#           spoken with English sounds. Count TH and look at /Lang in the finished file (pypdf does) in a test of our own.
# Source:   this run; ISO 14289-1, 7.2 (language) and 7.5 (headers of tables).
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv v && v/bin/pip -q install typst==0.15.2 pypdf==7.1.0
cat > try.py <<'PY'
import collections, io
import pypdf, typst
TITLE = '#set document(title: "T")\n'
def made(source):
    press = typst.Compiler(source.encode(), ignore_system_fonts=True)
    body, warnings = press.compile_with_warnings(format="pdf", pdf_standards=["ua-1"], timestamp=1_800_000_000)
    assert not warnings, warnings
    root = pypdf.PdfReader(io.BytesIO(body)).trailer["/Root"]
    kinds = collections.Counter()
    def walk(node):
        node = node.get_object()
        if isinstance(node, list):
            for child in node:
                walk(child)
        elif isinstance(node, dict):
            kinds[node.get("/S")] += 1
            if "/K" in node:
                walk(node["/K"])
    walk(root["/StructTreeRoot"])
    return {name: kinds["/" + name] for name in ("Table", "TH", "TD")}, root["/Lang"]
for name, source in {"no title": "= A", "level skipped": TITLE + "= A\n=== B"}.items():
    try:
        made(source)
    except typst.TypstError as error:
        print(f"{name}: {error.message}")
    else:
        raise SystemExit(f"{name}: not refused")
CELLS = "[1.5 mg], [1]"
for name, source, seen in (
    ("header", f"#table(columns: 2, table.header([Dose], [Week]), {CELLS})", {"Table": 1, "TH": 2, "TD": 2}),
    ("no header", f"#table(columns: 2, [Dose], [Week], {CELLS})", {"Table": 1, "TH": 0, "TD": 4}),
    ("grid.header", f"#grid(columns: 2, grid.header([Dose], [Week]), {CELLS})", {"Table": 0, "TH": 0, "TD": 0}),
    ("empty corner", f"#table(columns: 2, table.header([], [Week]), {CELLS})", {"Table": 1, "TH": 2, "TD": 2}),
):
    kinds, _ = made(TITLE + source)
    print(f"{name}: {kinds}")
    assert kinds == seen
language = made(TITLE + "= Plan de dosis\nTome una cápsula al acostarse.")[1]
print("language of a text that names none:", language)
assert language == "en" and made(TITLE + '#set text(lang: "es")\nHola')[1] == "es"
PY
v/bin/python try.py
