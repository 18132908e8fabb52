#!/usr/bin/env bash
# holidays 0.109 and workalendar 17.0.0: their Californias differ by three days, Juneteenth among them
#
# Guess:    both give the same days for California in 2026 and 2027, but for the words.
# Happened: workalendar's California has no Juneteenth, which the Federal Reserve's of the same library has, nor has its
#           plain UnitedStates. The one of holidays has Susan B. Anthony Day (15 February) and Diwali, in one
#           list with Christmas; by default nothing tells them apart.
#           Output seen: only in holidays: 2026: 02-15, 06-19, 11-08; 2027: 06-18, 06-19, 10-29; only in workalendar: none
# Matters:  the working day until which an answer is promised moves by one with the library. The pharmacy's holidays are a list that its
#           manager writes; a library may propose days for it, never decide.
# Source:   this run; workalendar/usa/core.py.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv v && v/bin/pip -q install holidays==0.109 workalendar==17.0.0
cat > try.py <<'PY'
import holidays
from workalendar.usa import California, FederalReserveSystem, UnitedStates
for year, extra in (
    (2026, ["02-15", "06-19", "11-08"]),
    (2027, ["06-18", "06-19", "10-29"]),
):
    ours, theirs = holidays.US(subdiv="CA", years=year), dict(California().holidays(year))
    only = {f"{day:%m-%d}": ours[day] for day in sorted(set(ours) - set(theirs))}
    print(year, "only in holidays:", only, "only in workalendar:", sorted(set(theirs) - set(ours)))
    assert list(only) == extra and not set(theirs) - set(ours)
federal = [str(day) for day, name in UnitedStates().holidays(2026) if day.month == 6]
reserve = [str(day) for day, name in FederalReserveSystem().holidays(2026) if day.month == 6]
print("June 2026 in UnitedStates:", federal, "in FederalReserveSystem:", reserve)
assert federal == [] and reserve == ["2026-06-19"]
PY
v/bin/python try.py
