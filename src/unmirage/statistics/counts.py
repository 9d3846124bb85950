"""Rates from several attempts a problem: means over problems, pass@k and its kin.

Not for stopping rules: an estimator for attempts that went on until a success must know the rule.
"""

from __future__ import annotations

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

_NAMES = ("n_correct", "n_samples")


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


def zero_rate_bound(n_samples: ArrayLike, confidence: float = 0.95) -> float:
    """Upper end of the interval of these problems' mean rate when no attempt succeeded.

    Problem i shows nothing with probability (1-p_i)^n_i. With n the fewest attempts of a problem, all show
    nothing with at most the probability Π (1-p_i)^n, and -log(1-p) is convex, so of all p that leave this at
    a/2 equal ones have the largest mean:

        1 - (a/2)^(1 / (P · min n_i)).

    It speaks of these problems. Another problem of the kind may be solvable: for the population of problems
    nothing below 1 - (a/2)^(1/P) can be excluded. For let the problems' own rates p have mean m: a problem
    shows nothing in N >= 1 attempts with probability E[(1-p)^N] <= E[1-p] = 1-m, with equality when each p
    is 0 or 1, so (1-m)^P is the largest probability of seeing nothing.

    Parameters: n_samples (P,) whole numbers, at least 1; confidence in (0, 1).
    Returns a number in (0, 1).
    """
    check_fraction("confidence", confidence)
    samples: Floats = whole_counts(np.zeros(np.shape(n_samples)), n_samples, ("successes", "n_samples"))[1]
    if samples.size == 0 or samples.min() < 1:
        raise SettingsError("every problem needs an attempt at least", where="n_samples")
    return float(-np.expm1(np.log((1 - confidence) / 2) / (samples.size * samples.min())))


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
