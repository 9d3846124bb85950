"""Correlations row by row, many rows at once: of each item's scores with the scale of the models.

Not for one long pair of columns, where scipy does as well, and not for p-values.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from unmirage.errors import SettingsError
from unmirage.statistics._arrays import Floats, Ints

# Scores that differ by less than this share of the largest of them differ by rounding.
ROUNDING = 1e-12


@dataclass(frozen=True)
class RowCorrelations:
    """Three correlations of n rows, each (n,), in [-1, 1], and which rows have none.

    Attributes
    ----------
    pearson, spearman, kendall: NaN on rows that are constant in x or y; Pearson's also on rows that hold an
        infinite value, which ranks as the largest or smallest.
    constant: (n,) rows on which x or y does not vary. infinite: (n,) other rows that hold an infinite value.
    """

    pearson: Floats
    spearman: Floats
    kendall: Floats
    constant: np.ndarray
    infinite: np.ndarray


def row_correlations(x: ArrayLike, y: ArrayLike) -> RowCorrelations:
    """Pearson's r, Spearman's rho (ties get the mean of their ranks) and Kendall's tau-b of each row.

    Equal to ``scipy.stats.pearsonr``, ``spearmanr`` and ``kendalltau`` row by row. A row is constant where
    its values differ by at most 1e-12 of the largest of them.

    Parameters: x (m,) for all rows, or (n, m); y (n, m); m >= 2. Infinite values are allowed, NaN is not.
    Raises SettingsError on other shapes and on NaN.
    """
    values = np.asarray(y, dtype=np.float64)
    given = np.atleast_2d(np.asarray(x, dtype=np.float64))
    if values.ndim != 2 or given.shape not in ((1, values.shape[1]), values.shape) or values.shape[1] < 2:
        raise SettingsError(f"shapes {np.shape(x)} and {np.shape(y)} are not (m,) or (n, m) and (n, m)")
    if np.isnan(values).any() or np.isnan(given).any():
        raise SettingsError("there is a NaN among the values", where="row_correlations")
    constant = _constant(given) | _constant(values)
    infinite = ~constant & ~(np.isfinite(values).all(axis=1) & np.isfinite(given).all(axis=1))
    x_ranks, y_ranks, kendall = _pairs(given, values)
    with np.errstate(invalid="ignore", divide="ignore"):
        pearson = _cosine(_centred(given), _centred(values))
        spearman = _cosine(x_ranks, y_ranks)
    return RowCorrelations(
        np.where(constant | infinite, np.nan, pearson),
        np.where(constant, np.nan, spearman),
        np.where(constant, np.nan, kendall),
        constant,
        infinite,
    )


def _constant(values: Floats) -> np.ndarray:
    low, high = values.min(axis=1), values.max(axis=1)
    with np.errstate(invalid="ignore"):
        alike = high - low <= ROUNDING * np.maximum(np.abs(low), np.abs(high))
    return np.asarray((low == high) | (alike & np.isfinite(low) & np.isfinite(high)))


def _pairs(x: Floats, y: Floats) -> tuple[Floats, Floats, Floats]:
    """(centred ranks of x, of y, tau-b) from the signs of all pairs, one distance apart after the other."""
    m = y.shape[1]
    x_ranks, y_ranks = np.zeros(x.shape), np.zeros(y.shape)
    agree, x_apart, y_apart = np.zeros(len(y)), np.zeros(len(x)), np.zeros(len(y))
    for lag in range(1, m):
        x_signs, y_signs = (_signs(v[:, lag:], v[:, :-lag]) for v in (x, y))
        # A rank less the mean rank is half the sum of the signs against all others.
        for ranks, signs in ((x_ranks, x_signs), (y_ranks, y_signs)):
            ranks[:, lag:] += signs / 2
            ranks[:, :-lag] -= signs / 2
        agree += (x_signs * y_signs).sum(axis=1, dtype=np.int64)
        x_apart += (x_signs != 0).sum(axis=1)
        y_apart += (y_signs != 0).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return x_ranks, y_ranks, agree / np.sqrt(x_apart * y_apart)


def _signs(a: Floats, b: Floats) -> Ints:
    # Not the sign of the difference: that of two equal infinities is NaN.
    return np.asarray((a > b).astype(np.int8) - (a < b).astype(np.int8))


def _centred(values: Floats) -> Floats:
    """Deviations from the mean as shares of the largest, so that tiny ones keep their squares."""
    away = values - values.mean(axis=1, keepdims=True)
    return np.asarray(away / np.abs(away).max(axis=1, keepdims=True))


def _cosine(a: Floats, b: Floats) -> Floats:
    norm = np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
    return np.asarray(np.clip((a * b).sum(axis=1) / norm, -1.0, 1.0))
