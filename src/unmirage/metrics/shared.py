"""Item scores of several metrics from one preparation of the rows. No metric is defined here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import polars as pl

from unmirage.metrics.cards import FloatArray, IntArray, Metric

T = TypeVar("T")
Rows = slice | IntArray
Parts = Iterator[tuple[Rows, T]]


@dataclass(frozen=True)
class Shared(Generic[T]):
    """The components of an item-level metric in two steps, the first of which other metrics have too.

    Attributes
    ----------
    prepare: rows -> parts, each with its rows (n,) and what several metrics need of them, such as
        probabilities over the choices. A part is small enough for the processor's cache.
    score: a part -> (n,) scores.
    """

    prepare: Callable[[pl.DataFrame], Parts[T]]
    score: Callable[[T], FloatArray]

    def __call__(self, frame: pl.DataFrame) -> FloatArray:
        """(rows, 1) scores, as `Metric.components` must give."""
        return _scored(self.prepare, [self.score], frame).T


def item_scores(metrics: Sequence[Metric], frame: pl.DataFrame) -> list[FloatArray]:
    """(rows,) scores of each item-level metric; bit for bit those of `Metric.components`, sooner.

    Parameters
    ----------
    metrics: item-level ones whose inputs are there on every row (:func:`unmirage.metrics.missing_inputs`).
    frame: in the schema `tables.RESPONSES`.
    """
    out: list[FloatArray] = [np.empty(0)] * len(metrics)
    together: dict[Callable[[pl.DataFrame], Parts[object]], list[tuple[int, Shared[object]]]] = {}
    for at, metric in enumerate(metrics):
        if isinstance(metric.components, Shared):
            together.setdefault(metric.components.prepare, []).append((at, metric.components))
        else:
            out[at] = metric.components(frame)[:, 0]
    for prepare, members in together.items():
        scores = _scored(prepare, [one.score for _, one in members], frame)
        for (at, _), row in zip(members, scores, strict=True):
            out[at] = row
    return out


def _scored(
    prepare: Callable[[pl.DataFrame], Parts[T]],
    scores: Sequence[Callable[[T], FloatArray]],
    frame: pl.DataFrame,
) -> FloatArray:
    """(metrics, rows); NaN in rows that no part has."""
    out = np.full((len(scores), frame.height), np.nan)
    for rows, part in prepare(frame):
        for row, score in zip(out, scores, strict=True):
            row[rows] = score(part)
    return out
