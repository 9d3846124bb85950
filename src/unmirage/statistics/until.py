"""Rates from attempts that went on until a number of passes, or to a cap (inverse binomial sampling).

Not for a fixed number of attempts alone (see `counts`), nor for deciding when to stop (`unmirage.ask.until`).

Attempts at an item stop at the R-th pass, or at the cap. K is the number of attempts up to there, c the
passes. `until` is R on every item that was sampled by this rule, and 0 or NaN on an item with a fixed number
of attempts. An item is *stopped* where c = until, else *censored*: it reached its cap with c < R.

All estimates here are the share of the possible orders of passes and failures, among those that end at the
point seen, in which the thing estimated happens in the first attempts. That is unbiased whatever the cap and
R >= 2 (Girshick, Mosteller and Savage 1946, Ann. Math. Stat. 17, 13), stopped and censored items together,
as long as the cap does not depend on the item's own attempts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from unmirage.errors import SettingsError
from unmirage.statistics._arrays import Bools, Floats, broadcast, check_fraction, whole_counts
from unmirage.statistics.counts import pass_at_k, zero_rate_bound
from unmirage.statistics.intervals import clopper_pearson

_NAMES = ("n_correct", "n_samples")


@dataclass(frozen=True)
class UntilMean:
    """The mean pass rate of a set of items, every item counting the same.

    Attributes
    ----------
    mean: the mean of :func:`until_rate`, in [0, 1].
    stderr: of sampling these items again; 0 where no item varies, NaN where nothing can be said.
    low, high: two-sided interval for the mean rate of these items.
    method: "nothing passed", "one item", or "weighted passes".
    """

    mean: float
    stderr: float
    low: float
    high: float
    method: str


def until_rate(n_correct: ArrayLike, n_samples: ArrayLike, until: ArrayLike) -> Floats:
    """Unbiased estimate of the rate of a pass: (R-1)/(K-1) where stopped, c/n where not.

    Haldane 1945 (Biometrika 33, 222). R/K, the estimate of maximum likelihood, is too high: by a factor of
    about R/(R-1) at small rates.

    Parameters: whole numbers that broadcast, 0 <= n_correct <= n_samples, n_samples >= 1; until 0 or NaN for
    a fixed number of attempts, else a whole number of at least 2 and at least n_correct.
    Returns values in [0, 1].
    Raises SettingsError on other values.
    """
    c, n, stopped = _stopped(n_correct, n_samples, until)
    return np.where(stopped, (c - 1) / np.maximum(n - 1, 1), c / n)


def until_pass_at_k(n_correct: ArrayLike, n_samples: ArrayLike, until: ArrayLike, k: ArrayLike) -> Floats:
    """Unbiased estimate of the chance that at least one of k attempts passes.

    Where stopped 1 - C(K-1-k, R-1) / C(K-1, R-1), which is 1 for k > K-R; else :func:`pass_at_k`.

    Parameters: as :func:`until_rate`; k >= 1, whole.
    Returns values in [0, 1]; NaN where k is more than the attempts of an item that did not stop.
    Raises SettingsError on other values.
    """
    c, n, stopped = _stopped(n_correct, n_samples, until)
    draws = np.asarray(k, dtype=np.float64)
    # Had a stopped item fewer than k attempts, its passes lie within them: with n = k the answer is 1.
    attempts = np.where(stopped, np.maximum(n - 1, draws), n)
    return pass_at_k(attempts, np.where(stopped, c - 1, c), draws)


def until_neg_log(n_correct: ArrayLike, n_samples: ArrayLike, until: ArrayLike) -> Floats:
    """Minus the log of the rate of a pass, in nats: 1/R + 1/(R+1) + ... + 1/(K-1) where stopped.

    That sum is unbiased for -log p without a cap; -log of the unbiased rate is too high by 0.42 nats at R = 2
    and 0.12 at R = 5. Where not stopped, -log(c/n): infinite without a pass.

    Parameters: as :func:`until_rate`.
    Returns values in [0, inf].
    Raises SettingsError on other values.
    """
    from scipy.special import digamma

    c, n, stopped = _stopped(n_correct, n_samples, until)
    some = np.where(stopped, c, 1.0)
    with np.errstate(divide="ignore"):
        plain = np.log(n) - np.log(c)
    return np.where(stopped, np.maximum(digamma(n) - digamma(some), 0.0), plain)


def until_variance(n_correct: ArrayLike, n_samples: ArrayLike, until: ArrayLike) -> Floats:
    """Unbiased estimate of the sampling variance of :func:`until_rate`.

    With p the estimate: p(1-p)/(K-2) where stopped, p(1-p)/(n-1) where not.

    Parameters: as :func:`until_rate`.
    Returns values of at least 0; NaN where one attempt was made.
    Raises SettingsError on other values.
    """
    c, n, stopped = _stopped(n_correct, n_samples, until)
    rate = until_rate(n_correct, n_samples, until)
    left = n - np.where(stopped, 2.0, 1.0)
    # A pass at each of R attempts: no order but this one ends there, and the estimate is 0.
    return np.where(stopped & (c == n), 0.0, np.where(n > 1, rate * (1 - rate) / np.maximum(left, 1), np.nan))


def until_interval(
    n_correct: ArrayLike, n_samples: ArrayLike, until: ArrayLike, confidence: float = 0.95
) -> tuple[Floats, Floats]:
    """The exact interval of each item's own rate: it covers at least `confidence` at every rate and cap.

    The tails of the outcomes in order of what they say of the rate: stopped ones from small to large K, then
    censored ones from many passes to none. Where stopped, with a = 1 - confidence:
    low = B(a/2; R, K-R+1), high = B(1-a/2; R, K-R), quantiles of the beta distribution; they invert the
    tails of the negative binomial distribution (``scipy.stats.nbinom``) as Clopper and Pearson did those of
    the binomial. Where censored it is :func:`clopper_pearson`; without a pass high is 1-(a/2)^(1/n).

    Parameters: as :func:`until_rate`; confidence in (0, 1).
    Returns (low, high), each in [0, 1]; high is 1 where every attempt passed.
    Raises SettingsError on other values.
    """
    from scipy.special import betainccinv

    c, n, stopped = _stopped(n_correct, n_samples, until)
    low, high = clopper_pearson(c, n, confidence)
    inner = stopped & (c < n)
    fewer = betainccinv(np.where(inner, c, 1.0), np.where(inner, n - c, 1.0), (1 - confidence) / 2)
    return low, np.where(inner, fewer, high)


def until_mean(
    n_correct: ArrayLike, n_samples: ArrayLike, until: ArrayLike, confidence: float = 0.95
) -> UntilMean:
    """The mean rate of these items, with an interval that counts the attempts and not the choice of items.

    The interval for the population of such items is that of the curves (`korn_graubard` of the items' own
    estimates), and wider. This one is of a sum of passes with unlike weights, in the manner of Fay & Feuer
    1997 (Stat. Med. 16, 791), with beta distributions in place of gammas: with m the mean and v its unbiased
    variance, low is the Clopper-Pearson end of as many passes and failures as have this m and v; high is the
    quantile of the beta distribution with mean m+w and variance v+w², w being the weight of one more pass
    where it weighs most: 1/(items · attempts) at the censored item with the fewest attempts, and no less
    than the mean weight of a pass. Where nothing passed high is :func:`zero_rate_bound`, and a single item
    has :func:`until_interval`. What it covers is printed by `benchmarks/until.py`.

    Parameters: (items,) each, as :func:`until_rate`; confidence in (0, 1).
    Raises SettingsError on other values.
    """
    from scipy.special import betainccinv

    check_fraction("confidence", confidence)
    c, n, stopped = _stopped(n_correct, n_samples, until)
    if c.ndim != 1 or c.size == 0:
        raise SettingsError(f"shape {c.shape} is not one count an item", where="n_correct and n_samples")
    mean = float(until_rate(n_correct, n_samples, until).mean())
    variance = float(until_variance(n_correct, n_samples, until).sum() / c.size**2)
    stderr = float(np.sqrt(variance))
    if c.size == 1:
        ends = until_interval(c, n, until, confidence)
        return UntilMean(mean, stderr, float(ends[0][0]), float(ends[1][0]), "one item")
    if not c.any():
        return UntilMean(mean, stderr, 0.0, zero_rate_bound(n, confidence), "nothing passed")
    if np.isnan(variance):  # an item had one attempt: its variance is at most that of a coin
        variance = float(np.nan_to_num(until_variance(c, n, until), nan=0.25).sum() / c.size**2)
    most = float(c.size**2 / (1 / n).sum())
    worth = min(mean * (1 - mean) / variance, most) if variance > 0 else most
    variance = max(variance, mean * (1 - mean) / most)
    low = float(clopper_pearson(mean * worth, worth, confidence)[0])
    heaviest = float(1 / (c.size * n[~stopped].min())) if (~stopped).any() else 0.0
    more = max(1 / worth, heaviest)
    centre, spread = mean + more, variance + more**2
    strength = centre * (1 - centre) / spread - 1 if centre < 1 else 0.0
    if strength <= 0:
        return UntilMean(mean, stderr, low, 1.0, "weighted passes")
    high = betainccinv(centre * strength, (1 - centre) * strength, (1 - confidence) / 2)
    return UntilMean(mean, stderr, low, max(float(high), mean), "weighted passes")


def _stopped(n_correct: ArrayLike, n_samples: ArrayLike, until: ArrayLike) -> tuple[Floats, Floats, Bools]:
    """Passes, attempts, and where the R-th pass ended them."""
    c, n = whole_counts(n_correct, n_samples, _NAMES)
    rule = np.nan_to_num(np.asarray(until, dtype=np.float64), nan=0.0)
    if ((rule != np.floor(rule)) | (rule < 0) | (rule == 1)).any():
        raise SettingsError(
            "until must be a whole number of at least 2, or 0 for a fixed number of attempts",
            where="until",
            hint="No estimate worth having is unbiased where the first pass ends the attempts.",
        )
    c, n, rule = broadcast("n_correct, n_samples and until", c, n, rule)
    if (n < 1).any():
        raise SettingsError(
            "every item needs an attempt at least",
            where="n_samples",
            hint="Leave out items without one: a rate of no attempts is unknown, not 0.",
        )
    if ((rule > 0) & (c > rule)).any():
        raise SettingsError(
            "an item has more passes than attempts go on for",
            where="n_correct and until",
            hint="Attempts after the last pass that counts are not counted.",
        )
    return c, n, (rule > 0) & (c == rule)
