"""Standard errors and paired differences of means when items come in clusters.

Not for intervals of rates near 0 or 1 (see `intervals`), nor for anything but means (see `resampling`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from unmirage.errors import SettingsError
from unmirage.statistics._arrays import (
    Floats,
    Ints,
    check_fraction,
    cluster_codes,
    cluster_sums,
    score_matrix,
)

# Rounding in a difference of equal scores, against the size of the scores.
_ROUNDING = 1e-12


@dataclass(frozen=True)
class PairedDifference:
    """The difference between two means over the same items.

    Attributes
    ----------
    difference: mean of a minus mean of b.
    stderr: clustered standard error of the difference; NaN where it cannot be estimated.
    low, high: two-sided interval for the difference; NaN where it cannot be computed.
    p_value: two-sided, of no difference; NaN where it cannot be computed.
    method: how the p-value was made: "mcnemar-exact", "t", or "none".
    """

    difference: float
    stderr: float
    low: float
    high: float
    p_value: float
    method: str


def clustered_stderr(values: ArrayLike, clusters: ArrayLike | None = None) -> Floats:
    """Standard error of each column mean, with the correlation inside clusters counted.

    With residuals e_i = s_i - mean, C clusters and n items:

        SE² = C/(C-1) · (1/n²) · Σ_c (Σ_{i in c} e_i)²

    That is Miller 2024 (arXiv 2411.00640), SE_CLT² + (1/n²) Σ_c Σ_{i≠j in c} e_i e_j, with one small-sample
    factor C/(C-1) on the whole, where Miller has n/(n-1) on the first term and none on the second. Where
    every item is its own cluster both are sqrt(s²/n) with s² over n-1. Equal to statsmodels ``OLS`` on a
    constant with ``cov_type="cluster"`` and its default correction.

    Parameters: values (n, m), finite; clusters (n,) codes 0..C-1, None where every item stands for itself.
    Returns (m,), in the unit of the scores; NaN where there is one cluster.
    Raises SettingsError on values that are not finite, or bad codes.
    """
    scores = score_matrix(values)
    return _stderr(scores, cluster_codes(clusters, scores.shape[0]))


def design_effect(values: ArrayLike, clusters: ArrayLike) -> Floats:
    """How much the clusters inflate the variance of each column mean: (clustered SE / plain SE)².

    1 where clusters do not matter; the cluster size where all items of a cluster score alike. Below 1
    where items of a cluster score more differently than chance would have it.

    Parameters: values (n, m), finite; clusters (n,) codes 0..C-1.
    Returns (m,); NaN for a column that does not vary, and where there is one cluster.
    Raises SettingsError on values that are not finite, or bad codes.
    """
    scores = score_matrix(values)
    codes = cluster_codes(clusters, scores.shape[0])
    plain = _stderr(scores, cluster_codes(None, scores.shape[0]))
    varies = plain > _ROUNDING * np.abs(scores).max(axis=0)
    ratio = _stderr(scores, codes) / np.where(varies, plain, 1.0)
    return np.where(varies, ratio**2, np.nan)


def paired_difference(
    a: ArrayLike, b: ArrayLike, clusters: ArrayLike | None = None, confidence: float = 0.95
) -> PairedDifference:
    """mean(a) - mean(b) over the same items, with interval and p-value.

    The standard error is :func:`clustered_stderr` of a - b (the paired formula of Miller 2024); interval
    and p-value refer to Student's t with C-1 degrees of freedom. Without clusters that is
    ``scipy.stats.ttest_rel``. Where both are 0/1 and every item is its own cluster, the p-value is
    McNemar's exact one (binomial on the discordant items; statsmodels ``mcnemar(exact=True)``); the
    interval remains the one from t, so the two may disagree when few items are discordant.

    Where the differences do not vary, the sample says nothing on their scatter: `stderr` is NaN. Then, for
    0/1 scores of unclustered items, low and high use that at most 1-(a/2)^(1/n) of the population may
    behave otherwise than all n items did (each such item moves the difference by 1 if it is 0, by 2 if
    it is 1 or -1); for other scores they are NaN. The p-value of a difference of 0 is then 1.

    Parameters: a, b (n,), finite; clusters (n,) codes 0..C-1 or None; confidence in (0, 1).
    Raises SettingsError on shapes that differ, values that are not finite, or bad codes.
    """
    first, second = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if first.shape != second.shape or first.ndim != 1:
        raise SettingsError(
            f"shapes {first.shape} and {second.shape} are not one score an item for the same items",
            where="a and b",
        )
    return neighbour_differences(np.column_stack([second, first]), clusters, confidence)[0]


def neighbour_differences(
    values: ArrayLike, clusters: ArrayLike | None = None, confidence: float = 0.95
) -> tuple[PairedDifference, ...]:
    """:func:`paired_difference` of each column with the one before it: column j+1 minus column j.

    Parameters: values (n, m), finite, columns in order of scale; clusters and confidence as there.
    Returns m-1 differences.
    Raises as there.
    """
    check_fraction("confidence", confidence)
    scores = score_matrix(values)
    codes = cluster_codes(clusters, scores.shape[0])
    binary = np.asarray(np.isin(scores, (0.0, 1.0)).all(axis=0))
    difference = np.diff(scores, axis=1)
    errors = _stderr(difference, codes)
    largest = np.maximum(np.abs(scores).max(axis=0), np.finfo(float).tiny)
    return tuple(
        _judge(
            difference[:, j],
            float(errors[j]),
            codes,
            exact=bool(binary[j] and binary[j + 1]) and int(codes.max()) + 1 == len(codes),
            rounding=_ROUNDING * max(float(largest[j]), float(largest[j + 1])),
            confidence=confidence,
        )
        for j in range(difference.shape[1])
    )


def _judge(
    d: Floats, stderr: float, codes: Ints, *, exact: bool, rounding: float, confidence: float
) -> PairedDifference:
    from scipy.special import betainc, stdtrit

    mean = float(d.mean())
    df = int(codes.max())
    varies = stderr > rounding  # False for NaN, one cluster
    low = high = p_value = np.nan
    method = "none"
    if varies:
        half = float(stdtrit(df, (1 + confidence) / 2)) * stderr
        low, high = mean - half, mean + half
        # P(|T| > t) as a beta integral keeps its digits far out in the tail.
        p_value = float(betainc(df / 2, 0.5, df / (df + (mean / stderr) ** 2)))
        method = "t"
    elif exact:
        away = -np.expm1(np.log((1 - confidence) / 2) / len(d))
        step = 1.0 if mean == 0 else 2.0
        low, high = max(-1.0, mean - step * away), min(1.0, mean + step * away)
    if exact:
        p_value = _mcnemar(int((d > 0).sum()), int((d < 0).sum()))
        method = "mcnemar-exact"
    elif not varies and bool((np.abs(d) <= rounding).all()):
        p_value = 1.0
    return PairedDifference(mean, stderr if varies else np.nan, low, high, p_value, method)


def _mcnemar(wins: int, losses: int) -> float:
    """Two-sided exact binomial p-value that wins and losses are equally likely; 1 with neither."""
    from scipy.special import betainc

    n, fewer = wins + losses, min(wins, losses)
    if wins == losses:
        return 1.0
    return min(1.0, 2 * float(betainc(n - fewer, fewer + 1, 0.5)))


def _stderr(scores: Floats, codes: Ints) -> Floats:
    n, n_clusters = len(codes), int(codes.max()) + 1
    if n_clusters == 1:
        return np.full(scores.shape[1], np.nan)
    sums = cluster_sums(scores - scores.mean(axis=0), codes)
    variance = (sums**2).sum(axis=0) * n_clusters / (n_clusters - 1) / n**2
    return np.asarray(np.sqrt(variance), dtype=np.float64)
