"""The parts of the figures' charts: marks, panels and grids as Vega-Lite. What is drawn is chosen in
each figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from unmirage.report.themes import SCHEMA

Row = Mapping[str, Any]
Layer = dict[str, Any]

# Dark enough on white to be told apart in grey print, ordered from light to dark as the lengths grow.
COLOURS = ("#d9820b", "#c4452f", "#8f2a6b", "#50329b", "#101a4d")
GREY = "#6b7680"
DASHES = [5, 3]
AXIS_ROOM = 44
SIZE_LABEL = "replace(replace(format(datum.value, '~s'), 'G', 'B'), 'k', 'K')"
POWER_LABEL = "datum.value >= 0.001 ? format(datum.value, '~g') : format(datum.value, '.0e')"


@dataclass(frozen=True)
class Panel:
    """One panel.

    Attributes
    ----------
    title: above it, a line each.
    layers: from the functions of this module, bottom first.
    y: title of the y axis.
    x_domain: the range of sizes, or of what else `x` is.
    y_domain: the range of values, or None to take it from the data.
    y_log: whether the y axis is logarithmic.
    x: title of the x axis.
    x_log: whether the x axis is logarithmic; if not, whole numbers are marked where the range is above 2.
    """

    title: Sequence[str]
    layers: Sequence[Layer] = field(repr=False)
    y: str
    x_domain: tuple[float, float]
    y_domain: tuple[float, float] | None = None
    y_log: bool = False
    x: str = "parameters"
    x_log: bool = True


def line(rows: Sequence[Row], *, dashed: bool = False, faint: bool = False) -> Layer:
    """A line a series through rows with x, y and series; nothing is joined over a null y."""
    mark: dict[str, Any] = {"type": "line", "strokeWidth": 1.2 if faint else 1.8, "opacity": 0.9}
    if dashed:
        mark["strokeDash"] = DASHES
    return _layer(rows, mark, y="y")


def points(
    rows: Sequence[Row], *, shape: str = "circle", filled: bool = True, size: float = 26, opacity: float = 1.0
) -> Layer:
    """A point a row."""
    mark = {"type": "point", "shape": shape, "filled": filled, "size": size, "opacity": opacity}
    if not filled:
        mark["strokeWidth"] = 1.3
    return _layer(rows, mark, y="y")


def bars(rows: Sequence[Row]) -> Layer:
    """A thin upright interval a row, from low to high."""
    layer = _layer(rows, {"type": "rule", "strokeWidth": 0.9, "opacity": 0.55}, y="low")
    layer["encoding"]["y2"] = {"field": "high"}
    return layer


def level(value: float, words: str) -> list[Layer]:
    """A grey line across, with words under its right end."""
    data = {"values": [{"y": value}]}
    y = {"field": "y", "type": "quantitative"}
    rule = {"type": "rule", "color": GREY, "strokeDash": [6, 4], "strokeWidth": 1}
    text = {"type": "text", "text": words, "align": "right", "baseline": "top", "dx": -3, "dy": 3}
    return [
        {"data": data, "mark": rule, "encoding": {"y": y}},
        {
            "data": data,
            "mark": {**text, "color": GREY, "fontSize": 10},
            "encoding": {"y": y, "x": {"value": "width"}},
        },
    ]


def grid(
    panels: Sequence[Panel],
    *,
    columns: int,
    title: str,
    subtitle: Sequence[str],
    series: Sequence[str],
    legend: str,
    colours: Sequence[str] = COLOURS,
    width: int = 205,
    height: int = 170,
) -> dict[str, Any]:
    """The definition of a chart of panels with one legend; `series` are in the order of `colours`."""
    colour = {
        "field": "series",
        "type": "nominal",
        "scale": {"domain": list(series), "range": list(colours[: len(series)])},
        "legend": {
            "title": legend or None,
            "titleLimit": 0,
            "orient": "bottom",
            "direction": "horizontal",
            "symbolType": "circle",
        },
    }
    return {
        "$schema": SCHEMA,
        "title": {"text": title, "subtitle": list(subtitle), "limit": columns * (width + AXIS_ROOM + 34)},
        "columns": columns,
        "concat": [_panel(one, colour, width, height) for one in panels],
        "resolve": {"scale": {"color": "shared"}},
        # Panels line up by their frames; the room beside them is for axes and titles.
        "bounds": "flush",
        "spacing": {"row": 58 + 16 * max(len(one.title) for one in panels), "column": AXIS_ROOM + 34},
    }


def _layer(rows: Sequence[Row], mark: Mapping[str, Any], *, y: str) -> Layer:
    encoding = {
        "x": {"field": "x", "type": "quantitative"},
        "y": {"field": y, "type": "quantitative"},
        "color": {},
    }
    return {
        "data": {"values": [dict(row) for row in rows]},
        "mark": {**mark, "clip": True},
        "encoding": encoding,
    }


def _panel(one: Panel, colour: Mapping[str, Any], width: int, height: int) -> dict[str, Any]:
    x_scale = {"type": "log" if one.x_log else "linear", "nice": False, "domain": list(one.x_domain)}
    y_scale: dict[str, Any] = {"type": "log" if one.y_log else "linear", "nice": False}
    if not one.y_log:
        y_scale["zero"] = False
    if one.y_domain is not None:
        y_scale["domain"] = list(one.y_domain)
    x_axis: dict[str, Any] = {"title": one.x}
    if one.x_log:
        x_axis |= {"labelExpr": SIZE_LABEL, "values": decades(*one.x_domain)}
    elif one.x_domain[1] - one.x_domain[0] > 2:
        x_axis |= {"tickMinStep": 1, "format": "d"}
    y_axis: dict[str, Any] = {"title": one.y, "minExtent": AXIS_ROOM, "maxExtent": AXIS_ROOM}
    y_axis["titleFontWeight"] = "normal"
    if one.y_log and one.y_domain is not None:
        y_axis |= {"labelExpr": POWER_LABEL, "values": decades(*one.y_domain)}
    layers = []
    for layer in one.layers:
        encoding = dict(layer["encoding"])
        if "x" in encoding and "field" in encoding["x"]:
            encoding["x"] = {**encoding["x"], "scale": x_scale, "axis": x_axis}
        encoding["y"] = {**encoding["y"], "scale": y_scale, "axis": y_axis}
        if "color" in encoding:
            encoding["color"] = dict(colour)
        layers.append({**layer, "encoding": encoding})
    title = {"text": list(one.title), "fontSize": 12, "offset": 6}
    return {"width": width, "height": height, "title": title, "layer": layers}


def decades(low: float, high: float) -> list[float]:
    """The powers of ten in a range, and three times them where there would be fewer than two."""
    import numpy as np

    powers = 10.0 ** np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
    within = powers[(powers >= low * 0.999) & (powers <= high * 1.001)]
    if within.size < 2:
        finer = np.sort(np.concatenate([powers, 3 * powers]))
        within = finer[(finer >= low * 0.999) & (finer <= high * 1.001)]
    return [float(f"{value:.6g}") for value in within]


def sizes_between(low: float, high: float, count: int = 121) -> list[float]:
    """Sizes evenly spaced in the logarithm, for a dense curve."""
    import numpy as np

    return [float(x) for x in np.geomspace(low, high, count)]
