"""The chain from log-probability to accuracy on arrays: how each link's scores go with scale, item by item.

Schaeffer et al. 2024 (arXiv 2406.04391): log p_vocab(right) -> p_vocab(right) -> p_choices(right) -> Brier
score -> accuracy. Tables and sentences are made in `choice_chain`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from unmirage import statistics
from unmirage.cells import Cell
from unmirage.predictions.choice_tasks import HEADLINE, bounds, scale_places
from unmirage.result import Settings
from unmirage.steps import generator

Floats = npt.NDArray[np.float64]

# Intervals that hold together reach far into the tails, which fewer resamples do not know.
FEWEST_REPLICATES = 2_000

CORRELATIONS = ("pearson", "spearman", "kendall")
# What is correlated beside the links: the mass on the wrong choices and on all, against scale and against the
# mass on the right one.
RIGHT, WRONG, TOTAL = "right", "wrong", "total"
SCALE, WITH_RIGHT = "scale", "right mass"


@dataclass(frozen=True)
class Linked:
    """One correlation of one link over the items; NaN where a number cannot be had.

    Attributes
    ----------
    link, against, correlation: what is correlated with what, and how.
    values: (items,) of each item, NaN where it has none.
    mean, low, high: over the items that have one. median, median_low, median_high: the same.
    constant, infinite: how many items have none, and why.
    """

    link: str
    against: str
    correlation: str
    values: Floats
    mean: float
    low: float
    high: float
    median: float
    median_low: float
    median_high: float
    constant: int
    infinite: int


@dataclass(frozen=True)
class Loss:
    """What a step along the chain changes of the mean correlation, on the items that have both.

    Attributes
    ----------
    correlation, start, end: which, from which link to which. items: how many have both.
    change: mean of end less mean of start, in [-2, 2]; below 0 predictability is lost.
    low, high: the intervals of all steps of the chain hold together (Bonferroni).
    named: whether the interval leaves 0 out. largest: the greatest loss among those that are named.
    """

    correlation: str
    start: str
    end: str
    items: int
    change: float
    low: float
    high: float
    named: bool
    largest: bool


def links_of(brier: str) -> tuple[str, ...]:
    """The links of the chain in order."""
    return ("vocab_logprob", "vocab_prob", "choice_prob", brier, HEADLINE)


def masses(cell: Cell) -> dict[str, Floats]:
    """(items, models) logs of the mass on the right choice, on the wrong ones and on all, in nats.

    All is NaN where the right choice has probability 0, and wrong where there is one choice only.
    """
    layers = cell.layers
    right = layers["vocab_logprob"].scores
    out = {RIGHT: right}
    with np.errstate(invalid="ignore", divide="ignore"):
        if "choice_logprob" in layers:
            out[TOTAL] = right - layers["choice_logprob"].scores
        if "margin" in layers and "choice_prob" in layers and layers["choice_prob"].chance is not None:
            others = 1 / layers["choice_prob"].chance - 1  # the margin is against the mean of so many
            out[WRONG] = right - layers["margin"].scores + np.log(others)[:, None]
    return out


def linked(cell: Cell, names: tuple[str, ...], settings: Settings) -> tuple[list[Linked], list[Loss]]:
    """The correlations of a cell's links and masses, and what is lost between neighbouring links.

    Parameters
    ----------
    cell: with a layer of each of `names` that all its models have.
    names: the links in order; Brier scores are turned, so that higher is better everywhere.
    settings: seed, confidence, replicates (2,000 at least).
    """
    values, place = scale_places(cell)
    order = np.log(values) * (1.0 if values[0] <= values[-1] else -1.0)
    x = order[place]
    asked: list[tuple[str, str, Floats, Floats]] = []
    for name in names:
        layer = cell.layers[name]
        sign = 1.0 if layer.metric.card.higher_is_better else -1.0
        asked.append((name, SCALE, x, sign * layer.scores))
    mass = masses(cell)
    for name in (WRONG, TOTAL):
        if name in mass:
            asked.append((f"{name} mass", SCALE, x, mass[name]))
            asked.append((f"{name} mass", WITH_RIGHT, mass[RIGHT], mass[name]))
    found = [(link, against, _correlated(x_, y)) for link, against, x_, y in asked]
    keys = [(i, kind) for i in range(len(found)) for kind in CORRELATIONS]
    each = np.stack([getattr(found[i][2], kind) for i, kind in keys], axis=1)
    pairs = [
        (keys.index((i, kind)), keys.index((i + 1, kind)))
        for kind in CORRELATIONS
        for i in range(len(names) - 1)
    ]
    both = np.stack([each[:, b] - each[:, a] for a, b in pairs], axis=1)
    means, low, high, changes = _means(np.hstack([each, both]), len(keys), cell, settings, len(names) - 1)
    rows = []
    for k, (i, kind) in enumerate(keys):
        link, against, one = found[i]
        middle = _median(each[:, k], cell, settings.confidence)
        infinite = int(one.infinite.sum()) if kind == "pearson" else 0
        rows.append(
            Linked(
                link,
                against,
                kind,
                each[:, k],
                means[k],
                low[k],
                high[k],
                *middle,
                int(one.constant.sum()),
                infinite,
            )
        )
    return rows, _losses(names, keys, pairs, both, changes)


def _correlated(x: Floats, y: Floats) -> statistics.RowCorrelations:
    """Row by row; a row that holds a NaN counts as one with an infinite value and has no correlation."""
    wide = np.broadcast_to(x, y.shape)
    bad: npt.NDArray[np.bool_] = np.asarray(np.isnan(y).any(axis=1) | np.isnan(wide).any(axis=1))
    found = statistics.row_correlations(
        np.where(bad[:, None], 0.0, wide) if x.ndim == 2 else x, np.where(bad[:, None], 0.0, y)
    )
    if not bad.any():
        return found
    nan = {kind: np.where(bad, np.nan, getattr(found, kind)) for kind in CORRELATIONS}
    return statistics.RowCorrelations(**nan, constant=found.constant & ~bad, infinite=found.infinite | bad)


def _means(
    each: Floats, single: int, cell: Cell, settings: Settings, steps: int
) -> tuple[Floats, Floats, Floats, tuple[Floats, Floats, Floats]]:
    """Means over the items that have a value, with intervals: of the first `single` columns one by one, of
    the others together over `steps` at a time. The same resamples serve all."""
    there = np.isfinite(each)
    filled = np.where(there, each, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = filled.sum(axis=0) / there.sum(axis=0)
        drawn = statistics.resample_means(
            np.hstack([filled, there]),
            cell.clusters,
            max(settings.replicates, FEWEST_REPLICATES),
            generator(cell, settings),
        )
        replicates = drawn[:, : each.shape[1]] / drawn[:, each.shape[1] :]
    low, high = bounds(replicates[:, :single], settings.confidence, cell.units)
    together = 1 - (1 - settings.confidence) / max(steps, 1)
    changes = bounds(replicates[:, single:], together, cell.units)
    return mean[:single], low, high, (mean[single:], *changes)


def _median(values: Floats, cell: Cell, confidence: float) -> tuple[float, float, float]:
    """(median, low, high): the interval is the quantiles at those of the share below it (Woodruff 1952,
    JASA 47, 635), whose standard error counts clusters and is at least that of a share of a half."""
    from scipy.special import stdtrit

    there = np.isfinite(values)
    if not there.any():
        return np.nan, np.nan, np.nan
    known = values[there]
    middle = float(np.median(known))
    codes = np.unique(cell.clusters[there], return_inverse=True)[1]
    units = int(codes.max()) + 1
    if units < 2 or np.ptp(known) == 0:
        return middle, np.nan, np.nan
    error = float(statistics.clustered_stderr((known <= middle).astype(float)[:, None], codes)[0])
    half = max(error, 0.5 / np.sqrt(units)) * float(stdtrit(units - 1, (1 + confidence) / 2))
    low, high = np.quantile(known, np.clip([0.5 - half, 0.5 + half], 0.0, 1.0))
    return middle, float(low), float(high)


def _losses(
    names: tuple[str, ...],
    keys: list[tuple[int, str]],
    pairs: list[tuple[int, int]],
    both: Floats,
    changes: tuple[Floats, Floats, Floats],
) -> list[Loss]:
    mean, low, high = changes
    lost = dict.fromkeys(CORRELATIONS, np.nan)
    for j, (a, _) in enumerate(pairs):
        kind = keys[a][1]
        if high[j] < 0 and not mean[j] >= lost[kind]:
            lost[kind] = mean[j]
    return [
        Loss(
            keys[a][1],
            names[keys[a][0]],
            names[keys[b][0]],
            int(np.isfinite(both[:, j]).sum()),
            float(mean[j]),
            float(low[j]),
            float(high[j]),
            bool(low[j] > 0 or high[j] < 0),
            bool(high[j] < 0 and mean[j] == lost[keys[a][1]]),
        )
        for j, (a, b) in enumerate(pairs)
    ]


def mass_means(cell: Cell, settings: Settings) -> Mapping[str, tuple[Floats, Floats, Floats]]:
    """Mass -> (mean log mass, low, high), each (models,), in nats; NaN where an item has none."""
    found = masses(cell)
    values = np.hstack(list(found.values()))
    able = np.isfinite(values).all(axis=0)
    low, high = np.full(values.shape[1], np.nan), np.full(values.shape[1], np.nan)
    mean = np.full(values.shape[1], np.nan)
    mean[able] = values[:, able].mean(axis=0)
    if able.any() and cell.units > 1:
        drawn = statistics.resample_means(
            values[:, able], cell.clusters, settings.replicates, generator(cell, settings)
        )
        low[able], high[able] = bounds(drawn, settings.confidence, cell.units)
    parts = (np.split(one, len(found)) for one in (mean, low, high))
    return {name: tuple(part) for name, part in zip(found, zip(*parts, strict=True), strict=True)}
