"""The headline of a task as the decision tree sees it: points, and means and errors scale by scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from unmirage.verdict.points import Floats, Point


@dataclass(frozen=True)
class Curve:
    """The headline of one task of one family, ready to be judged.

    Attributes
    ----------
    points: one a model, in any order.
    headline: its name; `companion` the continuous metric beside it, or None.
    higher_is_better: direction of the headline.
    bounded: whether the headline lies in [0, 1], so that `min_rise` means points.
    unit: what is counted: "items" or "attempts".
    problems: how many problems the attempts are made at, or None where items are counted.
    falling: whether scale grows as the axis value falls, as a loss does.
    training: whether the scales are points of a training run, which begins anywhere.
    errors_known: whether anything is known of the errors of the means; False for bare published numbers.
    """

    points: tuple[Point, ...]
    headline: str
    companion: str | None
    higher_is_better: bool
    bounded: bool
    unit: str = "items"
    problems: int | None = None
    falling: bool = False
    training: bool = False
    errors_known: bool = True

    def groups(self) -> list[list[Point]]:
        """The points of each scale, from the smallest model to the largest; several are replicates."""
        values = sorted({point.axis_value for point in self.points}, reverse=self.falling)
        return [[point for point in self.points if point.axis_value == value] for value in values]


def by_scale(curve: Curve) -> tuple[Floats, Floats, Floats]:
    """(scales, means, standard errors) from small to large models, with replicates averaged.

    Scales increase: on a falling axis they are the reciprocals, which keeps distances on the log axis. A
    rate of 0 or 1 has no standard error of its own; Agresti and Coull's (two successes and two failures
    added) stands in. Where scales have several models, their scatter about the mean of their scale is pooled
    over the scales, and counts where it says more than the items do.
    """
    groups = curve.groups()
    values = np.array([group[0].axis_value for group in groups])
    means = [float(np.mean([point.mean for point in group])) for group in groups]
    items = [float(np.sqrt(sum(_variance(point) for point in group))) / len(group) for group in groups]
    scatter = _scatter(groups)
    errors = [max(error, scatter / len(group) ** 0.5) for error, group in zip(items, groups, strict=True)]
    return 1 / values if curve.falling else values, np.array(means), np.array(errors)


def _scatter(groups: Sequence[Sequence[Point]]) -> float:
    """Pooled standard deviation of models that share a scale; 0 where none do.

    Times the ratio of Student's quantile to the normal one, which pays for few degrees of freedom.
    """
    from scipy.special import stdtrit

    freedom = sum(len(group) - 1 for group in groups)
    if not freedom:
        return 0.0
    squares = sum(float(np.var([point.mean for point in group])) * len(group) for group in groups)
    return float(np.sqrt(squares / freedom) * stdtrit(freedom, 0.975) / stdtrit(np.inf, 0.975))


def _variance(point: Point) -> float:
    if np.isfinite(point.stderr):
        return point.stderr**2
    if point.n is None or point.successes is None:
        return 0.0
    rate = (point.successes + 2) / (point.n + 4)
    return rate * (1 - rate) / (point.n + 4)


def few_scales(levels: Mapping[float, float], most: int) -> set[float]:
    """Which scales to judge: at most `most`, the median one of each of so many stretches of the log range.

    Points of a training run that are close to one another depend on each other, so more of them are no more
    evidence; the median is not moved by a spike.

    Parameters: levels axis value -> what the medians are taken of.
    """
    values = np.array(sorted(levels))
    if values.size <= most:
        return set(levels)
    rank = np.array([levels[float(value)] for value in values])
    t = np.log10(values)
    stretch = np.minimum((most * (t - t[0]) / (t[-1] - t[0])).astype(int), most - 1)
    kept = set()
    for one in np.unique(stretch):
        inside = np.flatnonzero(stretch == one)
        order = inside[np.argsort(rank[inside], kind="stable")]
        kept.add(float(values[order[(inside.size - 1) // 2]]))
    return kept
