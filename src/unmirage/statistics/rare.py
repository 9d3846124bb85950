"""Intervals of a mean rate over problems when few problems, or none, were ever solved.

There the percentile bootstrap is too narrow. Not for rates that many problems contribute to: see
`counts.rate_interval`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from unmirage.errors import SettingsError
from unmirage.statistics._arrays import Floats, check_fraction, probabilities, whole_counts


def gamma_interval(rates: ArrayLike, confidence: float = 0.95) -> tuple[float, float]:
    """Interval of the mean of P rates of which few are above 0.

    The solved problems are rare events with marks, their number Poisson, so the mean is a weighted sum of
    Poisson counts with weights w_i = rate_i / P, and Fay & Feuer (1997, Statistics in Medicine 16, 791) bound
    it by gamma quantiles: with y = Σ w_i, v = Σ w_i², w = max w_i,

        low  = v/(2y) · χ²_{a/2}(2y²/v),    high = (v+w²)/(2(y+w)) · χ²_{1-a/2}(2(y+w)²/(v+w²)).

    For rates that are all 0 or 1 that is Garwood's exact Poisson interval of their number, divided by P.

    Parameters: rates (P,), each in [0, 1], one above 0 at least; confidence in (0, 1).
    Returns (low, high), high at most 1.
    Raises SettingsError on other values.
    """
    from scipy.special import chdtri

    check_fraction("confidence", confidence)
    values = probabilities("rates", rates)
    if values.ndim != 1 or not (values > 0).any():
        raise SettingsError("no rate is above 0", where="rates", hint="See zero_rate_bound.")
    weights = values / values.size
    y, v, top = float(weights.sum()), float((weights**2).sum()), float(weights.max())
    tail = (1 - confidence) / 2
    # chdtri(df, p) is the chi-square value whose upper tail is p.
    low = v / (2 * y) * float(chdtri(2 * y * y / v, 1 - tail))
    high = (v + top**2) / (2 * (y + top)) * float(chdtri(2 * (y + top) ** 2 / (v + top**2), tail))
    return low, min(high, 1.0)


def zero_rate_bound(n_samples: ArrayLike, confidence: float = 0.95) -> float:
    """Upper end of the interval of these problems' mean rate when no attempt succeeded.

    Problem i shows nothing with probability (1-p_i)^n_i. With n the fewest attempts of a problem, all show
    nothing with at most the probability Π (1-p_i)^n, and -log(1-p) is convex, so of all p that leave this at
    a/2 equal ones have the largest mean:

        1 - (a/2)^(1 / (P · min n_i)).

    It speaks of these problems. Another problem of the kind may be solvable: for the population of problems
    nothing below 1 - (a/2)^(1/P) can be excluded (see `counts.rate_interval`).

    Parameters: n_samples (P,) whole numbers, at least 1; confidence in (0, 1).
    Returns a number in (0, 1).
    """
    check_fraction("confidence", confidence)
    samples: Floats = whole_counts(np.zeros(np.shape(n_samples)), n_samples, ("successes", "n_samples"))[1]
    if samples.size == 0 or samples.min() < 1:
        raise SettingsError("every problem needs an attempt at least", where="n_samples")
    return float(-np.expm1(np.log((1 - confidence) / 2) / (samples.size * samples.min())))
