"""How sharp a curve looks: descriptions of a headline curve, never a verdict by themselves.

The 10-90% width and the place of the first tenth of the rise are measured on the monotone (isotonic) curve
through the means, on log10 of the scale. The emergence score, breakthroughness and linearity are those of the
literature; they depend on the number of scales, so compare them within one grid only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numpy.typing import ArrayLike

from unmirage.errors import SettingsError
from unmirage.statistics import emergence_scores, linearities

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Sharpness:
    """Descriptions of a curve; NaN where one is not defined, with the reason in `notes`.

    Attributes
    ----------
    width: share of the log range that the rise takes from 10% to 90%, in [0, 1].
    t10, t90: where on the log range (0 first scale, 1 last) 10% and 90% of the rise are reached.
    rise: last minus first value of the monotone curve, in the direction of improvement; at least 0.
    emergence_score: sign · range / root median square of the steps; infinite where half the steps or more are
        flat.
    breakthroughness: BIG-bench's name for the same number.
    linearity: sign · range / (number of steps · root mean square of the steps), in [-1, 1].
    notes: why a number is not defined or is infinite.
    """

    width: float
    t10: float
    t90: float
    rise: float
    emergence_score: float
    breakthroughness: float
    linearity: float
    notes: tuple[str, ...]


def emergence_score(values: ArrayLike) -> float:
    """:func:`unmirage.statistics.emergence_scores` of one curve (S,)."""
    return float(emergence_scores(_curve(values)))


def linearity(values: ArrayLike) -> float:
    """:func:`unmirage.statistics.linearities` of one curve (S,)."""
    return float(linearities(_curve(values)))


def isotonic(values: ArrayLike) -> Floats:
    """The nearest non-decreasing sequence in least squares (scipy's pool-adjacent-violators)."""
    from scipy.optimize import isotonic_regression

    y = _curve(values)
    return np.asarray(isotonic_regression(y).x, dtype=np.float64)


def sharpness(scales: ArrayLike, values: ArrayLike, *, higher_is_better: bool = True) -> Sharpness:
    """Describe a curve.

    Parameters
    ----------
    scales: (S,) increasing, above 0.
    values: (S,) finite.
    higher_is_better: False turns the curve over before the rise is measured.

    Raises
    ------
    SettingsError
        Shapes differ, fewer than two scales, scales not increasing or not above 0, a value that is not
        finite.
    """
    y = _curve(values)
    x = np.asarray(scales, dtype=np.float64)
    if x.shape != y.shape or (x <= 0).any() or (np.diff(x) <= 0).any():
        raise SettingsError("scales must increase, be above 0 and be as many as the values", where="scales")
    up = y if higher_is_better else -y
    monotone = isotonic(up)
    rise = float(monotone[-1] - monotone[0])
    notes: list[str] = []
    t10 = t90 = float("nan")
    if rise > 0:
        t = (np.log10(x) - np.log10(x[0])) / (np.log10(x[-1]) - np.log10(x[0]))
        t10, t90 = (_reach(t, monotone, monotone[0] + share * rise) for share in (0.1, 0.9))
    else:
        notes.append("the curve does not rise, so its width is not defined")
    score = emergence_score(up)
    if np.isinf(score):
        notes.append("half of the steps or more are flat, so the emergence score is infinite")
    if np.isnan(score):
        notes.append("the curve is constant, so the emergence score is not defined")
    return Sharpness(t90 - t10, t10, t90, rise, score, score, linearity(up), tuple(notes))


def _reach(t: Floats, monotone: Floats, level: float) -> float:
    """The first place where the piecewise linear curve reaches a level."""
    after = int(np.argmax(monotone >= level))
    if after == 0:
        return float(t[0])
    low, high = monotone[after - 1], monotone[after]
    return float(t[after - 1] + (level - low) / (high - low) * (t[after] - t[after - 1]))


def _curve(values: ArrayLike) -> Floats:
    y = np.asarray(values, dtype=np.float64)
    if y.ndim != 1 or y.size < 2:
        raise SettingsError("a curve needs two values at least", where="values")
    if not np.isfinite(y).all():
        raise SettingsError("a curve needs finite values", where="values")
    return y
