"""The figures of the reports as SVG inside the page: drawn by leather, in the colors of the page's own tokens.

leather writes presentation attributes alone, neither style nor script, so the pages' policy holds. Every picture is
named and described, and its table stands beside it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import Any

from markupsafe import Markup

WIDTH, HEIGHT, ROW = 480, 220, 28  # a row is one bar
MOST_LABELS = 7  # under one axis
INK, LINE, FIRST, SECOND = "var(--ink)", "var(--line)", "var(--accent)", "var(--dose)"
_LONG = re.compile(r"(\d+\.\d)\d+")
Points = Sequence[tuple[str, float]]


def columns(name: str, title: str, description: str, points: Points) -> Markup:
    """One column for each, left to right."""
    chart, ticks = _leather().Chart(), _ticks(value for _label, value in points)
    chart.add_columns([(label, float(value)) for label, value in points], fill_color=FIRST)
    chart.add_y_scale(0, ticks[-1])
    chart.add_y_axis(ticks=ticks, tick_formatter=_whole)
    chart.add_x_axis(tick_formatter=_every(len(points)))
    return _named(chart.to_svg(width=WIDTH, height=HEIGHT), name, title, description, HEIGHT)


def bars(name: str, title: str, description: str, points: Points) -> Markup:
    """One bar for each, the first on top."""
    chart, ticks = _leather().Chart(), _ticks(value for _label, value in points)
    chart.add_bars([(float(value), label) for label, value in points], fill_color=FIRST)
    chart.add_x_scale(0, ticks[-1])
    chart.add_x_axis(ticks=ticks, tick_formatter=_whole)
    height = 60 + ROW * len(points)
    return _named(chart.to_svg(width=WIDTH, height=height), name, title, description, height)


def lines(
    name: str, title: str, description: str, series: dict[str, Sequence[tuple[str, float | None]]]
) -> Markup:
    """Two lines at most, told apart by color and dashes; a point that is None is left out."""
    chart = _leather().Chart()
    labels = [label for label, _value in next(iter(series.values()))]
    looks = ((FIRST, "none"), (SECOND, "6 4"))
    for (words, points), (color, dashes) in zip(series.items(), looks, strict=False):
        there = [(float(n), float(value)) for n, (_label, value) in enumerate(points, 1) if value is not None]
        if len(there) < 2:  # a point alone is a short line
            (n, value) = there[0] if there else (1, 0.0)
            there = [(n - 0.2, value), (n + 0.2, value)]
        chart.add_line(there, name=words, stroke_color=color, width=2, stroke_dasharray=dashes)
    ticks = _ticks(value or 0 for points in series.values() for _label, value in points)
    chart.add_x_scale(0.5, len(labels) + 0.5)
    chart.add_y_scale(0, ticks[-1])
    chart.add_y_axis(ticks=ticks, tick_formatter=_whole)
    every = _every(len(labels))
    ticks = list(range(1, len(labels) + 1))
    chart.add_x_axis(ticks=ticks, tick_formatter=lambda n, *_: every(labels[n - 1], n - 1))
    return _named(chart.to_svg(width=WIDTH, height=HEIGHT), name, title, description, HEIGHT)


def _leather() -> Any:
    """Imported where a figure is drawn; its theme is the page's."""
    import leather  # type: ignore[import-untyped]

    theme = leather.theme
    theme.background_color = "none"
    theme.margin = 0.03
    for part in ("title", "legend", "axis_title", "tick"):
        setattr(theme, f"{part}_font_family", "inherit")
        setattr(theme, f"{part}_font_size", "13")
    theme.legend_color = theme.axis_title_color = theme.label_color = INK
    theme.tick_color, theme.zero_color = LINE, "var(--edge)"
    return leather


def _every(count: int) -> Any:
    """Labels for an axis of so many: all, or each second, third ..."""
    step = -(-count // MOST_LABELS)
    return lambda label, n, *_: str(label) if n % step == 0 else ""


def _ticks(values: Iterable[float]) -> list[int]:
    """Whole numbers from 0 to no less than the largest: six at most, 1, 2 or 5 times a power of ten apart."""
    top, power = max([1, *values]), 1
    while True:
        for step in (power, 2 * power, 5 * power):
            if top <= 5 * step:
                return list(range(0, step * (math.ceil(top / step) + 1), step))
        power *= 10


def _whole(value: float, *_: object) -> str:
    return f"{value:,.0f}"


def _named(svg: str, name: str, title: str, description: str, height: float) -> Markup:
    body = _LONG.sub(r"\1", svg).partition(">")[2]
    head = Markup(
        '<svg class="figure" viewBox="0 0 {} {}" role="img" aria-labelledby="{}-title {}-desc">'
        '<title id="{}-title">{}</title><desc id="{}-desc">{}</desc>'
    ).format(WIDTH, height, name, name, name, title, name, description)
    return head + Markup(body)  # noqa: S704 - leather escapes what it is given
