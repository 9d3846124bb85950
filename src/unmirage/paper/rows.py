"""Charts whose rows are names: dots with intervals, boxes, words. What is drawn is chosen in the figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from unmirage.paper.drawing import GREY, Layer, Row
from unmirage.report.themes import SCHEMA

ROW = 26
OFFSETS = {"type": "band", "paddingInner": 0.1, "paddingOuter": 0.25}


def x_axis(title: str, domain: tuple[float, float], *, log: bool = False, **axis: Any) -> Layer:
    """The encoding of the value, its field left out."""
    scale = {"type": "log" if log else "linear", "domain": list(domain), "nice": False}
    return {"type": "quantitative", "scale": scale, "axis": {"title": title, "grid": True, **axis}}


def names(rows: Sequence[str], field: str = "row") -> Layer:
    """The encoding of the names, from top to bottom; "" is a row without a name."""
    return {
        "field": field,
        "type": "nominal",
        "sort": list(rows),
        "scale": {"domain": list(rows)},
        "axis": {"title": None, "labelLimit": 210, "domain": False, "ticks": False, "grid": False},
    }


def offset(series: Sequence[str]) -> Layer:
    """The encoding that sets series of a row below one another."""
    return {"field": "series", "type": "nominal", "sort": list(series), "scale": {"domain": list(series)}}


def spans(
    rows: Sequence[Row], x: Layer, y: Layer, *, width: float, opacity: float = 0.5, **more: Layer
) -> Layer:
    """A thick or thin line a row, from low to high."""
    encoding = {"y": y, "x": {**x, "field": "low"}, "x2": {"field": "high"}, **more}
    mark = {
        "type": "rule",
        "strokeWidth": width,
        "opacity": opacity,
        **({} if "color" in more else {"color": GREY}),
    }
    return {"data": {"values": [dict(row) for row in rows]}, "mark": mark, "encoding": encoding}


def dots(rows: Sequence[Row], x: Layer, y: Layer, mark: Layer | None = None, **more: Layer) -> Layer:
    """A point a row at its value."""
    given = {"type": "point", "filled": True, "size": 48, "opacity": 1, **(mark or {})}
    encoding = {"y": y, "x": {**x, "field": "value"}, **more}
    return {"data": {"values": [dict(row) for row in rows]}, "mark": given, "encoding": encoding}


def words(rows: Sequence[Row], y: Layer, *, dx: float = 6, **more: Layer) -> Layer:
    """Words on the right of the panel, a row each: its `text`."""
    mark = {"type": "text", "align": "left", "baseline": "middle", "dx": dx, "fontSize": 10.5, "color": GREY}
    encoding = {"y": y, "x": {"value": "width"}, "text": {"field": "text", "type": "nominal"}, **more}
    return {"data": {"values": [dict(row) for row in rows]}, "mark": mark, "encoding": encoding}


def upright(value: float, x: Layer) -> Layer:
    """A dashed line at a value, over all rows."""
    mark = {"type": "rule", "color": GREY, "strokeDash": [6, 4], "strokeWidth": 1}
    return {"data": {"values": [{"at": value}]}, "mark": mark, "encoding": {"x": {**x, "field": "at"}}}


def colours(series: Sequence[str], of: Sequence[str], *, legend: bool = True) -> Layer:
    """The encoding of the series by colour."""
    shown = {
        "title": None,
        "orient": "bottom",
        "direction": "horizontal",
        "labelLimit": 0,
        "symbolType": "circle",
    }
    return {
        "field": "series",
        "type": "nominal",
        "scale": {"domain": list(series), "range": list(of[: len(series)])},
        "legend": {**shown, "symbolOpacity": 1} if legend else None,
    }


def panel(title: str, layers: Sequence[Layer], *, width: float, height: float) -> Layer:
    """One panel."""
    heading = {"text": title, "fontSize": 12, "offset": 6}
    return {"title": heading, "width": width, "height": height, "layer": list(layers)}


def column(panels: Sequence[Layer]) -> Layer:
    """Panels below one another, as one part of a row; a legend is shared."""
    return {"vconcat": list(panels), "spacing": 26, "resolve": {"scale": {"color": "shared"}}}


def sheet(rows: Sequence[Sequence[Layer]], title: str, subtitle: Sequence[str]) -> dict[str, Any]:
    """Panels below and beside one another; each row takes the room that it needs."""
    lines = [
        {"hconcat": list(line), "spacing": 30, "resolve": {"scale": {"color": "shared"}}} for line in rows
    ]
    return {
        "$schema": SCHEMA,
        "title": {"text": title, "subtitle": list(subtitle), "limit": 1000},
        "vconcat": lines,
        "spacing": 26,
        "resolve": {"scale": {"color": "independent"}},
    }
