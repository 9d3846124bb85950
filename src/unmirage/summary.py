"""The mean of a metric for each model of a cell, with its standard error and an interval that suits it.

Which interval is used is one rule, `_bounds`, and its name stands in the column `method`. The numbers come
from `statistics`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from unmirage import statistics
from unmirage.cells import Cell, Floats, Layer
from unmirage.metrics import Card
from unmirage.result import Settings

Mask = npt.NDArray[np.bool_]

# Beyond so many standard errors between a value and the mean of its resamples a percentile interval may miss
# the value itself (Efron & Tibshirani 1993, Sec. 10.3).
BIAS = 0.25
BIASED = "normal, bootstrap standard error"
ALIKE = "clopper-pearson of items that differ"


@dataclass(frozen=True)
class Summary:
    """One metric of a cell over the models: arrays of shape (models,), NaN where a number cannot be had.

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


def means_of(layer: Layer) -> Floats:
    """(models,) the metric of each model that has it on every item, else NaN; may be infinite."""
    with np.errstate(invalid="ignore"):
        mean = combined(layer, layer.components.mean(axis=0))
    return np.where(layer.present, mean, np.nan)


def combined(layer: Layer, means: Floats) -> Floats:
    """The metric from means of its components, (..., d) -> (...)."""
    if layer.metric.combine is None:
        return means[..., 0]
    with np.errstate(invalid="ignore"):  # a single cluster has NaN for replicates
        return layer.metric.combine(means, layer.components.shape[0])


def errors_of(cell: Cell, layer: Layer) -> Floats:
    """(models,) clustered standard errors of an item-level metric; NaN where scores are alike or infinite.

    Scores that do not vary say nothing about their scatter: 0 would be false.
    """
    errors = np.full(len(cell.models), np.nan)
    varied = layer.finite & ~_alike(layer)
    if varied.any():
        errors[varied] = statistics.clustered_stderr(layer.scores[:, varied], cell.clusters)
    return errors


def effective(cell: Cell, layer: Layer) -> Floats:
    """(models,) how many independent trials know the mean as well as the items do, for scores in [0, 1].

    Items for 0/1 scores, attempts for counts; fewer where clusters or unlike problems make them worth less.
    Where the problems show one rate (none of them an attempt that passed, say) all attempts are counted: each
    was a trial of its own.
    """
    n = len(cell.items)
    shares, items = _shares(layer), np.full(len(cell.models), float(n))
    most = items if layer.trials is None else layer.trials
    if layer.exact and not cell.clustered:
        return most
    worth = statistics.effective_items(shares, np.nan_to_num(errors_of(cell, layer)), n, cell.units, most)
    return np.where(_alike(layer), most, worth) if layer.attempted else worth


def resampled(layer: Layer) -> bool:
    """Whether the interval of a metric comes from resampled items."""
    card = layer.metric.card
    return layer.metric.combine is not None or (card.low, card.high) != (0, 1)


def summarise(cell: Cell, layer: Layer, settings: Settings, replicates: Floats | None) -> Summary:
    """Mean, standard error and interval of each model.

    Parameters
    ----------
    replicates: (replicates, models) of the metric over resampled items; None where `resampled` is false, or
        where no model has finite scores.
    """
    m = len(cell.models)
    mean = means_of(layer)
    if layer.metric.combine is None:
        stderr, alike = errors_of(cell, layer), layer.finite & _alike(layer)
    elif replicates is None:
        stderr, alike = np.full(m, np.nan), np.zeros(m, dtype=bool)
    else:
        alike = layer.finite & (np.ptp(replicates, axis=0) == 0)
        stderr = np.where(alike, np.nan, replicates.std(axis=0, ddof=1))
    low, high, method = np.full(m, np.nan), np.full(m, np.nan), ["none"] * m
    for models, bounds, name in _bounds(cell, layer, settings, mean, stderr, alike, replicates):
        low[models], high[models] = bounds
        method = [name if models[j] else method[j] for j in range(m)]
    note = [_note(cell, layer, settings, j, method[j], bool(alike[j]), stderr[j]) for j in range(m)]
    return Summary(np.where(np.isfinite(mean), mean, np.nan), stderr, low, high, method, note)


