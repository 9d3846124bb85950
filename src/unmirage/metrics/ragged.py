"""Row-wise sums and maxima over list columns as flat NumPy arrays with offsets. No metric is defined here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from unmirage.metrics.cards import FloatArray, IntArray
from unmirage.metrics.shared import Rows

# Rows at once: few enough for the processor's cache.
_ROWS = 8_192


@dataclass(frozen=True)
class Ragged:
    """A list column laid flat.

    Attributes
    ----------
    values: (total,) all entries, row after row, floats or whole numbers.
    starts: (rows,) where each row begins in `values`.
    counts: (rows,) entries a row.
    """

    values: FloatArray
    starts: IntArray
    counts: IntArray

    @classmethod
    def of(cls, series: pl.Series) -> Ragged:
        """Lay a list column of numbers flat. Rows and entries must not be null."""
        counts = series.list.len().cast(pl.Int64).to_numpy()
        # Exploding an empty list gives a null, so empty lists are left out first.
        some = series if counts.all() else series.filter(pl.Series(counts > 0))
        flat = some.explode()
        if flat.dtype.is_float():
            flat = flat.cast(pl.Float64)
        return cls(flat.to_numpy(), np.cumsum(counts) - counts, counts)

    def by_length(self) -> Iterator[Rows]:
        """The rows (n,) of each length above 0, n at most 8,192."""
        if not len(self.counts):
            return
        shortest, longest = int(self.counts.min()), int(self.counts.max())
        if shortest == longest > 0:
            for first in range(0, len(self.counts), _ROWS):
                yield slice(first, min(first + _ROWS, len(self.counts)))
            return
        order = np.argsort(self.counts, kind="stable")
        for rows in np.split(order, np.flatnonzero(np.diff(self.counts[order])) + 1):
            if self.counts[rows[0]]:
                yield from (rows[first : first + _ROWS] for first in range(0, len(rows), _ROWS))

    def columns(self, rows: Rows) -> FloatArray:
        """(length, n) the entries of rows (n,) of one length, a column for each row."""
        if isinstance(rows, slice):
            length = len(self.values) // len(self.counts)
            return np.ascontiguousarray(self.values.reshape(-1, length)[rows].T)
        return np.asarray(self.values[self.starts[rows] + np.arange(self.counts[rows[0]])[:, None]])

    def total(self, values: FloatArray) -> FloatArray:
        """(total,) -> (rows,) sum of each row's entries; 0 for an empty row."""
        out = np.zeros(len(self.counts))
        some = self.counts > 0
        if some.any():
            out[some] = np.add.reduceat(values, self.starts[some])
        return out

    def largest(self, values: FloatArray) -> FloatArray:
        """(total,) -> (rows,) largest of each row's entries; -inf for an empty row."""
        out = np.full(len(self.counts), -np.inf)
        some = self.counts > 0
        if some.any():
            out[some] = np.maximum.reduceat(values, self.starts[some])
        return out

    def spread(self, rows: FloatArray) -> FloatArray:
        """(rows,) -> (total,) a row's value repeated for each of its entries."""
        return np.repeat(rows, self.counts)
