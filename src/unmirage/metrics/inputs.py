"""Whether a metric can be computed on given rows, and if not, why. Nothing is filled in or guessed here."""

from __future__ import annotations

from collections.abc import Sequence
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
    found = gap(metric, frame)
    return None if found is None else str(found)


def gap(metric: Metric, frame: pl.DataFrame) -> Gap | None:
    """Why `metric` cannot be computed on the rows of `frame`, or None when it can."""
    rows = frame.height
    if rows == 0:
        return Gap(-1, "there are no rows", None, 0)
    for place, name in enumerate(metric.card.inputs):
        if name not in frame.columns:
            return Gap(place, f"needs {name}, a column that the table lacks", None, rows)
        gaps = frame[name].null_count()
        if gaps:
            return Gap(place, f"needs {name}, which is missing on", gaps, rows)
        if isinstance(frame.schema[name], pl.List):
            holed = int(frame[name].list.eval(pl.element().is_null()).list.any().sum())
            if holed:
                return Gap(place, f"needs {name}, which has a gap in its list on", holed, rows)
    reason = metric.check(frame) if metric.check else None
    return None if reason is None else Gap(len(metric.card.inputs), reason, None, rows)


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


def _of(bad: int, rows: int) -> str:
    return f"all {rows} rows" if bad == rows else f"{bad} of {rows} rows"
