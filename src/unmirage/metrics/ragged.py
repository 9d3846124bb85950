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
        some = series if counts.all() else series.filter(pl.Series(counts > 0))
        flat = some.explode().cast(pl.Float64).to_numpy()
        return cls(flat, np.cumsum(counts) - counts, counts)

    def by_length(self) -> list[IntArray]:
        """The rows (n,) of each length above 0."""
        if not len(self.counts):
            return []
        shortest, longest = int(self.counts.min()), int(self.counts.max())
        if shortest == longest:
            return [np.arange(len(self.counts))] if shortest else []
        order = np.argsort(self.counts, kind="stable")
        ends = np.flatnonzero(np.diff(self.counts[order])) + 1
        return [rows for rows in np.split(order, ends) if self.counts[rows[0]]]

    def columns(self, rows: IntArray) -> FloatArray:
        """(length, n) the entries of rows (n,) of one length, a column for each row."""
        length = int(self.counts[rows[0]])
        if len(rows) * length == len(self.values):
            return np.ascontiguousarray(self.values.reshape(len(rows), length).T)
        return np.asarray(self.values[self.starts[rows] + np.arange(length)[:, None]])

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
