"""A form's fields, its summary of errors and its answers as HTML, drawn in Python.

What the widgets of WTForms and macros of Jinja say, quicker: a form page that is shown again with its errors is
mostly this. A control that is not known here draws itself. `templates/components/` says what each word means.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from flask_babel import gettext as _
from markupsafe import Markup, escape
from wtforms import StringField, widgets

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
Draw = Callable[[Any, str], str]  # of a form, and of what is given besides


class Mold:
    """Stands for a form while its page is rendered for everybody: what would be drawn of it leaves a mark there.

    A mark is 128 random bits of this one rendering. The page learns nothing else of any form, but for the `words` of
    consent on it, which are everybody's.
    """

    is_stale = False

    def __init__(self, empty: Any, *, is_failed: bool) -> None:
        self._empty, self.errors = empty, {"": ""} if is_failed else {}
        self.words = getattr(empty, "words", None)
        self.holes: dict[str, Draw] = {}  # by mark

    def __iter__(self) -> Iterator[Any]:
        return iter(self._empty)

    def __getattr__(self, name: str) -> Place:
        if name not in self._empty:
            raise AttributeError(name)
        return Place(self, self._empty[name])

    def hole(self, draw: Draw) -> Markup:
        """The mark of a new hole."""
        mark = secrets.token_urlsafe(16)
        self.holes[mark] = draw
        return Markup(mark)  # noqa: S704 - letters and digits


@dataclass(frozen=True)
class Place:
    """Stands for a field there; `empty` is that field without an answer."""

    mold: Mold
    empty: Any


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
    if type(f) is Place:
        told = {"label": label, "hint": hint, "optional": optional, "width": width, "rows": rows}
        return f.mold.hole(_Again(f.empty, **told, hints=hints, inline=inline))
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
        more = f' aria-describedby="{described}"' if described else ""
        said = (
            f'<fieldset class="{css}"{more}>\n<legend>{words}{mark}</legend>\n{helped}{failed}\n'
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


def tokens(form: Any) -> Markup:
    """What every form keeps without showing it, and the trap where a person never meets it."""
    if type(form) is Mold:
        return form.hole(lambda one, _given: tokens(one))
    trap = getattr(form, "honeypot", None)
    said: list[str] = [
        control(f, id=False, required=False)
        for f in form
        if getattr(f.widget, "input_type", "") == "hidden"
        and f is not trap
        and (f.name != "without_cookie" or f.data)
    ]
    if trap is not None and form.has_trap:
        empty = {"id": False, "tabindex": "-1", "autocomplete": "off", "required": False, "maxlength": False}
        shown = f"{_('Leave this empty')} {control(trap, **empty)}"
        said.append(f'<div class="trap" aria-hidden="true"><label>{shown}</label></div>')
    return Markup("\n".join(said))  # noqa: S704 - each escaped


def errors(form: Any, id: str = "errors", focus: bool = True) -> Markup:  # noqa: A002 - as of the element
    """The summary of a form's errors; nothing where there are none."""
    if type(form) is Mold:
        return form.hole(lambda one, _given: errors(one, id, focus))
    lines = [f"<li>{escape(message)}</li>" for message in form.form_errors]
    for f in form:
        if f.errors:
            to = f"{f.id}-0" if type(f.widget) in SEVERAL else f.id
            words, is_seen = escape(f.errors[0]), getattr(f.widget, "input_type", "") != "hidden"
            lines.append(f'<li><a href="#{escape(to)}">{words}</a></li>' if is_seen else f"<li>{words}</li>")
    if not lines:
        return Markup("")
    name, focused, listed = escape(id), " autofocus" if focus else "", "\n".join(lines)
    return Markup(  # noqa: S704 - each part is escaped above
        f'<div class="errors" id="{name}" role="group" tabindex="-1"{focused} aria-labelledby="{name}-title">\n'
        f'<h2 id="{name}-title">{_("There is a problem")}</h2>\n<ul>\n{listed}\n</ul>\n</div>'
    )


def answers(rows: Iterable[Mapping[str, Any]], form: str | None = None) -> Markup:
    """Names and values."""
    nothing, change, said = f'<span class="muted">{_("Not provided")}</span>', _("Change"), []
    for row in rows:
        before, after = _around(row["key"], row.get("change"), form, change)
        value = row["value"]
        said.append(f"{before}{nothing if value is None or value == '' else escape(value)}{after}")
    return Markup(f'<dl class="summary">{"".join(said)}\n</dl>')  # noqa: S704 - each part is escaped


@lru_cache(maxsize=256, typed=True)  # what is Markup is another word than the same as text
def _around(key: Any, leads: str | None, form: str | None, change: str) -> tuple[str, str]:
    """What stands before and after a value: our own words, the same for many."""
    key, to, more = escape(key), escape(leads or ""), ""
    led = f'{change}<span class="vh"> {key.lower()}</span>'
    if leads and form:
        button = (
            f'<button class="button-link" type="submit" form="{escape(form)}" name="change" value="{to}">'
        )
        more = f'\n<dd class="change">{button}{led}</button></dd>'
    elif leads:
        more = f'\n<dd class="change"><a href="{to}">{led}</a></dd>'
    return f"\n<div>\n<dt>{key}</dt>\n<dd>", f"</dd>{more}\n</div>"


class _Again:
    """One field of a page that many see: around its value, or as the same choice was drawn before.

    What is kept was drawn of the empty field, or of a choice on our own list; one with an error is drawn anew.
    """

    MOST = 64  # choices

    def __init__(self, empty: Any, **said: Any) -> None:
        self._name, self._said, self._drawn = empty.short_name, said, dict[Any, str]()
        listed = getattr(empty, "choices", None)
        self._listed = None if listed is None else frozenset(choice.value for choice in listed)
        self._around: tuple[str, str] | None = None
        if isinstance(empty, StringField):
            mark = secrets.token_urlsafe(16)
            empty.data = mark
            before, found, after = str(field(empty, **said)).partition(mark)
            self._around = (before, after) if found and mark not in after else None
            empty.data = None

    def __call__(self, form: Any, _given: str) -> str:
        """The field of this form."""
        f = form[self._name]
        if f.errors:
            return field(f, **self._said)
        if self._around is not None:
            return f"{self._around[0]}{escape(f._value())}{self._around[1]}"
        choice = tuple(f.data) if isinstance(f.data, list) else f.data
        drawn = self._drawn.get(choice)
        if drawn is None:
            drawn = field(f, **self._said)
            if len(self._drawn) < self.MOST and self._is_ours(choice):
                self._drawn[choice] = drawn
        return drawn

    def _is_ours(self, choice: Any) -> bool:
        if self._listed is None:
            return isinstance(choice, bool)
        return choice is None or self._listed.issuperset(choice if isinstance(choice, tuple) else (choice,))


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