def _bounds(
    cell: Cell,
    layer: Layer,
    settings: Settings,
    mean: Floats,
    stderr: Floats,
    alike: Mask,
    replicates: Floats | None,
) -> Iterator[tuple[Mask, tuple[Floats, Floats], str]]:
    """(models, (low, high), method) rule by rule; models that no rule takes have no interval."""
    n, confidence, card = len(cell.items), settings.confidence, layer.metric.card
    left = layer.finite
    if layer.exact and not cell.clustered:
        interval = statistics.wilson if settings.interval == "wilson" else statistics.clopper_pearson
        yield left, interval(np.rint(mean[left] * n), n, confidence), settings.interval
        return
    if layer.metric.combine is None and np.isfinite([card.low, card.high]).all():
        yield left & alike, _alike_bounds(mean[left & alike], card, cell.units, confidence), ALIKE
    left = left & ~alike
    if not resampled(layer):
        shares, error, most = _shares(layer)[left], np.nan_to_num(stderr[left]), _most(layer)[left]
        bounds = statistics.korn_graubard(shares, error, n, cell.units, confidence, most)
        yield left, bounds, "korn-graubard"
        return
    if replicates is None or cell.units == 1:
        return
    off = np.zeros(len(left), dtype=bool)
    if layer.metric.combine is not None:
        off[left] = np.abs(replicates[:, left].mean(axis=0) - mean[left]) > BIAS * stderr[left]
    straight = left & ~off
    bounds = statistics.percentile_interval(replicates[:, straight], confidence, cell.units)
    yield straight, bounds, "bootstrap over clusters" if cell.clustered else "bootstrap over items"
    half = quantile(confidence) * stderr[off]
    around = np.maximum(mean[off] - half, card.low), np.minimum(mean[off] + half, card.high)
    yield off, around, BIASED


def _alike_bounds(mean: Floats, card: Card, units: int, confidence: float) -> tuple[Floats, Floats]:
    """Where all items have one score: at most 1-(a/2)^(1/n) of the population may score otherwise."""
    beyond = float(statistics.clopper_pearson(0, units, confidence)[1])
    return mean - beyond * (mean - card.low), mean + beyond * (card.high - mean)


def _note(
    cell: Cell, layer: Layer, settings: Settings, j: int, method: str, alike: bool, stderr: float
) -> str:
    """What to know of a number, or why it is missing; "" for nothing."""
    if not layer.present[j]:
        return ""
    if not layer.finite[j]:
        infinite = int(np.isinf(layer.components[:, j]).any(axis=1).sum())
        return f"{infinite} of {len(cell.items)} items have an infinite score, so the mean is infinite"
    if alike and layer.metric.combine is not None:
        return "all resamples have the same value, which says nothing about its scatter"
    if alike and method == "none":
        return "all items have the same score, which says nothing about its scatter"
    if alike and method == ALIKE:
        if layer.attempted and cell.attempts is not None and layer.scores[0, j] in (0.0, 1.0):
            tried = cell.attempts[:, j]
            bound = statistics.zero_rate_bound(tried, settings.confidence)
            failed = layer.scores[0, j] == 0
            rate = f"below {bound:.3g}" if failed else f"above {1 - bound:.6g}"
            return (
                f"no {'success' if failed else 'failure'} in {tried.sum():,} attempts: for these "
                f"{len(tried)} problems alone the rate is {rate}; the interval is for the population of such "
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


def _alike(layer: Layer) -> Mask:
    """(models,) whether all items have one score; item-level metrics only."""
    scores = layer.scores
    return np.asarray((scores == scores[:1]).all(axis=0))


def _shares(layer: Layer) -> Floats:
    """Means of scores in [0, 1] without the rounding beyond it; 0 where there is none."""
    mean = means_of(layer)
    return np.clip(np.where(np.isfinite(mean), mean, 0.0), 0.0, 1.0)


def _most(layer: Layer) -> Floats:
    return np.full(layer.components.shape[1], np.inf) if layer.trials is None else layer.trials


def quantile(confidence: float) -> float:
    """The normal quantile of a two-sided interval, 1.96 for .95."""
    from scipy.special import ndtri

    return float(ndtri((1 + confidence) / 2))
