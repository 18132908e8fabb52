#!/usr/bin/env bash
# css-inline 0.24.0: keep_at_rules puts what it keeps before <meta charset>, wherever it stood
#
# Guess:    with inline_style_tags and keep_at_rules, the @media rules stay in the <style> that they were in, without what went to the tags.
# Happened: all that is kept becomes a new <style>, the first child of <head>, before <meta charset>. A sheet for dark and narrow screens
#           is soon as long as the 1,024 bytes in which HTML wants the charset to be told; a mail that is saved, or a page that is served
#           without charset, is then read as windows-1252.
#           Output seen: <head><style>@media … </style>, the charset at byte 1,318. With extra_css, inline_style_tags=False and
#           keep_style_tags=True the mail's own <style> stays where it is, the charset at byte 43.
# Matters:  a mail template keeps its rules for the screen in its own <style> and gives the rest as extra_css.
# Source:   this run; HTML Standard, 4.2.5.4 (the whole of the element within the first 1024 bytes).
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv v && v/bin/pip -q install css-inline==0.24.0
cat > try.py <<'PY'
import css_inline

kept = "".join(f"@media (max-width: {n}px) {{ .c{n} {{ color: #123456 !important }} }}\n" for n in range(20))
plain = "p { margin: 0 }\n"
page = '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>x</title><style>%s</style></head><body><p>é</p></body></html>'

moved = css_inline.CSSInliner(keep_at_rules=True).inline(page % (plain + kept))
print("keep_at_rules: charset at byte", moved.index("charset"), "of", moved[:60])
assert moved.index("<style>") < moved.index("charset") > 1024
assert '<p style="margin: 0;">' in moved

own = css_inline.CSSInliner(extra_css=plain, inline_style_tags=False, keep_style_tags=True).inline(page % kept)
print("extra_css: charset at byte", own.index("charset"))
assert own.index("charset") < 100 and '<p style="margin: 0;">' in own
PY
v/bin/python try.py
