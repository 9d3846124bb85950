"""The mean of a metric for each model of a task, with its standard error and an interval that suits it.

Which interval is used is one rule, `_bounds`, and its name stands in the column `method`. The numbers come
from `statistics`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from unmirage import statistics
from unmirage.cells import Floats
from unmirage.measured import Mask, Measured
from unmirage.metrics import Card
from unmirage.result import Settings

# Beyond so many standard errors between a value and the mean of its resamples a percentile interval may miss
# the value itself (Efron & Tibshirani 1993, Sec. 10.3).
BIAS = 0.25
BIASED = "normal, bootstrap standard error"
ALIKE = "clopper-pearson of items that differ"


@dataclass(frozen=True)
class Summary:
    """One metric over the models: arrays of shape (models,), NaN where a number cannot be had.

    Attributes
    ----------
    mean, stderr, low, high: value, clustered standard error and interval.
    method: how [low, high] was made.
    note: why a number is missing, or what to know of it; "" for nothing.
    """

    mean: Floats
    stderr: Floats
    low: Floats
    high: Floats
    method: list[str]
    note: list[str]


def summarise(one: Measured, settings: Settings, replicates: Floats | None) -> Summary:
    """Mean, standard error and interval of each model.

    Parameters
    ----------
    replicates: (replicates, models) of the metric over resampled items; None where `one.resampled` is false,
        or where no model has finite scores.
    """
    m = len(one.mean)
    if one.metric.combine is None:
        stderr, alike = one.errors, one.alike
    elif replicates is None:
        stderr, alike = np.full(m, np.nan), np.zeros(m, dtype=bool)
    else:
        alike = one.finite & (np.ptp(replicates, axis=0) == 0)
        stderr = np.where(alike, np.nan, replicates.std(axis=0, ddof=1))
    low, high, method = np.full(m, np.nan), np.full(m, np.nan), ["none"] * m
    for models, bounds, name in _bounds(one, settings, stderr, alike, replicates):
        low[models], high[models] = bounds
        method = [name if models[j] else method[j] for j in range(m)]
    note = [_note(one, settings, j, method[j], bool(alike[j]), stderr[j]) for j in range(m)]
    return Summary(np.where(np.isfinite(one.mean), one.mean, np.nan), stderr, low, high, method, note)


def _bounds(
    one: Measured, settings: Settings, stderr: Floats, alike: Mask, replicates: Floats | None
) -> Iterator[tuple[Mask, tuple[Floats, Floats], str]]:
    """(models, (low, high), method) rule by rule; models that no rule takes have no interval."""
    n, mean, confidence, card = one.items, one.mean, settings.confidence, one.metric.card
    left = one.finite
    if one.exact and not one.clustered:
        interval = statistics.wilson if settings.interval == "wilson" else statistics.clopper_pearson
        yield left, interval(np.rint(mean[left] * n), n, confidence), settings.interval
        return
    bounded = one.metric.combine is None and np.isfinite([card.low, card.high]).all()
    if bounded and (left & alike).any():
        yield left & alike, _alike_bounds(mean[left & alike], card, one.units, confidence), ALIKE
    left = left & ~alike
    if not one.resampled:
        most = np.full(len(mean), np.inf) if one.trials is None else one.trials
        shares, error = one.shares[left], np.nan_to_num(stderr[left])
        bounds = statistics.korn_graubard(shares, error, n, one.units, confidence, most[left])
        yield left, bounds, "korn-graubard"
        return
    if replicates is None or one.units == 1:
        return
    off = np.zeros(len(left), dtype=bool)
    if one.metric.combine is not None:
        off[left] = np.abs(replicates[:, left].mean(axis=0) - mean[left]) > BIAS * stderr[left]
    straight = left & ~off
    bounds = statistics.percentile_interval(replicates[:, straight], confidence, one.units)
    yield straight, bounds, "bootstrap over clusters" if one.clustered else "bootstrap over items"
    half = quantile(confidence) * stderr[off]
    around = np.maximum(mean[off] - half, card.low), np.minimum(mean[off] + half, card.high)
    yield off, around, BIASED


def _alike_bounds(mean: Floats, card: Card, units: int, confidence: float) -> tuple[Floats, Floats]:
    """Where all items have one score: at most 1-(a/2)^(1/n) of the population may score otherwise."""
    beyond = float(statistics.clopper_pearson(0, units, confidence)[1])
    return mean - beyond * (mean - card.low), mean + beyond * (card.high - mean)


def _note(one: Measured, settings: Settings, j: int, method: str, alike: bool, stderr: float) -> str:
    """What to know of a number, or why it is missing; "" for nothing."""
    if not one.present[j]:
        return ""
    if not one.finite[j]:
        return f"{one.infinite[j]} of {one.items} items have an infinite score, so the mean is infinite"
    if alike and one.metric.combine is not None:
        return "all resamples have the same value, which says nothing about its scatter"
    if alike and method == "none":
        return "all items have the same score, which says nothing about its scatter"
    if alike and method == ALIKE:
        if one.attempted and one.attempts is not None and one.mean[j] in (0.0, 1.0):
            fewest = np.full(one.items, one.attempts.fewest[j])
            bound = statistics.zero_rate_bound(fewest, settings.confidence)
            failed = one.mean[j] == 0
            rate = f"below {bound:.3g}" if failed else f"above {1 - bound:.6g}"
            return (
                f"no {'success' if failed else 'failure'} in {one.attempts.total[j]:,} attempts: for these "
                f"{one.items} problems alone the rate is {rate}; the interval is for the population of such "
                "problems"
            )
        return "all items have the same score; the interval is the exact one for none that differs"
    if alike:
        return "all items have the same score, so its standard error is not known"
    if np.isnan(stderr):
        return "a single item or cluster says nothing about the scatter"
    if method == BIASED:
        return "a nonlinear metric whose value moves under resampling: with few items it is biased"
    return ""


def quantile(confidence: float) -> float:
    """The normal quantile of a two-sided interval, 1.96 for .95."""
    from scipy.special import ndtri

    return float(ndtri((1 + confidence) / 2))
