"""One Vega-Lite definition a task, for the page and for image files alike, and its images.

Colours are not in the definition: marks name a style and `themes.py` gives it. What is drawn is chosen in
`panels.py`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from unmirage.errors import SettingsError, TableError
from unmirage.report import slices, words
from unmirage.report.panels import Panel, Row, even_ticks, panel, panels, span, ticks
from unmirage.report.themes import SCHEMA, theme
from unmirage.result import Audit
from unmirage.scales import FALLING

__all__ = ["FORMATS", "panels", "render", "task_chart", "theme"]

FORMATS = ("png", "svg", "pdf")
WIDTH, HEIGHT = 330, 210
AXIS_ROOM = 40  # pixels left of each panel, the same for all so that panels line up

_COLUMNS = {1: 1, 2: 2, 3: 3, 4: 2}  # panels -> panels a row
_TOOLTIP = ("model", "scale", "n", "mean", "interval", "method", "chance")


def task_chart(audit: Audit, family: str, task: str) -> dict[str, Any]:
    """The Vega-Lite definition of a task's chart, its data inside, without colours (see :func:`theme`).

    The headline's panel, then up to three of companions, each with its own y axis; all share the meaning and
    the range of the x axis, logarithmic unless a scale is 0 or below. Bounded metrics keep their whole range;
    others start from the data. Points are models, the line goes through the mean of each scale, thin rules
    are the intervals of the curves table. The dashed line is chance, the dotted one the floor (the smallest
    mean that the items tell from zero or chance). A hollow point is a scale that is not resolved. The long
    dashes are the smooth curve (of a robust break the step) fitted to the companion, and what the link
    predicts of the headline.

    Raises
    ------
    TableError
        The audit has no such task, or none of its curves has a point to draw.
    """
    names = panels(audit, family, task)
    if not names:
        raise TableError("no curve has a point to draw", where=f"task {task} of family {family}")
    row = slices.verdict(audit, family, task)
    shown = [panel(audit, family, task, name) for name in names]
    x = _x(shown, row["axis"])
    datasets: dict[str, list[Row]] = {}
    return {
        "$schema": SCHEMA,
        "title": _title(shown, row),
        "description": _description(shown, row),
        "columns": _COLUMNS[len(shown)],
        "concat": [{"width": WIDTH, "height": HEIGHT, "layer": _layers(one, x, datasets)} for one in shown],
        "datasets": datasets,
    }


def fits(audit: Audit, family: str, task: str) -> str:
    """What the long dashes of a task's chart are, "" where there are none."""
    shown = [panel(audit, family, task, name) for name in panels(audit, family, task)]
    return "; ".join(f"{one.title[0]}: {one.fit_words}" for one in shown if one.fit)


def check_formats(formats: Sequence[str]) -> None:
    """SettingsError unless all are image formats."""
    for fmt in formats:
        if fmt not in FORMATS:
            raise SettingsError(
                f"{fmt!r} is not an image format", where="formats", hint=f"Use {', '.join(FORMATS)}."
            )


def render(spec: dict[str, Any], fmt: str, theme: str = "light") -> bytes:
    """The image of a chart: PNG at twice its size, SVG, or PDF.

    PNG and SVG bytes are the same each time. PDF bytes are not: the converter numbers the fonts and symbols
    inside in the order of a hash table; what is seen is the same.

    Raises
    ------
    SettingsError
        An unknown format or theme.
    """
    import vl_convert

    from unmirage.report import themes

    config = themes.theme(theme)
    if fmt == "png":
        return bytes(vl_convert.vegalite_to_png(spec, scale=2, config=config))
    if fmt == "svg":
        return _numbered_anew(str(vl_convert.vegalite_to_svg(spec, config=config)).encode())
    if fmt == "pdf":
        return bytes(vl_convert.vegalite_to_pdf(spec, config=config))
    raise SettingsError(f"{fmt!r} is not an image format", where="formats", hint=f"Use {', '.join(FORMATS)}.")


def _numbered_anew(svg: bytes) -> bytes:
    """The picture with its clipping paths numbered from 0: the converter counts on over pictures."""
    places: dict[bytes, int] = {}
    return re.sub(rb"\bclip\d+", lambda found: b"clip%d" % places.setdefault(found[0], len(places)), svg)


