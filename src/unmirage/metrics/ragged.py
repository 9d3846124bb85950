"""Row-wise sums and maxima over list columns as flat NumPy arrays with offsets. No metric is defined here."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from unmirage.metrics.cards import FloatArray, IntArray


@dataclass(frozen=True)
class Ragged:
    """A list column laid flat.

    Attributes
    ----------
    values: (total,) all entries, row after row.
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
        flat = series.filter(series.list.len() > 0).explode().cast(pl.Float64).to_numpy()
        return cls(flat, np.cumsum(counts) - counts, counts)

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
