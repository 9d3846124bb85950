"""The parts of an audit's frames that belong to one task of one family. Nothing is laid out here."""

from __future__ import annotations

import math
from typing import Any

import polars as pl

from unmirage.errors import TableError
from unmirage.result import Audit
from unmirage.scales import FALLING

# On this axis scale grows as the value falls.


def verdict(audit: Audit, family: str, task: str) -> dict[str, Any]:
    """The verdict row of a task.

    Raises
    ------
    TableError
        The audit has no such task.
    """
    rows = audit.verdicts.filter(pl.col("family") == family, pl.col("task") == task)
    if rows.height == 0:
        raise TableError(f"the audit has no task {task} of family {family}", where="verdicts")
    return rows.row(0, named=True)


def curve(audit: Audit, family: str, task: str, metric: str | None = None) -> pl.DataFrame:
    """The curve rows of a task, of one metric or of all, in the order of the frame."""
    rows = audit.curves.filter(pl.col("family") == family, pl.col("task") == task)
    return rows if metric is None else rows.filter(pl.col("metric") == metric)


def tested(audit: Audit, family: str, task: str) -> dict[str, Any] | None:
    """The break test of a task, a row of `breaks`; None where its companion was not tested."""
    rows = audit.breaks.filter(pl.col("family") == family, pl.col("task") == task)
    return rows.row(0, named=True) if rows.height else None


def drawable(rows: pl.DataFrame) -> pl.DataFrame:
    """The curve rows that have a place on a chart: a finite scale and a finite mean."""
    return rows.filter(pl.col("axis_value").is_finite() & pl.col("mean").is_finite())


def scale_means(rows: pl.DataFrame) -> list[tuple[float, float]]:
    """(scale, mean of the models' means) of one metric's curve rows, smallest scale first."""
    means = drawable(rows).group_by("axis_value").agg(pl.col("mean").mean()).sort("axis_value")
    pairs = list(means.iter_rows())
    falling = rows.height > 0 and rows["axis"][0] in FALLING
    return pairs[::-1] if falling else pairs


def scale_counts(row: dict[str, Any], rows: pl.DataFrame) -> tuple[int, int | None]:
    """How many distinct scales a verdict rests on, and at how many of them some model is resolved.

    Parameters
    ----------
    row: a verdict.
    rows: the curve rows of its headline. Where the verdict has no resolution entries these are counted, and
        the second number is None.
    """
    entries = row["resolution"] or []
    if not entries:
        return len(scale_means(rows)), None
    # A scale is unknown to the second count when none of its models says whether it is resolved.
    known = [entry for entry in entries if entry["resolved"] is not None]
    resolved = len({entry["axis_value"] for entry in known if entry["resolved"]}) if known else None
    return len({entry["axis_value"] for entry in entries}), resolved


def needed(row: dict[str, Any]) -> int | None:
    """The largest number of items that some scale of a verdict needs to be resolved; None when none says."""
    return max((e["n_needed"] for e in row["resolution"] or [] if e["n_needed"] is not None), default=None)


def finite(value: float | None) -> float | None:
    """`value`, or None where it is not a number that can be drawn."""
    return value if value is not None and math.isfinite(value) else None
