"""From the totals of a task to what was measured of each metric, and its replicates over resampled units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from unmirage import statistics
from unmirage.cells import Floats
from unmirage.measured import Attempts, Mask, Measured, combined, resampled
from unmirage.metrics.cards import Metric
from unmirage.result import Settings
from unmirage.streaming.totals import Totals


@dataclass(frozen=True)
class Task:
    """One task of one family, summed up.

    Attributes
    ----------
    totals: of its rows; every model answered the same items, each as often as any other.
    models: (M,) in order of scale.
    metrics: name -> metric, for those that some model has.
    present: name -> (M,) whether all rows of a model allow it.
    chance: name -> mean score of a model without skill, or None.
    attempts: where the totals hold the attempts of each row and one over them, or None.
    asked: (M,) rows behind the totals where repeats of items were averaged first, else None.
    """

    totals: Totals
    models: tuple[str, ...]
    metrics: Mapping[str, Metric]
    present: Mapping[str, Mask]
    chance: Mapping[str, float | None]
    attempts: str | None = None
    asked: Floats | None = None

    @cached_property
    def index(self) -> list[int]:
        """Where the models are in the totals."""
        return [self.totals.models.index(model) for model in self.models]

    @cached_property
    def epochs(self) -> Floats:
        """(M,) how often a model answered each item."""
        return np.asarray((self.totals.answers[self.index] > 0).sum(axis=1), dtype=np.float64)

    @cached_property
    def used(self) -> npt.NDArray[np.int64]:
        """The units that have rows."""
        return np.flatnonzero(self.totals.rows[self.index[0]])

    @cached_property
    def sizes(self) -> Floats:
        """(U,) items of each unit."""
        return np.asarray(self.totals.rows[self.index[0]][self.used] / self.epochs[0])

    @cached_property
    def items(self) -> int:
        """How many items there are."""
        return int(self.sizes.sum())

    @cached_property
    def units(self) -> int:
        """How many units there are, as far as they are kept apart."""
        return self.items if self.totals.alone.all() else len(self.used)

    @property
    def clustered(self) -> bool:
        """Whether items share a unit by name."""
        return self.units < self.items

    def sums(self, name: str) -> Floats:
        """(M, U, d) sums of a metric's components over the items of each unit, means over epochs."""
        sums = self.totals.unit_sums(name)
        if self.index != list(range(len(sums))) or len(self.used) < sums.shape[1]:
            sums = sums[self.index][:, self.used]
        # One unit after another in memory: so they are added, whatever the numbers of models and units are.
        sums = np.ascontiguousarray(sums.transpose(1, 0, 2)).transpose(1, 0, 2)
        return sums if (self.epochs == 1).all() else sums / self.epochs[:, None, None]


def finish(
    task: Task, settings: Settings, rng: np.random.Generator
) -> tuple[dict[str, Measured], dict[str, Floats]]:
    """What was measured, metric by metric, and the replicates of those whose interval is made of them."""
    sums = {name: task.sums(name) for name in task.metrics}
    found = {name: _measured(task, name, sums[name]) for name in task.metrics}
    wanted = {name: one for name, one in found.items() if resampled(one.metric) and one.finite.any()}
    if not wanted:
        return found, {}
    blocks = [
        sums[name][one.finite].transpose(1, 0, 2).reshape(len(task.used), -1) for name, one in wanted.items()
    ]
    means = statistics.resample_sums(np.hstack(blocks), task.sizes, settings.replicates, rng)
    out: dict[str, Floats] = {}
    start = 0
    for (name, one), block in zip(wanted.items(), blocks, strict=True):
        part = means[:, start : start + block.shape[1]].reshape(len(means), int(one.finite.sum()), -1)
        start += block.shape[1]
        full = np.full((len(means), len(task.models)), np.nan)
        full[:, one.finite] = combined(one.metric, part, task.items)
        out[name] = full
    return found, out


def _measured(task: Task, name: str, sums: Floats) -> Measured:
    metric, index, totals = task.metrics[name], task.index, task.totals
    one = totals.scores[name]
    there = task.present[name]
    infinite = one.infinite[index]
    finite = there & (infinite == 0)
    n, epochs = task.items, task.epochs
    means = sums.sum(axis=1) / n
    mean = np.where(infinite > 0, np.inf, combined(metric, means, n))
    item_level = metric.combine is None
    alike = (
        finite & (one.low[index, 0] == one.high[index, 0])
        if item_level
        else np.zeros(len(index), dtype=np.bool_)
    )
    errors = np.full(len(index), np.nan)
    varied = finite & ~alike
    if item_level and varied.any():
        errors[varied] = _errors(task, name, sums[varied, :, 0], varied)
    attempted = task.attempts is not None and name == "pass_rate"
    once = bool((epochs == 1).all()) and (task.asked is None or bool((task.asked == n).all()))
    attempts = inverse = None
    if task.attempts is not None:
        tried = task.sums(task.attempts).sum(axis=1)
        fewest = totals.scores[task.attempts].low[index, 0]
        attempts = Attempts(np.rint(tried[:, 0]).astype(np.int64), fewest.astype(np.int64))
        inverse = tried[:, 1]
    single = metric.card.binary or (attempted and attempts is not None and bool((attempts.total == n).all()))
    trials = None
    if attempted and inverse is not None:
        trials = n**2 / inverse
    elif metric.card.binary:
        trials = epochs * n if task.asked is None else task.asked
    return Measured(
        metric=metric,
        items=n,
        units=task.units,
        clustered=task.clustered,
        mean=np.where(there, mean, np.nan),
        errors=errors,
        present=there,
        finite=finite,
        alike=alike,
        infinite=infinite,
        exact=bool(once and single and one.binary[index][there].all()),
        trials=trials,
        attempted=attempted,
        chance=task.chance[name],
        attempts=attempts,
    )


def _errors(task: Task, name: str, sums: Floats, which: Mask) -> Floats:
    """(m,) clustered standard errors; from the squares where items are their own units and are folded."""
    if task.totals.folded and not task.clustered and (task.epochs == 1).all():
        return task.totals.plain_errors(name)[task.index][which]
    return statistics.stderr_of_sums(sums.T, task.sizes)
