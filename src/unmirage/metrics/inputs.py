"""Whether a metric can be computed on given rows, and if not, why. Nothing is filled in or guessed here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import polars as pl

from unmirage.metrics.cards import Metric


@dataclass(frozen=True)
class Gap:
    """Why a metric cannot be computed on rows.

    Attributes
    ----------
    place: of the input that is missing among the metric's inputs; behind them all for other reasons.
    text: the reason, but for the rows that it concerns. rows: how many these are; None where that is no
        matter of rows. of: how many rows there are.
    """

    place: int
    text: str
    rows: int | None
    of: int

    def __str__(self) -> str:
        return self.text if self.rows is None else f"{self.text} {_of(self.rows, self.of)}"


def missing(metric: Metric, frame: pl.DataFrame) -> str | None:
    """One sentence on why `metric` cannot be computed on the rows of `frame`, or None when it can."""
    return Inputs(frame).missing(metric)


def gap(metric: Metric, frame: pl.DataFrame) -> Gap | None:
    """Why `metric` cannot be computed on the rows of `frame`, or None when it can."""
    return Inputs(frame).gap(metric)


class Inputs:
    """The inputs of many metrics on the same rows: what several ask is looked up once."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self._frame = frame
        self._columns: dict[str, tuple[str, int | None] | None] = {}
        self._checks: dict[Callable[[pl.DataFrame], str | None], str | None] = {}

    def missing(self, metric: Metric) -> str | None:
        """One sentence on why `metric` cannot be computed on the rows, or None when it can."""
        found = self.gap(metric)
        return None if found is None else str(found)

    def gap(self, metric: Metric) -> Gap | None:
        """Why `metric` cannot be computed on the rows, or None when it can."""
        frame, check, inputs = self._frame, metric.check, metric.card.inputs
        if frame.height == 0:
            return Gap(-1, "there are no rows", None, 0)
        for place, name in enumerate(inputs):
            if name not in self._columns:
                self._columns[name] = _lacking(name, frame)
            found = self._columns[name]
            if found is not None:
                return Gap(place, *found, frame.height)
        reason = None
        if check is not None:
            if check not in self._checks:
                self._checks[check] = check(frame)
            reason = self._checks[check]
        if reason is None and metric.items > 1:
            reason = too_few(metric, fewest_items(frame))
        return None if reason is None else Gap(len(inputs), reason, None, frame.height)


def _lacking(name: str, frame: pl.DataFrame) -> tuple[str, int | None] | None:
    """What is wrong with a column, and on how many rows."""
    if name not in frame.columns:
        return f"needs {name}, a column that the table lacks", None
    column = frame[name]
    gaps = column.null_count()
    if gaps:
        return f"needs {name}, which is missing on", gaps
    # An empty list has a null in the exploded column too, so gaps are counted by row where there is any.
    if isinstance(column.dtype, pl.List) and column.explode().null_count():
        holed = int(column.list.eval(pl.element().is_null()).list.any().sum())
        if holed:
            return f"needs {name}, which has a gap in its list on", holed
    return None


def together(gaps: Sequence[Gap]) -> Gap:
    """Why a metric cannot be computed on any of several tables: the first input that is missing."""
    first = min(gaps, key=lambda one: one.place)
    same = [one for one in gaps if one.text == first.text]
    rows = None if first.rows is None else sum(one.rows or 0 for one in same)
    return Gap(first.place, first.text, rows, sum(one.of for one in gaps))


def allowed(metric: Metric, frame: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, str]]:
    """The rows of the models whose every row allows `metric`, and model -> why not for the others.

    The second is empty where an input is there for no model: then :func:`missing` says why.
    """
    if missing(metric, frame) is None:
        return frame, {}
    if any(name not in frame.columns or frame[name].is_null().all() for name in metric.card.inputs):
        return frame.clear(), {}
    parts = {str(part["model"][0]): part for part in frame.partition_by("model", maintain_order=True)}
    reasons = {model: missing(metric, part) for model, part in parts.items()}
    why = {model: reason for model, reason in reasons.items() if reason is not None}
    return frame.filter(~pl.col("model").is_in(list(why))), why


def fewest_items(frame: pl.DataFrame) -> int:
    """Items of the model that has the fewest of a task; rows, where they name neither."""
    key = [name for name in ("family", "model", "task") if name in frame.columns]
    if "item_id" not in frame.columns or not key:
        return frame.height
    items = frame.group_by(key).agg(pl.col("item_id").n_unique())["item_id"].to_list()
    return min(items, default=0)


def too_few(metric: Metric, items: int) -> str | None:
    """One sentence on why so many items a model do not allow `metric`, or None."""
    if items >= metric.items:
        return None
    return f"needs at least {metric.items} items a model; the fewest is {items}"


def _of(bad: int, rows: int) -> str:
    return f"all {rows} rows" if bad == rows else f"{bad} of {rows} rows"
