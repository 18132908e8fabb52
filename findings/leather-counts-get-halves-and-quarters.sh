#!/usr/bin/env bash
# leather 0.4.1: a chart of small counts has its axis in halves and quarters, even where every value is an int
#
# Guess:    values 0, 1, 2, all of them int, get the ticks 0, 1, 2.
# Happened: the ticks come from the range alone: 0, 0.5, 1, 1.5, 2 for a most of two, quarters for a most of one,
#           2.5, 5, 7.5 for seven, nine and ten; three, five and others are whole.
#           Output seen: most 1: 0 0.25 0.5 0.75 1 / most 2: 0 0.5 1 1.5 2 / most 3: 0 1 2 3 / most 10: 0 2.5 5 7.5 10 / ticks=[0, 1, 2]: 0 1 2
# Matters:  a report of few requests, as a new portal's is, would count half a question. The figures of the reports give their own
#           whole ticks and a scale that ends with them; whoever draws one more does the same.
# Source:   this run.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv v && v/bin/pip -q install leather==0.4.1
cat > try.py <<'PY'
import re
import leather
def ticks(values, own=None):
    chart = leather.Chart()
    chart.add_columns([(f"week {n}", value) for n, value in enumerate(values)])
    if own:
        chart.add_y_scale(0, own[-1])
        chart.add_y_axis(ticks=own)
    found = [text for text in re.findall(r"<text[^>]*>([^<]*)<", chart.to_svg()) if not text.startswith("week")]
    return sorted(found, key=float)
for values, own, seen in (
    ([0, 0, 1], None, "0 0.25 0.5 0.75 1"),
    ([0, 1, 2], None, "0 0.5 1 1.5 2"),
    ([3, 3, 3], None, "0 1 2 3"),
    ([4, 6, 10], None, "0 2.5 5 7.5 10"),
    ([0, 1, 2], [0, 1, 2], "0 1 2"),
):
    found = " ".join(ticks(values, own))
    print(f"{values} own {own}: {found}")
    assert found == seen, seen
PY
v/bin/python try.py
