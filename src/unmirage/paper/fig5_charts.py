"""The charts of figure 5. Nothing is computed here but quantiles and steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from unmirage.bigbench.scores import GRADE, NORMALISED
from unmirage.paper import published
from unmirage.paper.drawing import GREY, Layer, decades
from unmirage.paper.fig5_claims import BOTH, DECLARED, MATCH, NAMED, PAPER, WHOLE, WHOLE_PARTS, Spread
from unmirage.paper.fig5_scores import Raw, above, most, read_from
from unmirage.paper.rows import (
    ROW,
    colours,
    column,
    dots,
    names,
    offset,
    panel,
    sheet,
    spans,
    upright,
    words,
    x_axis,
)
from unmirage.report.panels import ticks
from unmirage.report.words import printable

ORANGE, VIOLET, BLUE, GREEN = "#d9820b", "#50329b", "#1261a0", "#2b8a6e"
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
ROWS = 18  # metrics that are drawn; the table has all
OUTER = 12  # points beyond the 95% quantile
WIDE, HALF = 330, 300
CUTS = (1.0, 1000.0)


def overview(
    rates: pl.DataFrame,
    spread: tuple[Spread, Spread],
    dense: Mapping[str, Sequence[tuple[int, float]]],
    raw: Sequence[Raw],
) -> dict[str, Any]:
    """Panels B and C with their base rates, the cut-off, and the grid.

    Parameters: `fig5_claims.rates`, `fig5_claims.spread`, (sizes, score) by series, and the scores that were
    given, if any.
    """
    lists = {
        PAPER: f"claimed, the paper's {spread[0].tasks}",
        NAMED: f"claimed, {spread[1].tasks} known by name",
    }
    counts = rates["all_tasks"][0]
    whole = (BOTH, GRADE, MATCH, NORMALISED, "bleu")
    declared = (BOTH, GRADE, MATCH)
    series = [*lists.values(), f"all {counts}"]
    return sheet(
        [
            [
                _shares(
                    rates, lists, (WHOLE, WHOLE_PARTS), whole, "C. Metric of the task as a whole", series
                ),
                column(
                    [
                        _shares(
                            rates,
                            lists,
                            (DECLARED,),
                            declared,
                            "C. Metric that the task declares, no other",
                            series,
                        ),
                        _hit(spread),
                    ]
                ),
            ],
            [_cuts(raw), _grid(dense)],
        ],
        "Figure 5. Tasks that were claimed emergent by metric, beside all tasks",
        (
            "Lines: 95% intervals of the claimed shares. Grey bars: the share of all tasks, the base rate, "
            "which the paper does not draw; left, two where the source leaves it open.",
            "B: grey lines, 95% of as many tasks drawn at random. Cut-offs: metrics with a score above one.",
        ),
    )


def _shares(
    rates: pl.DataFrame,
    lists: Mapping[str, str],
    counted: Sequence[str],
    metrics: Sequence[str],
    title: str,
    series: Sequence[str],
) -> Layer:
    x = x_axis("share of tasks", (0.0, 1.0), format="%", values=[0, 0.25, 0.5, 0.75, 1])
    y = names(metrics)
    rows, bars = [], []
    for row in rates.filter(pl.col("counted") == counted[0]).iter_rows(named=True):
        if row["metric"] in metrics:
            told = {"row": row["metric"], "series": lists[row["list"]]}
            rows.append({**told, "value": row["claimed_share"], "low": row["low"], "high": row["high"]})
    for row in rates.filter(pl.col("counted").is_in(counted), pl.col("list") == PAPER).iter_rows(named=True):
        if row["metric"] in metrics:
            bars.append({"row": row["metric"], "series": series[-1], "low": 0.0, "high": row["all_share"]})
    colour = colours(series, (ORANGE, VIOLET, GREY))
    below = {"yOffset": offset(series), "color": colour}
    layers = [
        spans(bars, x, y, width=8, opacity=0.45, **below),
        spans(rows, x, y, width=1.4, opacity=0.8, **below),
        dots(rows, x, y, **below),
    ]
    return panel(title, layers, width=WIDE, height=2 * ROW * len(metrics))


def _hit(spread: tuple[Spread, Spread]) -> Layer:
    labels = [f"paper's {spread[0].tasks} tasks", f"{spread[1].tasks} known by name"]
    x = x_axis("metrics with a task", (0.0, float(np.ceil(max(one.high for one in spread) / 5) * 5)))
    y = names(labels)
    rows = [
        {
            "row": label,
            "value": one.hit,
            "low": one.low,
            "high": one.high,
            "text": f"{one.hit} of {one.metrics}",
        }
        for label, one in zip(labels, spread, strict=True)
    ]
    means = [{"row": row["row"], "value": one.expected} for row, one in zip(rows, spread, strict=True)]
    layers = [
        spans(rows, x, y, width=5),
        dots(means, x, y, {"type": "tick", "thickness": 2.5, "size": 14, "color": GREY}),
        dots(rows, x, y, {"color": ORANGE, "size": 60}),
        words(rows, y),
    ]
    return panel("B. Metrics with a claimed task", layers, width=WIDE, height=2.4 * ROW)


def _cuts(raw: Sequence[Raw]) -> Layer:
    theirs = list(published.highest_scores().values())
    drawn = [("the paper's", ORANGE, theirs, read_from())]
    if raw:
        drawn.append(("these scores", BLUE, most(raw), 1.0))
    x = x_axis("cut-off of the emergence score", CUTS, log=True, values=[1, 10, 100, 1000], format="~g")
    highest = max(above(values, start) for _, _, values, start in drawn)
    y = {"type": "quantitative", "scale": {"domain": [0, highest + 1], "nice": False}}
    y["axis"] = {"title": "metrics above it", "titleFontWeight": "normal", "tickMinStep": 1, "format": "d"}
    layers: list[Layer] = []
    for place, (name, colour, values, start) in enumerate(drawn):
        cuts = np.geomspace(start, CUTS[1], 300)
        points = [{"x": float(cut), "y": above(values, float(cut) * 0.9999)} for cut in cuts]
        mark = {"type": "line", "interpolate": "step-after", "color": colour, "strokeWidth": 2}
        encoding = {"x": {**x, "field": "x"}, "y": {**y, "field": "y"}}
        layers.append({"data": {"values": points}, "mark": mark, "encoding": encoding})
        text = {"type": "text", "text": name, "color": colour, "align": "right", "fontSize": 10.5}
        layers.append(
            {
                "data": {"values": [{}]},
                "mark": {**text, "baseline": "top", "dx": -4, "dy": 4 + 14 * place},
                "encoding": {"x": {"value": "width"}, "y": {"value": 0}},
            }
        )
    return panel("A. Metrics above a cut-off", layers, width=WIDE - 30, height=6 * ROW)


def _grid(dense: Mapping[str, Sequence[tuple[int, float]]]) -> Layer:
    grids = [n for n, _ in next(iter(dense.values()))]
    scores = [score for points in dense.values() for _, score in points]
    low, high = min(scores) / 1.3, max(scores) * 1.5
    x = x_axis("sizes on the grid", (grids[0] / 1.2, grids[-1] * 1.2), log=True, values=grids, format="d")
    y = {
        "type": "quantitative",
        "field": "y",
        "scale": {"type": "log", "domain": [low, high], "nice": False},
        "axis": {
            "title": "emergence score",
            "titleFontWeight": "normal",
            "values": ticks(low, high),
            "format": "~g",
        },
    }
    text = {"type": "text", "align": "left", "dx": 7, "fontSize": 10.5}
    layers: list[Layer] = []
    places = zip(
        dense.items(), (ORANGE, VIOLET, GREEN), (-3, 7, 0), strict=True
    )  # names clear of one another
    for (name, points), colour, dy in places:
        data = {"values": [{"x": n, "y": score} for n, score in points]}
        encoding = {"x": {**x, "field": "x"}, "y": y}
        layers += [
            {
                "data": data,
                "mark": {"type": "line", "color": colour, "strokeWidth": 1.8},
                "encoding": encoding,
            },
            {"data": data, "mark": {"type": "point", "filled": True, "color": colour}, "encoding": encoding},
            {
                "data": {"values": data["values"][-1:]},
                "mark": {**text, "text": name, "color": colour, "dy": dy},
                "encoding": encoding,
            },
        ]
    return panel("One smooth curve, denser grids", layers, width=WIDE - 30, height=6 * ROW)


def by_metric(cells: pl.DataFrame, raw: Sequence[Raw]) -> dict[str, Any]:
    """Panel A: raw scores by metric with the paper's highest, and the scores beside those of smooth curves.

    Parameters: cells of `fig5_scores.tested`, and `fig5_scores.by_metric` of them.
    """
    theirs = {name: value for name, value in published.highest_scores().items() if value is not None}
    mine = [one.metric for one in raw][:ROWS]
    rows = [*mine, *sorted((name for name in theirs if name not in mine), key=lambda name: -theirs[name])]
    shown = [printable(name) for name in rows]
    y = names(shown)
    values = {one.metric: one.finite for one in raw if one.metric in mine}
    ratio = cells.filter(pl.col("guarded_score") > 0, pl.col("null_high") > 0, pl.col("metric").is_in(mine))
    ratios = {
        str(name): tuple(sorted((part["guarded_score"] / part["null_high"]).to_list()))
        for (name,), part in ratio.group_by(["metric"], maintain_order=True)
    }
    left = _boxes(values, y, "raw emergence score (curves that rise)", [*theirs.values()])
    x = left[0]["encoding"]["x"]
    published_rows = [{"row": name, "value": theirs[name]} for name in shown if name in theirs]
    left.append(
        dots(published_rows, x, y, {"shape": "diamond", "filled": False, "color": ORANGE, "size": 70})
    )
    endless = [
        {"row": printable(one.metric), "text": f"{one.infinite} \u221e"}
        for one in raw
        if one.infinite and one.metric in mine
    ]
    left.append(words(endless, y))
    right = _boxes(ratios, y, "score / that of 95% of smooth curves", [1.0])
    right.insert(0, upright(1.0, right[0]["encoding"]["x"]))
    beyond = [
        {"row": printable(one.metric), "text": f"{one.beyond} of {one.cells}; {one.adjusted}"}
        for one in raw
        if one.metric in mine
    ]
    right.append(words(beyond, y))
    height = ROW * max(len(rows), 3)
    return sheet(
        [
            [
                panel("Raw scores", left, width=WIDE, height=height),
                panel("The same beside smooth curves", right, width=HALF, height=height),
            ]
        ],
        "Figure 5A. Emergence scores by metric, and beside those of smooth curves",
        (
            "Bars: the middle half; lines: 90%; ticks: the median; dots: beyond. Hollow diamonds: the "
            "highest score in the paper, of other families. \u221e: infinite scores, not drawn.",
            "Right of the dashed line a score is beyond that of 95% of smooth curves on the same scales. On "
            "the right: how many are, of how many; and how many after adjustment.",
        ),
    )


def _boxes(values: Mapping[str, Sequence[float]], y: Layer, title: str, also: Sequence[float]) -> list[Layer]:
    """Quantiles of each row on a log axis, and the points beyond them."""
    boxes, outer = [], []
    for name, some in values.items():
        if some:
            q = np.quantile(some, LEVELS)
            boxes.append({"row": printable(name), "q": q.tolist()})
            outer += [{"row": printable(name), "value": v} for v in some if v > q[-1]][-OUTER:]
    ends = [q for box in boxes for q in box["q"]] + [one["value"] for one in outer] + list(also)
    low, high = min(ends) / 1.3, max(ends) * 1.3
    x = x_axis(title, (low, high), log=True, values=decades(low, high), format="~g")

    def between(a: int, b: int) -> list[dict[str, Any]]:
        return [{"row": box["row"], "low": box["q"][a], "high": box["q"][b]} for box in boxes]

    middle = [{"row": box["row"], "value": box["q"][2]} for box in boxes]
    colour = {"value": BLUE}
    return [
        spans(between(0, 4), x, y, width=1.3, opacity=0.8, color=colour),
        spans(between(1, 3), x, y, width=9, opacity=0.4, color=colour),
        dots(middle, x, y, {"type": "tick", "thickness": 2.5, "size": 13, "color": BLUE}),
        dots(outer, x, y, {"size": 14, "color": BLUE, "opacity": 0.7}),
    ]
