"""Whether a metric can be computed on given rows, and if not, why. Nothing is filled in or guessed here."""

from __future__ import annotations

import polars as pl

from unmirage.metrics.cards import Metric


def missing(metric: Metric, frame: pl.DataFrame) -> str | None:
    """One sentence on why `metric` cannot be computed on the rows of `frame`, or None when it can."""
    if frame.height == 0:
        return "there are no rows"
    for name in metric.card.inputs:
        if name not in frame.columns:
            return f"needs {name}, a column that the table lacks"
        gaps = frame[name].null_count()
        if gaps:
            return f"needs {name}, which is missing on {_of(gaps, frame.height)}"
        if isinstance(frame.schema[name], pl.List):
            holed = int(frame[name].list.eval(pl.element().is_null()).list.any().sum())
            if holed:
                return f"needs {name}, which has a gap in its list on {_of(holed, frame.height)}"
    return metric.check(frame) if metric.check else None


def _of(bad: int, rows: int) -> str:
    return f"all {rows} rows" if bad == rows else f"{bad} of {rows} rows"
