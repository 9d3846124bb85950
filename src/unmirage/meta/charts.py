"""The charts of a meta-analysis as Vega-Lite, without colours (see `report.themes`). Nothing is computed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from unmirage.meta.found import Meta
from unmirage.meta.shapes import RULES
from unmirage.report.panels import ticks
from unmirage.report.themes import SCHEMA
from unmirage.report.words import axis_title, number, p_said, p_value, printable
from unmirage.scales import FALLING

Layer = dict[str, Any]

WIDTH, ROW = 330, 22
SMALL = (190, 130)
# Metrics that are drawn at most, those with most tested curves; the tables hold all.
MOST = 14
CURVES = 12
# A curve over more than this is drawn on a log axis.
WIDE = 100
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def charts(found: Meta) -> dict[str, dict[str, Any]]:
    """Name -> definition, of those that have something to draw: "scores", "shares", "shapes", "curves"."""
    tested = found.cells.filter(pl.col("p").is_not_null())
    drawn: dict[str, dict[str, Any]] = {}
    if not tested.is_empty():
        drawn |= _tested(found, tested)
    chain = _chain(found)
    if chain:
        drawn["choices"] = _sheet(chain, "Per-item correlation with the log of scale along the chain", 4)
    return drawn


def _tested(found: Meta, tested: pl.DataFrame) -> dict[str, dict[str, Any]]:
    names = _metrics(tested)
    return {
        "scores": _sheet(_scores(tested, names), "Scores by metric, and beside those of smooth curves", 2),
        "shares": _sheet(_shares(found, names), "Curves whose score is beyond their null", 2),
        "shapes": _sheet(_shapes(found, names), "Shapes of the curves", 2),
        "curves": _sheet(_curves(found, tested), "The curves that stand out most", 4),
    }


def _metrics(tested: pl.DataFrame) -> list[str]:
    counts = tested["metric"].value_counts().sort("count", "metric", descending=[True, False])
    return [str(name) for name in counts["metric"].head(MOST)]


def _scores(tested: pl.DataFrame, names: Sequence[str]) -> list[Layer]:
    positive = tested.filter(pl.col("emergence_score") > 0, pl.col("metric").is_in(names))
    ratio = positive.with_columns(ratio=pl.col("guarded_score") / pl.col("null_high")).filter(
        pl.col("null_high") > 0
    )
    finite = positive.filter(pl.col("emergence_score").is_finite())
    return [
        _boxes(finite, "emergence_score", names, "raw emergence score (curves that rise)", None),
        _boxes(ratio, "ratio", names, "score / that of 95% of smooth curves", 1.0),
    ]


def _boxes(rows: pl.DataFrame, column: str, names: Sequence[str], title: str, mark: float | None) -> Layer:
    """Quantiles of each metric on a log axis, and the points beyond them."""
    boxes, outer = [], []
    for name in names:
        values = np.sort(rows.filter(pl.col("metric") == name)[column].to_numpy())
        if not values.size:
            continue
        q = np.quantile(values, QUANTILES)
        keys = ("low", "q1", "median", "q3", "high")
        boxes.append({"metric": printable(name), "n": int(values.size), **dict(zip(keys, q, strict=True))})
        most = values[values > q[-1]][-10:]
        outer += [{"metric": printable(name), "value": float(value)} for value in most]
    ends = [box[key] for box in boxes for key in ("low", "high")] + [one["value"] for one in outer]
    low, high = (min(ends) / 1.3, max(ends) * 1.3) if ends else (0.1, 10.0)
    scale = {"type": "log", "domain": [low, high], "nice": False}
    axis = {"title": title, "values": ticks(low, high), "format": "~g"}
    x = {"type": "quantitative", "scale": scale, "axis": axis}
    y = _rows([printable(name) for name in names])
    tip = [
        {"field": "metric", "type": "nominal"},
        {"field": "n", "type": "quantitative", "title": "curves"},
        *({"field": key, "type": "quantitative", "format": ".3~g"} for key in ("q1", "median", "q3")),
    ]
    layers: list[Layer] = [
        {
            "data": {"values": boxes},
            "mark": {"type": "rule", "style": "companion-interval"},
            "encoding": {"y": y, "x": {**x, "field": "low"}, "x2": {"field": "high"}, "tooltip": tip},
        },
        {
            "data": {"values": boxes},
            "mark": {"type": "bar", "style": "companion-box", "height": 9},
            "encoding": {"y": y, "x": {**x, "field": "q1"}, "x2": {"field": "q3"}, "tooltip": tip},
        },
        {
            "data": {"values": boxes},
            "mark": {"type": "tick", "style": "headline-tick", "thickness": 2.5, "size": 13},
            "encoding": {"y": y, "x": {**x, "field": "median"}, "tooltip": tip},
        },
        {
            "data": {"values": outer},
            "mark": {"type": "point", "style": "companion-dot"},
            "encoding": {"y": y, "x": {**x, "field": "value"}},
        },
    ]
    if mark is not None:
        layers.insert(0, _upright(mark, x))
    return _panel(layers, len(names))


def _shares(found: Meta, names: Sequence[str]) -> list[Layer]:
    panels = []
    for by in ("metric", "family"):
        rows = found.groups.filter(pl.col("by") == by, pl.col("tested") > 0)
        if by == "metric":
            rows = rows.filter(pl.col("group").is_in(names))
        rows = rows.sort("tested", "group", descending=[True, False]).head(MOST)
        marks = [
            {
                "group": printable(r["group"]),
                "share": r["share"],
                "low": r["low"],
                "high": r["high"],
                "curves": f"{r['beyond']} of {r['tested']}, {r['adjusted']} after adjustment",
            }
            for r in rows.iter_rows(named=True)
        ]
        x = {
            "type": "quantitative",
            "scale": {"domain": [0, 1]},
            "axis": {"title": "share beyond the null", "format": "%"},
        }
        y = _rows([one["group"] for one in marks], "group")
        tip = [{"field": "group", "type": "nominal"}, {"field": "curves", "type": "nominal"}]
        layers = [
            _upright(found.settings.alpha, x),
            {
                "data": {"values": marks},
                "mark": {"type": "rule", "style": "companion-interval"},
                "encoding": {"y": y, "x": {**x, "field": "low"}, "x2": {"field": "high"}, "tooltip": tip},
            },
            {
                "data": {"values": marks},
                "mark": {"type": "point", "style": "companion-point"},
                "encoding": {"y": y, "x": {**x, "field": "share"}, "tooltip": tip},
            },
        ]
        panels.append(_panel(layers, len(marks)))
    return panels


def _shapes(found: Meta, names: Sequence[str]) -> list[Layer]:
    panels = []
    for by in ("metric", "family"):
        rows = found.groups.filter(pl.col("by") == by, pl.col("tested") > 0)
        if by == "metric":
            rows = rows.filter(pl.col("group").is_in(names))
        rows = rows.sort("tested", "group", descending=[True, False]).head(MOST)
        marks = [
            {"group": printable(r["group"]), "shape": name, "n": r[name], "order": place}
            for r in rows.iter_rows(named=True)
            for place, name in enumerate(RULES)
            if r[name]
        ]
        layer = {
            "data": {"values": marks},
            "mark": {"type": "bar", "height": 14},
            "encoding": {
                "y": _rows([printable(name) for name in rows["group"]], "group"),
                "x": {
                    "field": "n",
                    "type": "quantitative",
                    "stack": "normalize",
                    "axis": {"title": "share of curves", "format": "%"},
                },
                "order": {"field": "order", "type": "quantitative"},
                "color": {
                    "field": "shape",
                    "type": "nominal",
                    "scale": {"domain": list(RULES), "range": "category"},
                    "legend": {"title": None, "orient": "bottom", "columns": 3},
                },
                "tooltip": [{"field": name, "type": "nominal"} for name in ("group", "shape", "n")],
            },
        }
        panels.append(_panel([layer], rows.height))
    return panels


def _curves(found: Meta, tested: pl.DataFrame) -> list[Layer]:
    key = ["family", "task", "shots", "metric"]
    order = tested.with_columns(ratio=pl.col("guarded_score") / pl.col("null_high").abs())
    shown = order.sort("p", "ratio", descending=[False, True], maintain_order=True).head(CURVES)
    laws = found.laws.join(shown.select(key), on=key, how="semi", nulls_equal=True, maintain_order="left")
    panels = []
    for row in shown.iter_rows(named=True):
        shots = pl.col("shots").is_null() if row["shots"] is None else pl.col("shots") == row["shots"]
        mine = laws.filter(*(pl.col(name) == row[name] for name in key if name != "shots"), shots)
        x = _scale_axis(found.settings.axis, mine["axis_value"].to_list())
        ends = mine["mean"].to_list()
        wide = min(ends) > 0 and max(ends) > WIDE * min(ends)
        axis: Layer = {"title": printable(row["metric"])}
        if wide:
            axis |= {"values": ticks(min(ends), max(ends)), "format": "~g"}
        scale = {"type": "log"} if wide else {"zero": False}
        y: Layer = {"type": "quantitative", "scale": scale, "axis": axis}
        values = [
            {"x": v, "mean": m, "law": f} for v, m, f in mine.select("axis_value", "mean", "law").rows()
        ]
        layers = [
            {
                "mark": {"type": "line", "style": "fit-line"},
                "encoding": {"x": {**x, "field": "x"}, "y": {**y, "field": "law"}},
            },
            {
                "mark": {"type": "point", "style": "headline-point"},
                "encoding": {"x": {**x, "field": "x"}, "y": {**y, "field": "mean"}},
            },
        ]
        shots_word = "" if row["shots"] is None else f", {row['shots']}-shot"
        below = [
            _short(printable(row["family"])),
            f"score {number(row['guarded_score'])}, {p_said(row['p'])}, "
            f"adjusted {p_value(row['p_adjusted'])}",
        ]
        panels.append(_small(f"{row['task']}{shots_word}", below, values, layers))
    return panels


def _chain(found: Meta) -> list[Layer]:
    """A panel a task and family: mean correlation of the items at each link, with intervals."""
    if found.chain is None:
        return []
    rows = found.chain.links.filter(
        pl.col("against") == "scale",
        pl.col("correlation") == "pearson",
        ~pl.col("link").str.ends_with("mass"),
        pl.col("mean").is_not_null(),
    )
    panels = []
    for (family, task), part in rows.group_by(["family", "task"], maintain_order=True):
        values = [
            {"link": r["link"], "mean": r["mean"], "low": r["low"], "high": r["high"]}
            for r in part.iter_rows(named=True)
        ]
        x: Layer = {
            "field": "link",
            "type": "nominal",
            "sort": [one["link"] for one in values],
            "axis": {"title": None, "labelAngle": -35, "grid": False},
        }
        least = min([-0.2, *(float(v["low"]) for v in values if v["low"] is not None)])
        y: Layer = {"type": "quantitative", "scale": {"domain": [least, 1]}, "axis": {"title": "correlation"}}
        tip: list[Layer] = [{"field": "link", "type": "nominal"}]
        tip += [{"field": key, "type": "quantitative", "format": ".3f"} for key in ("mean", "low", "high")]
        layers: list[Layer] = [
            {
                "data": {"values": [{"at": 0}]},
                "mark": {"type": "rule", "style": "chance-line"},
                "encoding": {"y": {**y, "field": "at"}},
            },
            {
                "mark": {"type": "line", "style": "companion-line"},
                "encoding": {"x": x, "y": {**y, "field": "mean"}},
            },
            {
                "mark": {"type": "rule", "style": "companion-interval"},
                "encoding": {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}},
            },
            {
                "mark": {"type": "point", "style": "companion-point"},
                "encoding": {"x": x, "y": {**y, "field": "mean"}, "tooltip": tip},
            },
        ]
        panels.append(_small(str(task), [_short(printable(str(family)))], values, layers))
    return panels[:CURVES]


def _small(title: str, below: Sequence[str], values: Sequence[Layer], layers: Sequence[Layer]) -> Layer:
    width, height = SMALL
    words = {"text": _short(printable(title)), "subtitle": list(below)}
    return {
        "title": {**words, "fontSize": 12, "subtitleFontSize": 11, "offset": 6},
        "width": width,
        "height": height,
        "data": {"values": list(values)},
        "layer": list(layers),
    }


def _short(text: str, most: int = 30) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _scale_axis(axis: str, values: Sequence[float]) -> Layer:
    low, high = min(values) / 1.15, max(values) * 1.15
    label = "replace(replace(format(datum.value, '~s'), 'G', 'B'), 'k', 'K')"
    if axis == "flops" or high >= 1e15:
        label = "replace(format(datum.value, '.0e'), '+', '')"
    if high < 1e4:
        label = "format(datum.value, '~g')"
    return {
        "type": "quantitative",
        "scale": {"type": "log", "nice": False, "domain": [low, high], "reverse": axis in FALLING},
        "axis": {"title": axis_title(axis), "values": ticks(low, high), "labelExpr": label},
    }


def _rows(names: Sequence[str], field: str = "metric") -> Layer:
    return {
        "field": field,
        "type": "nominal",
        "sort": list(names),
        "scale": {"domain": list(names)},
        "axis": {"title": None, "labelLimit": 150, "domain": False, "ticks": False, "grid": False},
    }


def _upright(value: float, x: Layer) -> Layer:
    return {
        "data": {"values": [{"at": value}]},
        "mark": {"type": "rule", "style": "chance-line"},
        "encoding": {"x": {**x, "field": "at"}},
    }


def _panel(layers: Sequence[Layer], rows: int) -> Layer:
    return {"width": WIDTH, "height": max(ROW * rows, 2 * ROW), "layer": list(layers)}


def _sheet(panels: Sequence[Layer], title: str, columns: int) -> dict[str, Any]:
    return {
        "$schema": SCHEMA,
        "title": {"text": title, "limit": columns * WIDTH},
        "description": title,
        "columns": columns,
        "concat": list(panels),
    }
