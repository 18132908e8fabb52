"""The forest plot of pain and the map of the evidence, as SVG by Vega-Lite.

Colours are those of the light tokens in `site.css`; the portal makes the dark twin by exchanging them
(`portal/library/pictures.py`).
"""

from __future__ import annotations

from typing import Any

import vl_convert

from portal.library import pictures
from portal.library.evidence import CERTAINTY, SCALES, Effect
from portal.library.pages import Library

INK, MUTED, LINE, EDGE, DEEP, DOSE = "#1b2130", "#4f5563", "#dcd6c9", "#72767f", "#1d3557", "#a4560a"
CONFIG = {
    "font": pictures.FONT,
    "view": {"stroke": None},
    "axis": {
        "labelFontSize": 13,
        "titleFontSize": 13,
        "titleFontWeight": "normal",
        "titlePadding": 8,
        "labelColor": INK,
        "titleColor": MUTED,
        "gridColor": LINE,
        "tickColor": EDGE,
        "domainColor": EDGE,
    },
    "title": {"fontSize": 14, "color": INK, "anchor": "start"},
}
VERSION = "5.21"


def all_of(library: Library) -> dict[str, str]:
    """Each picture by name."""
    drawn = {"forest": forest(library), "map": evidence_map(library)}
    return {
        name: pictures.stamped(picture, pictures.data_of(library.evidence)[name])
        for name, picture in drawn.items()
    }


def forest(library: Library) -> str:
    """Pain, LDN less comparator: one panel for each scale."""
    effects = pictures.effects(library.evidence)
    panels = [_panel(scale, [one for one in effects if one.scale == scale]) for scale in SCALES]
    return _svg({"vconcat": panels, "spacing": 26})


def _panel(scale: str, effects: list[Effect]) -> dict[str, Any]:
    values = [
        {
            "label": one.label,
            "value": one.value,
            "low": one.low,
            "high": one.high,
            "words": pictures.words_of(one),
        }
        for one in effects
    ]
    y = {
        "field": "label",
        "type": "nominal",
        "sort": [one.label for one in effects],
        "axis": {"title": None, "ticks": False, "domain": False, "labelLimit": 330, "labelPadding": 8},
    }
    x = {"type": "quantitative", "scale": {"domain": [-1.5, 1]}, "axis": {"tickCount": 5, "format": ".1f"}}
    x["title"] = "← favors LDN   ·   favors comparator →"
    shape = {"field": "value", **x}
    whole = {"filter": "isValid(datum.low)"}
    return {
        "title": SCALES[scale],
        "width": 270,
        "height": {"step": 30},
        "data": {"values": values},
        "layer": [
            {
                "mark": {"type": "rule", "color": INK, "strokeDash": [3, 3]},
                "data": {"values": [{"none": 0}]},
                "encoding": {"x": {"field": "none", "type": "quantitative"}},
            },
            {
                "transform": [whole],
                "mark": {"type": "rule", "strokeWidth": 2.5, "color": DEEP},
                "encoding": {"y": y, "x": {"field": "low", **x}, "x2": {"field": "high"}},
            },
            {
                "mark": {
                    "type": "point",
                    "filled": True,
                    "shape": "square",
                    "size": 110,
                    "color": DEEP,
                    "opacity": 1,
                },
                "encoding": {"y": y, "x": shape},
            },
            {
                "mark": {"type": "text", "align": "left", "fontSize": 13, "color": INK},
                "encoding": {"y": y, "x": {"value": 282}, "text": {"field": "words"}},
            },
        ],
    }


def evidence_map(library: Library) -> str:
    """Condition by certainty; the area is the people of the largest study, filled where it had a control group."""
    values = pictures.places(library.evidence)
    names, certainties = [one["name"] for one in values], list(CERTAINTY.values())
    y = {
        "field": "name",
        "type": "nominal",
        "sort": names,
        "axis": {
            "title": None,
            "ticks": False,
            "domain": False,
            "grid": True,
            "labelLimit": 380,
            "labelPadding": 8,
        },
    }
    x = {
        "field": "certainty",
        "type": "nominal",
        "sort": certainties,
        "scale": {"domain": certainties},
        "axis": {
            "title": None,
            "orient": "top",
            "labelAngle": -38,
            "labelLimit": 300,
            "domain": False,
            "grid": True,
        },
    }
    size = {
        "field": "people",
        "type": "quantitative",
        "scale": {"type": "sqrt", "range": [40, 900]},
        "legend": None,
    }
    color = {"condition": {"test": "datum.controlled", "value": DEEP}, "value": DOSE}
    shape = {"condition": {"test": "datum.controlled", "value": "circle"}, "value": "diamond"}
    return _svg(
        {
            "width": {"step": 42},
            "height": {"step": 22},
            "data": {"values": values},
            "layer": [
                {
                    "transform": [{"filter": "datum.people > 0"}],
                    "mark": {"type": "point", "filled": True, "opacity": 1},
                    "encoding": {"x": x, "y": y, "size": size, "color": color, "shape": shape},
                },
                {
                    "mark": {"type": "text", "align": "left", "fontSize": 12, "color": MUTED},
                    "encoding": {
                        "y": y,
                        "x": {"value": 42 * len(certainties) + 8},
                        "text": {"field": "words"},
                    },
                },
            ],
        }
    )


def _svg(spec: dict[str, Any]) -> str:
    drawn: str = vl_convert.vegalite_to_svg(
        {"config": CONFIG, "background": None, **spec}, vl_version=VERSION
    )
    return drawn
