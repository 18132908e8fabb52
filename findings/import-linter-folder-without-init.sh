#!/usr/bin/env bash
# import-linter 2.16 (grimp 3.19): a folder without __init__.py is not seen, and `exhaustive` does not miss it
#
# Guess:    modules in a folder that lacks __init__.py are checked like the rest (Python imports them since 3.3), or else
#           `exhaustive = true` complains about the folder that no layer names.
# Happened: the contract is KEPT, although pk/b/inner/q.py imports upwards from the lowest layer and pk/d, which no layer
#           names, imports too. Neither file is in the graph; only the count "Analyzed 6 files" tells. The same
#           files with an empty __init__.py are BROKEN, and pk.d is missing from the layers.
#           Output seen: `['pk', 'pk.a', 'pk.b', 'pk.b.y', 'pk.c', 'pk.c.w']`, `c KEPT`, exit 0.
# Matters:  a new room whose author forgot one empty file runs in production and breaks the law of the floors under a
#           green check. A test should say that each folder with .py files below the root package has __init__.py.
# Source:   this run; Python's side is PEP 420 (namespace packages).
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv v && v/bin/pip -q install import-linter==2.16 grimp==3.19

mkdir -p pk/a pk/b/inner pk/c pk/d
touch pk/__init__.py pk/a/__init__.py pk/b/__init__.py pk/c/__init__.py
echo 'z = 1' > pk/b/y.py
echo 'z = 1' > pk/c/w.py
echo 'from pk.c import w' > pk/b/inner/q.py   # from the lowest layer to the highest
echo 'from pk.c import w' > pk/d/z.py         # in no layer at all
cat > .importlinter <<'INI'
[importlinter]
root_package = pk
[importlinter:contract:floors]
name = c
type = layers
exhaustive = true
containers =
    pk
layers =
    c
    a
    b
INI
export PYTHONPATH=.
v/bin/python -c 'import pk.d.z, pk.b.inner.q; print("Python imports both")'
v/bin/python -c 'import grimp; print(sorted(grimp.build_graph("pk", cache_dir=None).modules))' | tee graph
! grep -qE 'inner|pk\.d' graph
v/bin/lint-imports --no-cache > kept
grep 'c KEPT' kept

touch pk/b/inner/__init__.py pk/d/__init__.py
if v/bin/lint-imports --no-cache > broken; then echo 'expected BROKEN with __init__.py'; exit 1; fi
grep -q 'c BROKEN' broken && echo 'with __init__.py: c BROKEN'
