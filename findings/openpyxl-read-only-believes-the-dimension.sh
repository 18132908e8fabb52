#!/usr/bin/env bash
# openpyxl 3.1.5: read-only mode drops every row and column beyond the sheet's <dimension>, without a word
#
# Guess:    load_workbook(read_only=True) gives the rows that stand in the sheet, as load_workbook() does.
# Happened: the element <dimension ref="…"> is optional, and programs that write a sheet as a stream write it before they know
#           how large it gets. Read-only mode takes it for the bounds of the sheet: with "A1" four rows are one. Without
#           the element, or after reset_dimensions(), all four are there, as in the usual mode.
#           Output seen: usual: 4 rows / read-only: 1 / read-only, no dimension: 4 / read-only, reset_dimensions(): 4
# Matters:  the list of withdrawn NPIs is a workbook of 355,000 rows: cut short, withdrawn numbers would pass for valid ones.
#           `portal/npi/workbook.py` reads the sheet without openpyxl, and no dimension.
# Source:   this run; ECMA-376 part 1, 18.3.1.35 (dimension); openpyxl's page on its optimised modes names reset_dimensions().
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv v && v/bin/pip -q install openpyxl==3.1.5
cat > try.py <<'PY'
import io
import re
import zipfile
import openpyxl
book = openpyxl.Workbook()
for row in [("Withdrawn numbers",), ("NPI", "Day"), ("1234567893", "01/02/2024"), ("1993999998", "01/03/2024")]:
    book.active.append(row)
book.save("as-written.xlsx")
def with_dimension(element):
    made = io.BytesIO()
    with zipfile.ZipFile("as-written.xlsx") as old, zipfile.ZipFile(made, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "xl/worksheets/sheet1.xml":
                content, found = re.subn(rb"<dimension [^>]*/>", element, content)
                assert found == 1
            new.writestr(name, content)
    return io.BytesIO(made.getvalue())
def count(element, *, read_only, reset=False):
    sheet = openpyxl.load_workbook(with_dimension(element), read_only=read_only).worksheets[0]
    if reset:
        sheet.reset_dimensions()
    return len(list(sheet.iter_rows(values_only=True)))
small = b'<dimension ref="A1"/>'
usual, quick = count(small, read_only=False), count(small, read_only=True)
without, reset = count(b"", read_only=True), count(small, read_only=True, reset=True)
print(f"usual: {usual} rows / read-only: {quick} / read-only, no dimension: {without} / "
      f"read-only, reset_dimensions(): {reset}")
assert (usual, quick, without, reset) == (4, 1, 4, 4)
PY
v/bin/python try.py
