"""Rates from several attempts a problem: means over problems, their interval, pass@k and its kin.

Not for stopping rules: an estimator for attempts that went on until a success must know the rule.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from unmirage.errors import SettingsError
from unmirage.statistics._arrays import (
    Floats,
    Ints,
    Seed,
    broadcast,
    check_fraction,
    counts,
    generator,
    whole_counts,
)
from unmirage.statistics.intervals import clopper_pearson
from unmirage.statistics.resampling import percentile_interval, resample_means

_NAMES = ("n_correct", "n_samples")


@dataclass(frozen=True)
class RateInterval:
    """A mean success rate over problems.

    Attributes
    ----------
    rate: mean over problems of the share of attempts that succeeded, in [0, 1].
    low, high: two-sided interval for the mean over the population of problems.
    method: "bootstrap-percentile", or "clopper-pearson-problems" where all problems have one rate.
    """

    rate: float
    low: float
    high: float
    method: str


def mean_rate(n_correct: ArrayLike, n_samples: ArrayLike) -> float:
    """Mean over problems of n_correct / n_samples: every problem counts the same.

    Parameters: (problems,) whole numbers, 0 <= n_correct <= n_samples, n_samples >= 1.
    Raises SettingsError on other values.
    """
    correct, samples = _attempts(n_correct, n_samples)
    return float((correct / samples).mean())


def pooled_rate(n_correct: ArrayLike, n_samples: ArrayLike) -> float:
    """All successes over all attempts: every attempt counts the same.

    Where hard problems were given more attempts this is far below :func:`mean_rate`, and estimates
    something else.

    Parameters: (problems,) whole numbers, 0 <= n_correct <= n_samples, n_samples >= 1.
    Raises SettingsError on other values.
    """
    correct, samples = _attempts(n_correct, n_samples)
    return float(correct.sum() / samples.sum())


def rate_interval(
    n_correct: ArrayLike,
    n_samples: ArrayLike,
    confidence: float = 0.95,
    replicates: int = 2000,
    seed: Seed = 0,
) -> RateInterval:
    """The mean rate with an interval over problems: the population is of problems, not of attempts.

    Percentile bootstrap over problems. With successes on fewer than about ten problems its upper end is too
    low, as that of any bootstrap of rare events.

    Where all P problems have the same observed rate, the bootstrap would have width 0. Then the interval is
    Clopper-Pearson with P·rate successes in P problems. Without any success that is (0, 1-(a/2)^(1/P)), a =
    1 - confidence, and this is the safe bound: let the problems' own rates p have mean m. A problem
    shows no success in N >= 1 attempts with probability E[(1-p)^N] <= E[1-p] = 1-m, with equality when
    each p is 0 or 1. So (1-m)^P is the largest probability of seeing nothing, whatever the distribution of
    p, and m is excluded only when that falls below a/2. More attempts a problem cannot narrow it: they tell
    of these problems, and the next one may be of the solvable kind. All attempts right is the mirror image.

    Parameters: n_correct, n_samples (problems,) whole numbers, n_samples >= 1; confidence in (0, 1);
    replicates >= 1; seed: a generator, which is moved on, or an integer.
    Raises SettingsError on other values.
    """
    correct, samples = _attempts(n_correct, n_samples)
    check_fraction("confidence", confidence)
    rates = correct / samples
    rate, problems = float(rates.mean()), len(rates)
    if (rates == rates[0]).all():
        low, high = clopper_pearson(problems * rates[0], problems, confidence)
        return RateInterval(float(rates[0]), float(low), float(high), "clopper-pearson-problems")
    means = resample_means(rates[:, None], None, replicates, seed)
    lower, upper = percentile_interval(means, confidence)
    return RateInterval(rate, float(lower[0]), float(upper[0]), "bootstrap-percentile")


def pass_at_k(n: ArrayLike, c: ArrayLike, k: ArrayLike) -> Floats:
    """Unbiased estimate of the chance that at least one of k attempts succeeds.

    1 - C(n-c, k) / C(n, k), Chen et al. 2021 (arXiv 2107.03374), equation 1. The ratio is the product of
    1 - k/(n-i) over i < c, or of 1 - c/(n-i) over i < k: the shorter is taken, in logarithms, so that
    small values keep their digits.

    Parameters: n attempts, c successes, 0 <= c <= n; k >= 1. Whole numbers that broadcast.
    Returns values in [0, 1]; 1 where n-c < k <= n; NaN where k > n.
    Raises SettingsError on other values.
    """
    correct, samples = whole_counts(c, n, ("c", "n"))
    draws = _draws(k)
    correct, samples, draws = broadcast("n, c and k", correct, samples, draws)
    shorter, longer = np.minimum(correct, draws), np.maximum(correct, draws)
    certain = (samples - correct < draws) & (draws <= samples)
    log_fail = np.zeros(correct.shape)
    usable = ~certain & (draws <= samples)
    for i in range(int(shorter[usable].max(initial=0))):
        active = usable & (i < shorter)
        log_fail += np.log1p(-np.where(active, longer, 0.0) / np.where(active, samples - i, 1.0))
    # 0.0 minus, not a sign: it keeps a -0.0 from showing.
    value = np.where(certain, 1.0, 0.0 - np.expm1(log_fail))
    return np.where(draws > samples, np.nan, value)


def subset_accuracy(c: ArrayLike, n: ArrayLike, k: ArrayLike) -> Floats:
    """The chance that k distinct items, drawn at random from n of which c are right, are all right.

    C(c, k) / C(n, k) = Π_{i<k} (c-i) / (n-i): the unbiased estimate of p^k from c of n. For a real c (partial
    scores) the same product with factors below 0 taken as 0.

    Parameters: 0 <= c <= n, c may be real, n whole; k >= 1, whole. Arrays broadcast.
    Returns values in [0, 1]; NaN where k > n.
    Raises SettingsError on other values.
    """
    whole_counts(0.0, n, ("c", "n"))
    right, whole = counts(c, n, ("c", "n"))
    draws = _draws(k)
    right, whole, draws = broadcast("n, c and k", right, whole, draws)
    value = np.ones(right.shape)
    possible = draws <= whole
    for i in range(int(draws[possible].max(initial=0))):
        active = possible & (i < draws)
        factor = np.maximum(right - i, 0.0) / np.where(active, whole - i, 1.0)
        value = np.where(active, value * factor, value)
    return np.where(possible, value, np.nan)


def thin(n_correct: ArrayLike, n_samples: ArrayLike, k: int, seed: Seed = 0) -> Ints:
    """Successes among k attempts of each problem, drawn without replacement (hypergeometric).

    What the log would have held had only k attempts been made.

    Parameters: n_correct, n_samples (problems,) whole numbers; 1 <= k <= every n_samples; seed: a generator,
    which is moved on, or an integer.
    Returns (problems,) whole numbers in [0, k].
    Raises SettingsError on other values.
    """
    correct, samples = _attempts(n_correct, n_samples)
    draws = int(_draws(k))
    if (samples < draws).any():
        raise SettingsError(
            f"{draws} attempts cannot be drawn from {int(samples.min())}",
            where="k",
            hint="Leave out the problems with fewer attempts, or lower k.",
        )
    good = correct.astype(np.int64)
    return generator(seed).hypergeometric(good, samples.astype(np.int64) - good, draws)


def _attempts(n_correct: ArrayLike, n_samples: ArrayLike) -> tuple[Floats, Floats]:
    correct, samples = whole_counts(n_correct, n_samples, _NAMES)
    if correct.ndim != 1 or correct.size == 0:
        raise SettingsError(
            f"shape {correct.shape} is not one count a problem", where="n_correct and n_samples"
        )
    if (samples < 1).any():
        raise SettingsError(
            f"problem {int(np.argmax(samples < 1))} has no attempt",
            where="n_samples",
            hint="Leave it out: a rate of no attempts is unknown, not 0.",
        )
    return correct, samples


def _draws(k: ArrayLike) -> Floats:
    draws = np.asarray(k, dtype=np.float64)
    if not ((draws >= 1) & (draws == np.floor(draws))).all():
        raise SettingsError("k must be whole numbers of at least 1", where="k")
    return draws
