"""Intervals for a rate: exact and Wilson from counts, and from a mean and its standard error.

Not for means of unbounded scores (see `resampling`), nor for differences (see `clustered`).

All are two-sided: `confidence` 0.95 leaves 2.5 % on each side. `successes` and `n` may be arrays that
broadcast; the answer has their shape.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from unmirage.errors import SettingsError
from unmirage.statistics._arrays import Bools, Floats, broadcast, check_fraction, counts, probabilities


def clopper_pearson(successes: ArrayLike, n: ArrayLike, confidence: float = 0.95) -> tuple[Floats, Floats]:
    """The exact interval: it covers at least `confidence` at every true rate.

    Quantiles of the beta distribution: low = B(a/2; k, n-k+1), high = B(1-a/2; k+1, n-k), with
    a = 1 - confidence (Clopper & Pearson 1934). Both counts may be real numbers, so that an effective
    number of items can be used (Korn & Graubard 1998). With whole counts, equal to
    ``scipy.stats.binomtest(k, n).proportion_ci(method="exact")``.

    At 0 successes low is exactly 0, and high is 1-(a/2)^(1/n): the two-sided rule, 0.0362 for n = 100.
    The one-sided bound ("rule of three", 0.0295 there) is :func:`zero_success_upper_bound`. At n
    successes high is exactly 1. At n = 0 the interval is (0, 1).

    Parameters: successes in [0, n]; n >= 0; confidence in (0, 1).
    Returns (low, high), each in [0, 1].
    Raises SettingsError on impossible counts or confidence.
    """
    from scipy.special import betainccinv, betaincinv

    check_fraction("confidence", confidence)
    k, n_items = counts(successes, n)
    tail = (1 - confidence) / 2
    none, all_ = k == 0, k == n_items
    low = np.where(none, 0.0, betaincinv(np.where(none, 1.0, k), n_items - k + 1, tail))
    high = np.where(all_, 1.0, betainccinv(k + 1, np.where(all_, 1.0, n_items - k), tail))
    return low, high


def wilson(successes: ArrayLike, n: ArrayLike, confidence: float = 0.95) -> tuple[Floats, Floats]:
    """The score interval of Wilson (1927), without continuity correction.

    Centre (k + z²/2) / (n + z²), half-width z/(n + z²) · sqrt(k(n-k)/n + z²/4). Its coverage is right on
    average over rates, not at each: near 0 and 1 it can fall below `confidence`, where
    :func:`clopper_pearson` cannot. Equal to statsmodels ``proportion_confint(method="wilson")``.

    At 0 successes low is exactly 0, at n successes high is exactly 1; at n = 0 the interval is (0, 1).

    Parameters: successes in [0, n]; n >= 0; confidence in (0, 1).
    Returns (low, high), each in [0, 1].
    Raises SettingsError on impossible counts or confidence.
    """
    k, n_items = counts(successes, n)
    z = _normal_quantile(confidence)
    spread = k * (n_items - k) / np.where(n_items == 0, 1.0, n_items)
    centre = (k + z * z / 2) / (n_items + z * z)
    half = z / (n_items + z * z) * np.sqrt(spread + z * z / 4)
    low = np.where(k == 0, 0.0, np.clip(centre - half, 0.0, 1.0))
    high = np.where(k == n_items, 1.0, np.clip(centre + half, 0.0, 1.0))
    return low, high


def wald(successes: ArrayLike, n: ArrayLike, confidence: float = 0.95) -> tuple[Floats, Floats]:
    """The textbook interval p ± z·sqrt(p(1-p)/n). Not used for reporting.

    Here to be compared with: at 0 successes its width is 0, so it covers no true rate above 0
    (`benchmarks/interval_coverage.py`). Not clipped to [0, 1]; NaN at n = 0.

    Parameters: successes in [0, n]; n >= 0; confidence in (0, 1).
    Raises SettingsError on impossible counts or confidence.
    """
    k, n_items = counts(successes, n)
    z = _normal_quantile(confidence)
    safe = np.where(n_items == 0, np.nan, n_items)
    rate = k / safe
    half = z * np.sqrt(rate * (1 - rate) / safe)
    return rate - half, rate + half


def zero_success_upper_bound(n: ArrayLike, confidence: float = 0.95) -> Floats:
    """One-sided upper bound on the rate when none of n items succeeded: 1 - (1-confidence)^(1/n).

    The exact form of the "rule of three", about 3/n: 0.02951 for n = 100, 0.002991 for n = 1000. The
    two-sided bound, 1-(a/2)^(1/n), is what :func:`clopper_pearson` gives. n = 0 gives 1.

    Parameters: n >= 0, may be real; confidence in (0, 1).
    Raises SettingsError on a negative n or an impossible confidence.
    """
    check_fraction("confidence", confidence)
    _, n_items = counts(0.0, n)
    # expm1 and log1p keep the digits at a large n, where the power is close to 1.
    bound = -np.expm1(np.log1p(-confidence) / np.where(n_items == 0, 1.0, n_items))
    return np.where(n_items == 0, 1.0, bound)


def effective_items(
    mean: ArrayLike, stderr: ArrayLike, n: ArrayLike, clusters: ArrayLike, most: ArrayLike | None = None
) -> Floats:
    """How many independent 0/1 items would know the mean as well as these n items do.

    n divided by the design effect, stderr² / (p(1-p)/(n-1)), and at most `most`: a gain beyond that is
    chance. Unclustered 0/1 items give n exactly; rates of several attempts an item give more than n, up to
    the number of attempts, where the items hardly differ.

    Where the scores do not vary, the sample says nothing on how alike the items of a cluster are. They may
    be copies of one another; what surely counts is the number of clusters, and that is the answer there. One
    success more, and the sample can say: the number may then jump up. The same answer is given where
    nothing was estimated: one cluster, or a stderr of NaN or 0.

    Parameters: mean in [0, 1]; stderr >= 0 or NaN, from :func:`unmirage.statistics.clustered_stderr`; n
    items in `clusters` clusters, 1 <= clusters <= n; most >= 1, n when None. All broadcast.
    Returns an array, in (0, most].
    Raises SettingsError on a value outside its range.
    """
    worth, _ = _effective(mean, stderr, n, clusters, most)
    return worth


def _effective(
    mean: ArrayLike, stderr: ArrayLike, n: ArrayLike, clusters: ArrayLike, most: ArrayLike | None
) -> tuple[Floats, Bools]:
    """Effective items, and where the design effect was estimated rather than bounded by the clusters."""
    p = probabilities("mean", mean)
    error = np.asarray(stderr, dtype=np.float64)
    if (error < 0).any():
        raise SettingsError("a standard error is negative", where="stderr")
    k, n_items = counts(clusters, n, ("clusters", "n"))
    if (k < 1).any():
        raise SettingsError("there must be at least one cluster", where="clusters")
    top = n_items if most is None else np.asarray(most, dtype=np.float64)
    p, error, k, n_items, top = broadcast("mean, stderr, n, clusters and most", p, error, k, n_items, top)
    # Below 1e-12 an error is the rounding of 0.
    known = (error > 1e-12) & (k > 1) & (p > 0) & (p < 1)
    variance = np.where(known, error * error, 1.0)
    worth = n_items * p * (1 - p) / (variance * np.maximum(n_items - 1, 1))
    return np.where(known, np.minimum(worth, top), k), known


def korn_graubard(
    mean: ArrayLike,
    stderr: ArrayLike,
    n: ArrayLike,
    clusters: ArrayLike,
    confidence: float = 0.95,
    most: ArrayLike | None = None,
) -> tuple[Floats, Floats]:
    """The interval of a mean of scores in [0, 1]: Clopper-Pearson with effective counts.

    Korn & Graubard (1998), Survey Methodology 24, 193: the beta quantiles at n* and p·n*, where n* is
    :func:`effective_items` times (t(n-1) / t(clusters-1))², the squared ratio of Student quantiles at
    1-a/2, which pays for a variance known from few clusters; at most `most`. Differences from R's
    ``survey::svyciprop(method="beta")``: that bound, and n/(n-1) in n*, so that 0/1 items which are
    their own clusters give :func:`clopper_pearson` exactly.

    Made for 0/1 scores. For other scores in [0, 1] it is an approximation that keeps the skewness of rare
    success: with P·n* = (Σ w)² / Σ w² for weights w of rare solved items, it is close to the gamma interval
    of Fay & Feuer (1997). `benchmarks/interval_coverage.py` prints what it covers.

    Where no variance was estimated (scores that do not vary, one cluster, a stderr of NaN or 0) the
    effective number is the number of clusters, without that factor: items of a cluster may be copies of
    one another (see :func:`effective_items`).

    Parameters: as :func:`effective_items`; confidence in (0, 1).
    Returns (low, high) in [0, 1].
    Raises SettingsError on a value outside its range.
    """
    from scipy.special import stdtrit

    check_fraction("confidence", confidence)
    worth, estimated = _effective(mean, stderr, n, clusters, most)
    k, n_items = np.asarray(clusters, dtype=np.float64), np.asarray(n, dtype=np.float64)
    top = n_items if most is None else np.asarray(most, dtype=np.float64)
    upper = (1 + confidence) / 2
    # Where a design effect was estimated there are two clusters; the maximum only guards other places.
    ratio = stdtrit(np.maximum(n_items - 1, 1), upper) / stdtrit(np.maximum(k - 1, 1), upper)
    worth = np.where(estimated, np.minimum(worth * ratio**2, top), worth)
    return clopper_pearson(np.asarray(mean, dtype=np.float64) * worth, worth, confidence)


def _normal_quantile(confidence: float) -> float:
    from scipy.special import ndtri

    check_fraction("confidence", confidence)
    return float(ndtri((1 + confidence) / 2))
