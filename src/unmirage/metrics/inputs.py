"""Whether a metric can be computed on given rows, and if not, why. Nothing is filled in or guessed here."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from unmirage.metrics.cards import Metric


def missing(metric: Metric, frame: pl.DataFrame) -> str | None:
    """One sentence on why `metric` cannot be computed on the rows of `frame`, or None when it can."""
    return Inputs(frame).missing(metric)


class Inputs:
    """The inputs of many metrics on the same rows: what several ask is looked up once."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self._frame = frame
        self._gaps: dict[str, str | None] = {}
        self._checks: dict[Callable[[pl.DataFrame], str | None], str | None] = {}

    def missing(self, metric: Metric) -> str | None:
        """One sentence on why `metric` cannot be computed on the rows, or None when it can."""
        frame, check = self._frame, metric.check
        if frame.height == 0:
            return "there are no rows"
        for name in metric.card.inputs:
            if name not in self._gaps:
                self._gaps[name] = _gap(name, frame)
            if self._gaps[name]:
                return self._gaps[name]
        if check is not None:
            if check not in self._checks:
                self._checks[check] = check(frame)
            if self._checks[check]:
                return self._checks[check]
        return too_few(metric, fewest_items(frame)) if metric.items > 1 else None


def _gap(name: str, frame: pl.DataFrame) -> str | None:
    if name not in frame.columns:
        return f"needs {name}, a column that the table lacks"
    column = frame[name]
    gaps = column.null_count()
    if gaps:
        return f"needs {name}, which is missing on {_of(gaps, frame.height)}"
    # An empty list has a null in the exploded column too, so gaps are counted by row where there is any.
    if isinstance(column.dtype, pl.List) and column.explode().null_count():
        holed = int(column.list.eval(pl.element().is_null()).list.any().sum())
        if holed:
            return f"needs {name}, which has a gap in its list on {_of(holed, frame.height)}"
    return None


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
