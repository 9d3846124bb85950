"""The tables of the page as rows of text. How they look is decided in the template."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from unmirage.readers.base import Input
from unmirage.report import slices, words
from unmirage.result import Audit


@dataclass(frozen=True)
class Grid:
    """A table ready for the page.

    Attributes
    ----------
    caption: what it holds, one phrase.
    head: column titles.
    numeric: for each column, whether it is aligned as numbers.
    rows: cells as plain text, not escaped.
    """

    caption: str
    head: Sequence[str]
    numeric: Sequence[bool]
    rows: Sequence[Sequence[str]]


def curve_grid(audit: Audit, family: str, task: str) -> Grid:
    """Every curve row of a task, of all metrics."""
    rows = slices.curve(audit, family, task)
    head = (
        "metric",
        "model",
        "scale",
        "n",
        "mean",
        "interval",
        "interval made by",
        "chance",
        "floor",
        "note",
    )
    cells = [
        (
            words.printable(r["metric"]),
            words.printable(r["model"]),
            words.scale(r["axis_value"], r["axis"]),
            words.number(r["n"]),
            words.number(r["mean"]),
            words.interval(r["low"], r["high"]),
            words.printable(r["method"] or words.NOTHING),
            words.number(r["chance"]),
            words.number(r["resolution"]),
            words.printable(r["note"] or ""),
        )
        for r in rows.iter_rows(named=True)
    ]
    return Grid(
        "The numbers of the curves", head, _numeric(head, {"scale", "n", "mean", "chance", "floor"}), cells
    )


def resolution_grid(row: Mapping[str, Any]) -> Grid:
    """What each scale of a verdict can tell from zero or from chance."""
    head = (
        "model",
        "scale",
        "n",
        "successes",
        "chance",
        "p above chance",
        "floor",
        "resolved",
        "items needed",
    )
    cells = [
        (
            words.printable(e["model"]),
            words.scale(e["axis_value"], row["axis"]),
            words.number(e["n"]),
            words.number(e["successes"]),
            words.number(e["chance"]),
            words.p_value(e["p_above_chance"]),
            words.number(e["floor"]),
            _yes(e["resolved"]),
            words.number(e["n_needed"]),
        )
        for e in row["resolution"] or []
    ]
    return Grid(
        "Which scales the items resolve", head, _numeric(head, set(head) - {"model", "resolved"}), cells
    )


def figures_grid(row: Mapping[str, Any], test: Mapping[str, Any] | None) -> Grid:
    """The single numbers behind a verdict, each with its name; `test` is the row of its break test."""
    sharpness, link, test = row["sharpness"] or {}, row["link"] or {}, test or {}
    cells = [
        ("p of a break", words.p_value(row["p_break"])),
        ("p of a break, adjusted over the audit", words.p_value(row["p_break_adjusted"])),
        ("step of the companion", words.number(row["step"])),
        ("step of the companion, share of its range", words.number(test.get("step_share"))),
        ("quickest rise that is smooth, decades", words.number(test.get("w_min"))),
        ("scatter of the models about their curve", words.number(test.get("scatter"))),
        ("degrees of freedom of the scatter", words.number(test.get("scatter_df"))),
        ("width of the rise, 10 to 90 %", words.number(sharpness.get("width"))),
        ("start of the rise (10 %)", words.number(sharpness.get("t10"))),
        ("end of the rise (90 %)", words.number(sharpness.get("t90"))),
        ("emergence score", words.number(sharpness.get("emergence_score"))),
        ("breakthroughness", words.number(sharpness.get("breakthroughness"))),
        ("linearity", words.number(sharpness.get("linearity"))),
        ("link, R² on scales left out", words.number(link.get("r2_held_out"))),
        ("link, R² of the smooth curve", words.number(link.get("r2_smooth"))),
    ]
    return Grid("The numbers behind the verdict", ("number", "value"), (False, True), cells)


def prediction_grids(audit: Audit) -> tuple[Grid, Grid]:
    """What became of the paper's predictions: those that the data speak to, and those that they do not."""
    open_ = pl.col("outcome") == "not testable"
    kept = audit.predictions.select("task", "family", "prediction", "outcome", "why")
    return (
        frame_grid(kept.filter(~open_), "Predictions that these data test"),
        frame_grid(kept.filter(open_), "Predictions that these data cannot test, and why"),
    )


def input_grid(inputs: Sequence[Input]) -> Grid:
    """The files that were read."""
    cells = [
        (words.printable(one.path), words.printable(one.format), words.number(one.rows), one.sha256[:12])
        for one in inputs
    ]
    head = ("file", "format", "rows", "SHA-256 (first 12)")
    return Grid("Files that were read", head, _numeric(head, {"rows"}), cells)


def frame_grid(frame: pl.DataFrame, caption: str, *, leave_out: Iterable[str] = ()) -> Grid:
    """Any flat frame: floats to three digits, columns p and p_... as p-values, truth values as yes and no."""
    names = [name for name in frame.columns if name not in set(leave_out)]
    shown = [_cell(name, frame.schema[name]) for name in names]
    cells = [
        tuple(show(value) for show, value in zip(shown, row, strict=True))
        for row in frame.select(names).iter_rows()
    ]
    return Grid(
        caption,
        [name.replace("_", " ") for name in names],
        [frame.schema[name].is_numeric() for name in names],
        cells,
    )


def settings_grid(settings: Mapping[str, Any]) -> Grid:
    """What decided the numbers: name -> value."""
    cells = [(name.replace("_", " "), _setting(value)) for name, value in settings.items()]
    return Grid("What decided the numbers", ("setting", "value"), (False, False), cells)


def _cell(name: str, dtype: pl.DataType) -> Callable[[Any], str]:
    if dtype.is_numeric():
        return words.p_value if name == "p" or name.startswith("p_") else words.number
    if dtype == pl.Boolean:
        return _yes
    return lambda value: words.NOTHING if value is None else words.printable(str(value))


def _yes(value: bool | None) -> str:
    return words.NOTHING if value is None else "yes" if value else "no"


def _setting(value: Any) -> str:
    if value is None:
        return "by default"
    if isinstance(value, Mapping):
        return words.printable(", ".join(f"{key}: {one}" for key, one in value.items())) or "none"
    if isinstance(value, list | tuple):
        return words.printable(", ".join(str(one) for one in value)) or "none"
    return words.printable(str(value))


def _numeric(head: Sequence[str], numbers: set[str]) -> list[bool]:
    return [title in numbers for title in head]
