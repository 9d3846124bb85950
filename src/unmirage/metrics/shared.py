"""Item scores of several metrics from one preparation of the rows. No metric is defined here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import polars as pl

from unmirage.metrics.cards import FloatArray, Metric

T = TypeVar("T")

# Rows that are prepared at once: what is made of them stays in the processor's cache.
_BLOCK = 16_384


@dataclass(frozen=True)
class Shared(Generic[T]):
    """The components of an item-level metric in two steps, the first of which other metrics have too.

    Attributes
    ----------
    prepare: rows -> what several metrics need of them, such as probabilities over the choices.
    score: that -> (rows,) scores.
    """

    prepare: Callable[[pl.DataFrame], T]
    score: Callable[[T], FloatArray]

    def __call__(self, frame: pl.DataFrame) -> FloatArray:
        """(rows, 1) scores, as `Metric.components` must give."""
        return _in_blocks(self.prepare, [self.score], frame).T


def item_scores(metrics: Sequence[Metric], frame: pl.DataFrame) -> list[FloatArray]:
    """(rows,) scores of each item-level metric; bit for bit those of `Metric.components`, sooner.

    Parameters
    ----------
    metrics: item-level ones whose inputs are there on every row (:func:`unmirage.metrics.missing_inputs`).
    frame: in the schema `tables.RESPONSES`.
    """
    out: list[FloatArray] = [np.empty(0)] * len(metrics)
    together: dict[Callable[[pl.DataFrame], object], list[tuple[int, Shared[object]]]] = {}
    for at, metric in enumerate(metrics):
        if isinstance(metric.components, Shared):
            together.setdefault(metric.components.prepare, []).append((at, metric.components))
        else:
            out[at] = metric.components(frame)[:, 0]
    for prepare, members in together.items():
        scores = _in_blocks(prepare, [one.score for _, one in members], frame)
        for (at, _), row in zip(members, scores, strict=True):
            out[at] = row
    return out


def _in_blocks(
    prepare: Callable[[pl.DataFrame], T], scores: Sequence[Callable[[T], FloatArray]], frame: pl.DataFrame
) -> FloatArray:
    """(metrics, rows)."""
    out = np.empty((len(scores), frame.height))
    for first in range(0, frame.height, _BLOCK):
        made = prepare(frame[first : first + _BLOCK])
        for row, score in zip(out, scores, strict=True):
            row[first : first + _BLOCK] = score(made)
    return out