def _title(shown: Sequence[Panel], row: Row) -> dict[str, Any]:
    lines = [f"{words.printable(row['family'])}: {words.printable(row['verdict'] or 'no verdict')}"]
    if any(not point["resolved"] for one in shown for point in one.points):
        lines.append("Hollow points: not to be told from zero or chance with these items.")
    fitted = list(dict.fromkeys(one.fit_words for one in shown if one.fit))
    if fitted:
        lines.append(f"Long dashes: {', '.join(fitted)}.")
    width = (WIDTH + AXIS_ROOM) * _COLUMNS[len(shown)]
    return {"text": words.printable(row["task"]), "subtitle": lines, "limit": width}


def _description(shown: Sequence[Panel], row: Row) -> str:
    names = ", ".join(
        f"{one.title[0]} ({one.fit_words} in long dashes)" if one.fit else one.title[0] for one in shown
    )
    return words.printable(
        f"{names} of {row['family']} on {row['task']} against {words.axis_title(row['axis'])}. "
        f"Verdict: {row['verdict'] or 'none'}."
    )


def _x(shown: list[Panel], axis: str) -> Row:
    logarithmic = all(point["x"] > 0 for one in shown for point in one.points)
    low, high = span(shown, logarithmic=logarithmic)
    scale: Row = {"domain": [low, high], "nice": False, "reverse": axis in FALLING}
    scale |= {"type": "log"} if logarithmic else {"type": "linear", "zero": False}
    return {
        "axis": {
            "labelExpr": _label(axis, high),
            "labelFlush": False,
            "title": words.axis_title(axis),
            "values": ticks(low, high) if logarithmic else even_ticks(low, high),
        },
        "field": "x",
        "scale": scale,
        "type": "quantitative",
    }


def _label(axis: str, high: float) -> str:
    if axis == "flops" or high >= 1e15:
        return "replace(format(datum.value, '.0e'), '+', '')"
    if axis in ("n_params", "n_tokens") or high >= 1e4:
        return "replace(replace(format(datum.value, '~s'), 'G', 'B'), 'k', 'K')"
    return "format(datum.value, '~g')"


def _layers(one: Panel, x: Row, datasets: dict[str, list[Row]]) -> list[Row]:
    def y(field: str) -> Row:
        scale: Row = {} if one.domain is None else {"domain": list(one.domain)}
        return {
            "axis": {
                "maxExtent": AXIS_ROOM,
                "minExtent": AXIS_ROOM,
                "title": one.title,
                "titleAlign": "left",
                "titleAnchor": "end",
                "titleAngle": 0,
                "titleBaseline": "bottom",
                "titleX": -AXIS_ROOM + 4,
                "titleY": -10 - 14 * (len(one.title) - 1),
            },
            "field": field,
            "scale": {**scale, "nice": one.domain is None, "zero": False},
            "type": "quantitative",
        }

    layers: list[Row] = []

    def add(part: str, rows: list[Row], mark: Row, encoding: Row) -> None:
        name = f"{one.metric}/{part}"
        datasets[name] = rows
        layers.append({"data": {"name": name}, "mark": mark, "encoding": encoding})

    # The floor lies above chance: where the two are close its label moves up and that of chance stays.
    for name, levels, lift in (("chance", one.chance, 0), ("floor", one.floor, -9 if one.crowded else 0)):
        if len(levels) == 1:
            add(name, levels, {"type": "rule", "style": f"{name}-line"}, {"y": y("y")})
        elif levels:
            line = {"type": "line", "interpolate": "step", "style": f"{name}-line"}
            add(name, levels, line, {"x": x, "y": y("y")})
        if levels:
            label = {"type": "text", "align": "left", "baseline": "middle", "dx": 4, "dy": lift}
            label |= {"style": "line-label", "text": name}
            add(f"{name}-label", levels[-1:], label, {"x": {"value": "width"}, "y": y("y")})
    with_interval = [point for point in one.points if point["low"] is not None]
    if with_interval:
        rule = {"type": "rule", "style": f"{one.role}-interval"}
        add("interval", with_interval, rule, {"x": x, "y": y("low"), "y2": {"field": "high"}})
    if one.fit:
        add("fit", one.fit, {"type": "line", "style": "fit-line"}, {"x": x, "y": y("y")})
    add("line", one.line, {"type": "line", "style": f"{one.role}-line"}, {"x": x, "y": y("y")})
    tooltip = [{"field": field, "title": field, "type": "nominal"} for field in _TOOLTIP]
    for shape, resolved in (("point", True), ("hollow", False)):
        points = [point for point in one.points if point["resolved"] is resolved]
        if points:
            mark = {"type": "point", "filled": True, "style": f"{one.role}-{shape}"}
            add(shape, points, mark, {"tooltip": tooltip, "x": x, "y": y("y")})
    return layers
