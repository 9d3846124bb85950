"""One metric of a task over its models, reduced to what intervals, floors and notes are made of.

The numbers come from scores in memory (`measured`), or from sums of rows that were never in memory together
(`unmirage.streaming.finish`); what is made of them is the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from unmirage import statistics
from unmirage.cells import Cell, Floats, Ints, Layer
from unmirage.metrics import Metric

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Attempts:
    """Of kind count, over the models: (M,) all attempts, and the fewest that an item had."""

    total: Ints
    fewest: Ints


@dataclass(frozen=True)
class Measured:
    """One metric over M models.

    Attributes
    ----------
    metric: its card and functions.
    items, units: how many items, and how many clusters of them (an item without one is its own) are
        resampled; `clustered` whether some are clusters.
    mean: (M,) its value; NaN where there is none, infinite where a score is.
    errors: (M,) clustered standard errors of an item-level metric; NaN where scores are alike or infinite.
    present, finite: (M,) whether the model has a score, a finite score, on every item.
    alike: (M,) whether all items have one finite score; item-level metrics only.
    infinite: (M,) items with an infinite score.
    exact, trials, attempted: as in :class:`unmirage.cells.Layer`.
    chance: mean over the items of the score of a model without skill, or None.
    attempts: of kind count, else None.
    """

    metric: Metric
    items: int
    units: int
    clustered: bool
    mean: Floats
    errors: Floats
    present: Mask
    finite: Mask
    alike: Mask
    infinite: Ints
    exact: bool
    trials: Floats | None
    attempted: bool
    chance: float | None
    attempts: Attempts | None

    @property
    def shares(self) -> Floats:
        """(M,) means of scores in [0, 1] without the rounding beyond it; 0 where there is none."""
        return np.clip(np.where(np.isfinite(self.mean), self.mean, 0.0), 0.0, 1.0)

    @property
    def effective(self) -> Floats:
        """(M,) how many independent trials know the mean as well as the items do, for scores in [0, 1].

        Items for 0/1 scores, attempts for counts; fewer where clusters or unlike problems make them worth
        less. Where the problems show one rate (none of them an attempt that passed, say) all attempts are
        counted: each was a trial of its own.
        """
        most = np.full(len(self.mean), float(self.items)) if self.trials is None else self.trials
        if self.exact and not self.clustered:
            return most
        errors = np.nan_to_num(self.errors)
        worth = statistics.effective_items(self.shares, errors, self.items, self.units, most)
        return np.where(self.alike, most, worth) if self.attempted else worth

    @property
    def resampled(self) -> bool:
        """Whether the interval comes from resampled items."""
        return resampled(self.metric)


def measured(cell: Cell, layer: Layer) -> Measured:
    """One metric of a cell."""
    item_level = layer.metric.combine is None
    nothing = np.zeros(len(cell.models), dtype=np.bool_)
    tried = cell.attempts
    return Measured(
        metric=layer.metric,
        items=len(cell.items),
        units=cell.units,
        clustered=cell.clustered,
        mean=means_of(layer),
        errors=errors_of(cell, layer) if item_level else np.full(len(cell.models), np.nan),
        present=layer.present,
        finite=layer.finite,
        alike=layer.finite & _alike(layer) if item_level else nothing,
        infinite=np.isinf(layer.components).any(axis=2).sum(axis=0),
        exact=layer.exact,
        trials=layer.trials,
        attempted=layer.attempted,
        chance=None if layer.chance is None else float(layer.chance.mean()),
        attempts=None if tried is None else Attempts(tried.sum(axis=0), tried.min(axis=0)),
    )


def means_of(layer: Layer) -> Floats:
    """(models,) the metric of each model that has it on every item, else NaN; may be infinite."""
    with np.errstate(invalid="ignore"):
        mean = combined(layer.metric, layer.components.mean(axis=0), layer.components.shape[0])
    return np.where(layer.present, mean, np.nan)


def combined(metric: Metric, means: Floats, items: int) -> Floats:
    """The metric from means of its components over so many items, (..., d) -> (...)."""
    if metric.combine is None:
        return means[..., 0]
    with np.errstate(invalid="ignore"):  # a single cluster has NaN for replicates
        return metric.combine(means, items)


def is_rate(one: Layer | Measured) -> bool:
    """Whether a score can be told from zero or from chance by counting."""
    return one.chance is not None and (one.trials is not None or one.metric.card.group == "count")


def resampled(metric: Metric) -> bool:
    """Whether the interval of a metric comes from resampled items."""
    return metric.combine is not None or (metric.card.low, metric.card.high) != (0, 1)


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
    """(models,) how many independent trials know the mean as well: :attr:`Measured.effective`."""
    return measured(cell, layer).effective


def _alike(layer: Layer) -> Mask:
    """(models,) whether all items have one score; item-level metrics only."""
    scores = layer.scores
    return np.asarray((scores == scores[:1]).all(axis=0))
