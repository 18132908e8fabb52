#!/usr/bin/env bash
# rcssmin 1.3.0: inside @layer and inside nested rules, ` :hover` loses its space and selects something else
#
# Guess:    `nav :focus-visible` stays as it is wherever it stands; the minifier keeps it at the top level and in @media.
# Happened: within @layer, @container, @scope, and within a nested rule, what stands between braces is taken for declarations, where the
#           space before a colon has no meaning: "any focused thing within nav" becomes "nav itself, focused". No warning.
#           `& :hover` is spared, and `:is()` loses its space like any other. Apart from that, spaces within a quoted
#           url() are lost too: url("a b.svg") becomes url("ab.svg").
#           Output seen: @layer x{nav:focus-visible{b:c}}   .card{.list:last-child{b:c}}   a{b:url("ab.svg")}
# Matters:  a style sheet that is put into @layer, or nested, by hand loses rules only where it is served minified:
#           the focus ring that WCAG 2.4.7 asks for among them. Write `& :x`, or `*:x`, or stay with flat rules.
# Source:   this run; CSS Nesting Module, CSS Cascade 5 (@layer).
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv v && v/bin/pip -q install rcssmin==1.3.0
cat > try.py <<'PY'
from rcssmin import cssmin
for given, seen in {
    "nav :focus-visible { b: c }": "nav :focus-visible{b:c}",
    "@media (x) { nav :focus-visible { b: c } }": "@media (x){nav :focus-visible{b:c}}",
    "@layer x { nav :focus-visible { b: c } }": "@layer x{nav:focus-visible{b:c}}",
    "@container (width > 1px) { nav :is(a, b) { b: c } }": "@container (width>1px){nav:is(a,b){b:c}}",
    "@scope (.x) { nav :hover { b: c } }": "@scope (.x){nav:hover{b:c}}",
    ".card { .list :last-child { b: c } }": ".card{.list:last-child{b:c}}",
    ".card { & :last-child { b: c } }": ".card{& :last-child{b:c}}",
    ".card { .list *:last-child { b: c } }": ".card{.list *:last-child{b:c}}",
    'a { b: url("a b.svg") }': 'a{b:url("ab.svg")}',
}.items():
    made = cssmin(given)
    print(f"{given:55} -> {made}")
    assert made == seen, seen
PY
v/bin/python try.py
