"""A field of a form as HTML: label, hint, error and control, drawn in Python.

What the widgets of WTForms say, quicker: a form page that is shown again with its errors is mostly this. One that is
not known here draws itself. `templates/components/field.html` says what each word means.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask_babel import gettext as _
from markupsafe import Markup, escape
from wtforms import widgets

INPUTS: frozenset[Any] = frozenset(
    (
        *(
            widgets.TextInput,
            widgets.EmailInput,
            widgets.TelInput,
            widgets.SearchInput,
            widgets.PasswordInput,
        ),
        *(widgets.DateInput, widgets.TimeInput, widgets.NumberInput, widgets.HiddenInput),
        *(widgets.CheckboxInput, widgets.RadioInput),
    )
)
KNOWN = INPUTS | {widgets.TextArea, widgets.Select}
TICKED = frozenset((widgets.CheckboxInput, widgets.RadioInput))
SEVERAL = frozenset((widgets.ListWidget, widgets.TableWidget))
# Never printed: the server's message explains, the browser's does not, and a silently cut paste loses words.
UNSAID = {"required": False, "maxlength": False, "minlength": False, "pattern": False}
SHORT = frozenset(("tel", "date", "time"))  # kinds of control that take few characters


def field(
    f: Any,
    label: Any = None,
    hint: Any = None,
    optional: bool | None = None,
    width: str | None = None,
    rows: int = 6,
    hints: Mapping[str, Any] | None = None,
    inline: bool = False,
) -> Markup:
    """One field, whole."""
    widget, kw, name = type(f.widget), f.render_kw or {}, str(escape(f.id))
    kind = getattr(f.widget, "input_type", "")
    words = escape(f.label.text if label is None else label)
    help_ = (f.description or "") if hint is None else hint
    limit = kw.get("data-count") or kw.get("maxlength") or f.flags.maxlength
    count = int(limit) if widget is widgets.TextArea and limit else 0
    parts = (f"{name}-h" if help_ else "", f"{name}-e" if f.errors else "", f"{name}-c" if count else "")
    described = " ".join(filter(None, parts))
    attrs: dict[str, Any] = {
        **UNSAID,
        "aria-describedby": Markup(described) or False,  # noqa: S704 - made of what is escaped
        "aria-invalid": "true" if f.errors else False,
    }
    is_choice = widget in SEVERAL or widget is widgets.Select
    if optional is None:
        is_marked = kind != "checkbox" and not (is_choice and f.default) and not f.flags.required
    else:
        is_marked = optional
    mark = f' <span class="optional">{_("(optional)")}</span>' if is_marked else ""
    helped = f'<p class="hint" id="{name}-h">{escape(help_)}</p>\n' if help_ else ""
    failed = f'<p class="error" id="{name}-e">{_("Error:")} {escape(f.errors[0])}</p>\n' if f.errors else ""
    css = "field bad" if f.errors else "field"
    if widget in SEVERAL:
        told = f' aria-describedby="{described}"' if described else ""
        said = (
            f'<fieldset class="{css}"{told}>\n<legend>{words}{mark}</legend>\n{helped}{failed}\n'
            f'<div class="options{" row" if inline else ""}">{_options(f, hints or {})}</div>\n</fieldset>'
        )
    elif kind == "checkbox":
        mark = mark if optional else ""
        said = (
            f'<div class="{css}">\n{failed}\n<div class="option">{control(f, **attrs)}'
            f'<label for="{name}">{words}{mark}</label>{helped}</div>\n</div>'
        )
    else:
        size = width
        if size is None:
            size = "m" if kw.get("inputmode") in ("numeric", "tel") or kind in SHORT else ""
        if size:
            attrs["class"] = f"w-{size}"
        if kind == "email":
            attrs |= {"spellcheck": "false", "autocapitalize": "off"}
        if widget is widgets.TextArea:
            attrs["rows"] = rows
        if count:
            attrs["data-count"] = count
        said = (
            f'<div class="{css}">\n<label for="{name}">{words}{mark}</label>\n{helped}{failed}'
            f"{control(f, **attrs)}{_counted(name, count) if count else ''}</div>"
        )
    return Markup(said)  # noqa: S704 - each part is escaped above


def control(f: Any, **attrs: Any) -> Markup:
    """The control alone, with these attributes besides its own."""
    widget: Any = type(f.widget)
    own = f.render_kw or {}
    if widget not in KNOWN or "_" in "".join(own) or (widget is widgets.Select and f.has_groups()):
        return Markup(f(**attrs))  # noqa: S704 - WTForms escapes
    said: dict[str, Any] = {"id": f.id, "name": f.name, **own, **attrs}
    for flag in f.widget.validation_attrs:
        if flag not in said and (value := getattr(f.flags, flag)) is not None:
            said[flag] = value
    if widget is widgets.TextArea:
        return Markup(f"<textarea {_attributes(said)}>\r\n{escape(f._value())}</textarea>")  # noqa: S704
    if widget is widgets.Select:
        return Markup(f"<select {_attributes(said)}>{''.join(map(_choice, f.iter_choices()))}</select>")  # noqa: S704
    if widget in TICKED and getattr(f, "checked", f.data):
        said.setdefault("checked", True)
    said.setdefault("type", f.widget.input_type)
    if widget is widgets.PasswordInput and f.widget.hide_value:
        said["value"] = ""
    elif "value" not in said:
        said["value"] = f._value()
    return Markup(f"<input {_attributes(said)}>")  # noqa: S704 - escaped there


def hidden(name: str, value: str) -> str:
    """A value that a page keeps for its form."""
    return f'<input name="{escape(name)}" type="hidden" value="{escape(value)}">'


def _attributes(said: Mapping[str, Any]) -> str:
    """By name; True is a word alone, False is nothing."""
    return " ".join(
        name if said[name] is True else f'{name}="{escape(said[name])}"'
        for name in sorted(said)
        if said[name] is not False
    )


def _choice(choice: Any) -> str:
    said = {"value": choice.value, **(choice.render_kw or {}), "selected": bool(choice.selected)}
    return f"<option {_attributes(said)}>{escape(choice.label or choice.value)}</option>"


def _options(f: Any, hints: Mapping[str, Any]) -> str:
    """The buttons or boxes of a list, each with its words."""
    found = []
    for option in f:
        name, hint = str(escape(option.id)), hints.get(option.data)
        attrs = {"required": False} | ({"aria-describedby": f"{option.id}-h"} if hint is not None else {})
        found.append(
            f'<div class="option">{control(option, **attrs)}<label for="{name}">'
            f"{escape(option.label.text)}</label>"
            + (f'<p class="hint" id="{name}-h">{escape(hint)}</p>' if hint is not None else "")
            + "</div>"
        )
    return "".join(found)


def _counted(name: str, count: int) -> str:
    left, over = escape(_("Characters left: {n}")), escape(_("Characters too many: {n}"))
    most = escape(_("Up to %(number)s characters", number=f"{count:,}"))
    return f'<p class="hint count" id="{name}-c" data-left="{left}" data-over="{over}">{most}</p>'
