#!/usr/bin/env bash
# WTForms 3.3.2: the render_kw of a choice reaches its <option>, and not its radio button
#
# Guess:    SelectChoice(..., render_kw={"form": "work"}) puts the attribute on whatever shows that choice.
# Happened: in a SelectField <option> has it; the buttons of a RadioField have the field's own render_kw, and those of their
#           choices are dropped without a word (SelectFieldBase.__iter__ gives each the field's).
#           Output seen: <option form="work" value="a">   <input id="chosen-0" name="chosen" type="radio" value="a">
# Matters:  a button that stands beside its form, joined to it by `form=`, is part of no form then: chosen, it is never
#           sent, and the form is refused for what was not chosen. Give render_kw to the field.
# Source:   this run; HTML, "form-associated elements".
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv v && v/bin/pip -q install WTForms==3.3.2 MarkupSafe==3.0.4
cat > try.py <<'PY'
from wtforms import Form, RadioField, SelectField
from wtforms.fields.choices import SelectChoice

JOINED = {"form": "work"}


class Asked(Form):
    select = SelectField(choices=[SelectChoice(value="a", label="A", render_kw=JOINED)])
    of_choice = RadioField(choices=[SelectChoice(value="a", label="A", render_kw=JOINED)])
    of_field = RadioField(choices=[SelectChoice(value="a", label="A")], render_kw=JOINED)


asked = Asked()
for made, has in (
    (asked.select(), True),
    (next(iter(asked.of_choice))(), False),
    (next(iter(asked.of_field))(), True),
):
    print(made)
    assert ('form="work"' in made) == has
PY
v/bin/python try.py
