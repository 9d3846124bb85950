"""One Vega-Lite definition a task, for the page and for image files alike, and its images.

Colours are not in the definition: marks name a style and `themes.py` gives it. What is drawn is chosen in
`panels.py`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from unmirage.errors import SettingsError, TableError
from unmirage.report import slices, words
from unmirage.report.panels import Panel, Row, even_ticks, panel, panels, span, ticks
from unmirage.report.themes import theme
from unmirage.result import Audit
from unmirage.scales import FALLING

if TYPE_CHECKING:
    import altair as alt

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
    import altair as alt

    names = panels(audit, family, task)
    if not names:
        raise TableError("no curve has a point to draw", where=f"task {task} of family {family}")
    row = slices.verdict(audit, family, task)
    shown = [panel(audit, family, task, name) for name in names]
    x = _x(shown, row["axis"])
    datasets: dict[str, list[Row]] = {}
    # Altair's own concatenation and layering copy every part several times over, which takes most of a second
    # for ten charts; its parts are put together here instead. The tests check the whole against its schema.
    return {
        "$schema": alt.SCHEMA_URL,
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


def _x(shown: list[Panel], axis: str) -> alt.X:
    import altair as alt

    logarithmic = all(point["x"] > 0 for one in shown for point in one.points)
    low, high = span(shown, logarithmic=logarithmic)
    return alt.X(
        "x:Q",
        scale=alt.Scale(
            type="log" if logarithmic else "linear",
            domain=[low, high],
            nice=False,
            zero=alt.Undefined if logarithmic else False,
            reverse=axis in FALLING,
        ),
        axis=alt.Axis(
            title=words.axis_title(axis),
            values=ticks(low, high) if logarithmic else even_ticks(low, high),
            labelExpr=_label(axis, high),
            labelFlush=False,
        ),
    )


def _label(axis: str, high: float) -> str:
    if axis == "flops" or high >= 1e15:
        return "replace(format(datum.value, '.0e'), '+', '')"
    if axis in ("n_params", "n_tokens") or high >= 1e4:
        return "replace(replace(format(datum.value, '~s'), 'G', 'B'), 'k', 'K')"
    return "format(datum.value, '~g')"


def _layers(one: Panel, x: alt.X, datasets: dict[str, list[Row]]) -> list[dict[str, Any]]:
    import altair as alt

    def data(part: str, rows: list[Row]) -> alt.Chart:
        # Data goes in by name, past Altair, which would copy it again and again and stop at 5,000 rows.
        datasets[f"{one.metric}/{part}"] = rows
        return alt.Chart(alt.NamedData(f"{one.metric}/{part}"))

    def y(field: str) -> alt.Y:
        bounds = alt.Undefined if one.domain is None else list(one.domain)
        return alt.Y(
            f"{field}:Q",
            scale=alt.Scale(domain=bounds, zero=False, nice=one.domain is None),
            axis=alt.Axis(
                title=one.title,
                titleAngle=0,
                titleAlign="left",
                titleAnchor="end",
                titleBaseline="bottom",
                titleX=-AXIS_ROOM + 4,
                titleY=-10 - 14 * (len(one.title) - 1),
                minExtent=AXIS_ROOM,
                maxExtent=AXIS_ROOM,
            ),
        )

    layers: list[alt.Chart] = []
    # The floor lies above chance: where the two are close its label moves up and that of chance stays.
    for name, levels, lift in (("chance", one.chance, 0), ("floor", one.floor, -9 if one.crowded else 0)):
        if len(levels) == 1:
            layers.append(data(name, levels).mark_rule(style=f"{name}-line").encode(y=y("y")))
        elif levels:
            line = data(name, levels).mark_line(style=f"{name}-line", interpolate="step")
            layers.append(line.encode(x=x, y=y("y")))
        if levels:
            label = data(f"{name}-label", levels[-1:]).mark_text(
                style="line-label", text=name, align="left", baseline="middle", dx=4, dy=lift
            )
            layers.append(label.encode(x=alt.value("width"), y=y("y")))
    tooltip = [alt.Tooltip(f"{field}:N", title=field) for field in _TOOLTIP]
    with_interval = [point for point in one.points if point["low"] is not None]
    if with_interval:
        rules = data("interval", with_interval).mark_rule(style=f"{one.role}-interval")
        layers.append(rules.encode(x=x, y=y("low"), y2=alt.Y2("high:Q")))
    if one.fit:
        layers.append(data("fit", one.fit).mark_line(style="fit-line").encode(x=x, y=y("y")))
    layers.append(data("line", one.line).mark_line(style=f"{one.role}-line").encode(x=x, y=y("y")))
    for shape, resolved in (("point", True), ("hollow", False)):
        points = [point for point in one.points if point["resolved"] is resolved]
        if points:
            marks = data(shape, points).mark_point(style=f"{one.role}-{shape}", filled=True)
            layers.append(marks.encode(x=x, y=y("y"), tooltip=tooltip))
    made = [layer.to_dict(validate=False) for layer in layers]
    # What stands once for the whole chart, or (config) is a theme of the caller's session, is no part of a
    # layer.
    return [{key: layer[key] for key in ("data", "mark", "encoding")} for layer in made]
