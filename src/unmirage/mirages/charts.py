"""The two charts of a made mirage: its curves, and how sharp every choice looks. Nothing is chosen here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import polars as pl

from unmirage.paper.drawing import GREY, bars, line, points
from unmirage.report.panels import ticks
from unmirage.report.themes import SCHEMA
from unmirage.report.words import axis_title, number, printable
from unmirage.scales import FALLING

if TYPE_CHECKING:
    from unmirage.mirages.found import Induced

WIDTH, HEIGHT, ROOM = 250, 190, 46
SMOOTH, SHARP = "#1261a0", "#b5400a"

Layer = dict[str, Any]


def charts(found: Induced) -> dict[str, dict[str, Any]]:
    """File name without ending -> Vega-Lite definition: "curves", and "sharpness" if metrics were tried."""
    made = {"curves": _curves(found)}
    panels = _sharpness(found)
    if panels:
        title = f"{printable(found.family)}, {printable(found.task)}: how sharp each choice of metric looks"
        made["sharpness"] = _sheet(panels, title, _subtitle(found), 2)
    return made


def _curves(found: Induced) -> dict[str, Any]:
    shown = [(found.metric, SMOOTH), *((one.metric, SHARP) for one in found.mirages)]
    panels = []
    for name, colour in shown:
        rows = found.curves.filter(pl.col("metric") == name)
        marks = [
            {"x": r["axis_value"], "y": r["value"], "low": r["low"], "high": r["high"]}
            for r in rows.iter_rows(named=True)
            if r["value"] is not None
        ]
        means = rows.group_by("axis_value").agg(pl.col("value").mean()).sort("axis_value").drop_nulls()
        path = [{"x": x, "y": y} for x, y in means.iter_rows()]
        layers = [bars([m for m in marks if m["low"] is not None]), line(path), points(marks)]
        made = name != found.metric
        ends = [m[end] for m in marks for end in ("y", "low", "high") if m[end] is not None]
        log = not made and not found.higher_is_better and min(ends) > 0
        y = _padded(ends, log=log, floor=0.0 if made else None)
        if made:
            y_title = "share of groups" if name.startswith("all_of(") else "share of items"
        else:
            y_title = printable(found.title)
        panels.append(_panel([printable(name)], layers, colour, _scale_axis(found), y, y_title))
    title = f"{printable(found.family)}, {printable(found.task)}: one family, the same outputs, other metrics"
    words = ["Left: the metric as it is. Right: made from it by the choice of metric alone."]
    return _sheet(panels, title, words, len(panels))


def _sharpness(found: Induced) -> list[dict[str, Any]]:
    rows = found.search.filter(pl.col("sharpness").is_not_null())
    panels = []
    for made, column, x_title in (
        ("threshold", "cut", "threshold c"),
        ("groups", "k", "items in a group, K"),
    ):
        tried = rows.filter(pl.col("made") == made)
        if tried.is_empty():
            continue
        title = "Thresholds"
        if made == "groups":
            cut = tried["cut"][0]
            title = "Groups" if cut is None else f"Groups, at c = {number(cut)}"
        x = _choice_axis(tried[column].cast(pl.Float64).to_list(), x_title, whole=made == "groups")
        for value, name in (("sharpness", "sharpness"), ("emergence_score", "emergence score")):
            finite = tried.filter(pl.col(value).is_finite())
            if finite.is_empty():
                continue
            y = _padded(finite[value].to_list(), log=value == "emergence_score")
            panels.append(_panel([title], _marks(finite, column, value), GREY, x, y, name))
    return panels


def _subtitle(found: Induced) -> list[str]:
    return [
        f"Blue: the largest scale reaches {number(found.least)}, so it could be drawn. Grey: it does not. "
        "Diamond: chosen.",
        "An emergence score that is infinite (half of the steps or more are flat) has no point.",
    ]


def _marks(rows: pl.DataFrame, column: str, value: str) -> list[Layer]:
    layers = []
    for drawable, colour in ((False, "#a3acb6"), (True, SMOOTH)):
        some = rows.filter(pl.col("drawable") == drawable)
        marks = [{"x": x, "y": y} for x, y in some.select(column, value).iter_rows()]
        layers.append(_coloured(points(marks, size=20), colour))
    chosen = [{"x": x, "y": y} for x, y in rows.filter("chosen").select(column, value).iter_rows()]
    layers.append(_coloured(points(chosen, shape="diamond", size=150), SHARP))
    return layers


def _coloured(layer: Layer, colour: str) -> Layer:
    layer["mark"]["color"] = colour
    return layer


def _scale_axis(found: Induced) -> Layer:
    xs = found.curves["axis_value"].to_list()
    room = max((max(xs) / min(xs)) ** 0.05, 1.1)
    low, high = min(xs) / room, max(xs) * room
    short = "replace(replace(format(datum.value, '~s'), 'G', 'B'), 'k', 'K')"
    label = short if high >= 1e4 else "format(datum.value, '~g')"
    if found.axis == "flops" or high >= 1e15:
        label = "replace(format(datum.value, '.0e'), '+', '')"
    return {
        "scale": {"type": "log", "nice": False, "domain": [low, high], "reverse": found.axis in FALLING},
        "axis": {"title": axis_title(found.axis), "values": ticks(low, high), "labelExpr": label},
    }


def _choice_axis(xs: Sequence[float], title: str, *, whole: bool) -> Layer:
    log = not whole and min(xs) > 0 and max(xs) / min(xs) > 20
    axis: dict[str, Any] = {"title": title, "tickCount": 6}
    if whole:
        axis |= {"tickMinStep": 1, "format": "d"}
    if log:
        axis |= {"values": ticks(min(xs), max(xs)), "format": "~g"}
    scale = _padded(xs, log=log, floor=None)
    return {"scale": scale, "axis": axis}


def _padded(values: Sequence[float], *, log: bool, floor: float | None = 0.0) -> Layer:
    """A scale with room for the outermost marks; a linear one starts at `floor` unless that is None."""
    low, high = min(values), max(values)
    if log:
        room = max((high / low) ** 0.06, 1.05)
        return {"type": "log", "domain": [low / room, high * room]}
    start = low if floor is None else min(low, floor)
    room = 0.06 * (high - start) or 0.5
    return {"type": "linear", "zero": False, "domain": [start - (room if floor is None else 0), high + room]}


def _panel(
    title: Sequence[str],
    layers: Sequence[Layer],
    colour: str,
    x: Mapping[str, Any],
    y_scale: Mapping[str, Any],
    y_title: str,
) -> dict[str, Any]:
    axis: dict[str, Any] = {"title": y_title, "minExtent": ROOM, "maxExtent": ROOM, "tickCount": 5}
    if y_scale["type"] == "log":
        axis |= {"values": ticks(*y_scale["domain"]), "format": "~g"}
    y = {"scale": {"nice": False, **y_scale}, "axis": axis}
    drawn = []
    for layer in layers:
        encoding = {k: v for k, v in layer["encoding"].items() if k != "color"}
        encoding["x"], encoding["y"] = {**encoding["x"], **x}, {**encoding["y"], **y}
        drawn.append({**layer, "mark": {"color": colour, **layer["mark"]}, "encoding": encoding})
    return {
        "width": WIDTH,
        "height": HEIGHT,
        "title": {"text": list(title), "fontSize": 12, "offset": 6},
        "layer": drawn,
    }


def _sheet(
    panels: Sequence[dict[str, Any]], title: str, subtitle: Sequence[str], columns: int
) -> dict[str, Any]:
    return {
        "$schema": SCHEMA,
        "title": {"text": title, "subtitle": list(subtitle), "limit": columns * (WIDTH + ROOM + 34)},
        "columns": columns,
        "concat": list(panels),
        "bounds": "flush",
        "spacing": {"row": 80, "column": ROOM + 34},
    }
