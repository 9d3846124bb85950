"""Six classes of curves by stated rules, and how surely a curve is of its class.

The classes are those of Lourie, Hu and Cho 2025 (arXiv 2507.00885); they state no rules, so these are ours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from unmirage.meta.null import Scores
from unmirage.meta.smooth import Floats, Law, Points
from unmirage.statistics import emergence_scores
from unmirage.verdict.breaks import LOST
from unmirage.verdict.library import Library

TRENDLESS, NOISY, NON_MONOTONE = "trendless", "noisy", "non-monotone"
INVERSE, BREAKTHROUGH, PREDICTABLE = "inverse", "breakthrough", "predictable"
# In the order in which the rules are asked; the first that holds gives the class.
RULES = {
    TRENDLESS: "the means differ by no more than their errors and the scatter of models (chi-square test of "
    "equal means, p > .05)",
    NOISY: "the best smooth law explains less than half of the variance of the means (adjusted R² < .5)",
    NON_MONOTONE: "the best smooth law turns: the smaller of its largest rise and largest fall is a quarter "
    "of the other at least, and twice the error of a mean",
    INVERSE: "its largest fall is larger than its largest rise",
    BREAKTHROUGH: "it rises, and its emergence score is beyond what smooth laws give on this grid, after "
    "adjustment for the number of curves",
    PREDICTABLE: "it rises as a smooth law does",
}
CONSTANT_P = 0.05
LEAST_R2 = 0.5
TURN_SHARE, TURN_ERRORS = 0.25, 2.0
REPLICATES = 100


@dataclass(frozen=True)
class Shape:
    """The class of one curve.

    Attributes
    ----------
    name: one of `RULES`.
    support: share of curves drawn about the means, within their errors and the scatter of models, that are of
        the same class; a drawn curve is a breakthrough where its score is beyond 95% of smooth ones.
    p_constant: chance of means that differ so much, were all models equal.
    """

    name: str
    support: float
    p_constant: float


def shape(
    one: Points,
    shapes: Library,
    smooth: Law,
    scores: Scores,
    *,
    beyond: bool,
    rng: np.random.Generator,
) -> Shape:
    """The class of a curve; `beyond` says whether its score is beyond the null after adjustment."""
    error = one.errors(smooth.curves[0]) + smooth.scatter**2 / one.models
    mine, p = _classes(one.z[None], one, shapes, error, np.array([beyond]))
    means = one.back(one.z + rng.standard_normal((REPLICATES, one.y.size)) * np.sqrt(error))
    high = np.inf if np.isnan(scores.high) else scores.high
    score = emergence_scores(means, one.guard)
    theirs, _ = _classes(one.forth(means), one, shapes, error, (score >= high) & (score > 0))
    return Shape(str(mine[0]), float(np.mean(theirs == mine[0])), float(p[0]))


def _classes(
    y: Floats, one: Points, shapes: Library, error: Floats, beyond: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.str_], Floats]:
    """(B,) classes of curves (B, S), in the unit of the laws, and the p-values of equal means."""
    from scipy.special import chdtrc

    size = one.y.size
    weighted = y * shapes.weights
    rss = shapes.smooth.all_rss(weighted)
    best = rss.argmin(axis=1)
    fitted = shapes.smooth.all_fitted(weighted, best) / shapes.weights
    spread = (one.models * (y - np.average(y, axis=1, weights=one.models)[:, None]) ** 2).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        left = rss.min(axis=1) / max(size - LOST, 1) / (spread / (size - 1))
    p = _p_constant(y, error, chdtrc)
    rise = (fitted - np.minimum.accumulate(fitted, axis=1)).max(axis=1)
    fall = (np.maximum.accumulate(fitted, axis=1) - fitted).max(axis=1)
    small, large = np.minimum(rise, fall), np.maximum(rise, fall)
    noise = TURN_ERRORS * float(np.sqrt(np.mean(error)))
    rules = [
        (p > CONSTANT_P) | (spread == 0),
        1 - left < LEAST_R2,
        (small >= TURN_SHARE * large) & (small > noise),
        fall > rise,
        beyond,
    ]
    return np.select(rules, [TRENDLESS, NOISY, NON_MONOTONE, INVERSE, BREAKTHROUGH], PREDICTABLE), p


def _p_constant(y: Floats, error: Floats, tail: np.ufunc) -> Floats:
    """Of the weighted sum of squares about the weighted mean; 1 for means without error that are equal."""
    known = np.maximum(error, np.finfo(float).tiny)
    weight = 1 / known
    mean = (y * weight).sum(axis=1, keepdims=True) / weight.sum()
    q = (weight * (y - mean) ** 2).sum(axis=1)
    return np.asarray(tail(y.shape[1] - 1, q), dtype=np.float64)
