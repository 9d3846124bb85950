"""The smooth law of a curve and its noise: what a score, or a shape, would be without any breakthrough.

The law is the best of the verdict's library of smooth curves (`verdict.library`), fitted to the metric as it
is, or to the log of a loss without an upper bound, which falls as a power. So "smooth" is said of the curve
of that metric: a nonlinear metric of a steady improvement may well be sharper than any smooth law, and that
is what the meta-analysis counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from unmirage.verdict.breaks import LOST
from unmirage.verdict.library import Library
from unmirage.verdict.scatter import Scatter

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# Laws of other kinds that fit about as well also stand for "smooth"; as in the break test.
LAWS = 3
MARGIN = 4.0
# Of a family with too few other tasks to say: models scatter by some percent of the range of the curve.
SHARE, WORTH = 0.03, 3.0
# The scatter is not taken for larger than this tail of what the other tasks say of it.
TAIL = 0.05
# A share is drawn exactly where fewer than this many of the rarer outcome are expected (variance of count).
FEW = 9.0
# A curve that is flat somewhere scatters there, too: by this share of where it is steepest at least.
LEAST_SLOPE = 0.05
# Where neither errors nor items are known, a step below this share of the range is none.
LEAST_SHARE = 1e-3


@dataclass(frozen=True)
class Points:
    """One curve on a grid of S scales, turned so that up is better.

    Attributes
    ----------
    y: (S,) means over the models of each scale, finite.
    variance: (S,) of the means, from the sample of items; 0 where it is not known or `n` is.
    n: (S,) items that a share of right answers is of, worth as much as independent ones; 0 elsewhere.
    models: (S,) how many models are averaged.
    low, high: the range of the metric, turned too; infinite where there is none.
    turned: whether lower values of the metric are better, so that y is minus the mean.
    """

    y: Floats
    variance: Floats
    n: Floats
    models: Floats
    low: float
    high: float
    turned: bool = False

    @property
    def logged(self) -> bool:
        """Whether laws are fitted to the log: of a loss that is above 0 and has no upper bound."""
        return self.turned and bool(np.isinf(self.low)) and bool((self.y < 0).all())

    @property
    def z(self) -> Floats:
        """(S,) what laws are fitted to; up is better."""
        return self.forth(self.y)

    def forth(self, y: Floats) -> Floats:
        """From means to what laws are fitted to."""
        return -np.log(-y) if self.logged else y

    def back(self, z: Floats) -> Floats:
        """From what laws are fitted to to means, within the range of the metric."""
        return np.clip(-np.exp(-z) if self.logged else z, self.low, self.high)

    def errors(self, z: Floats) -> Floats:
        """(S,) variance of `z` from the items, where the true curve is `z` (S,)."""
        y = self.back(z)
        return np.asarray(self.sampling(y) / y**2 if self.logged else self.sampling(y))

    def sampling(self, curve: Floats) -> Floats:
        """(S,) variance of the means from the items, where the true means are `curve` (S,)."""
        share = np.clip(-curve if self.turned else curve, 0.0, 1.0)
        least = 1 / (self.n + 2)  # a share that was never seen is not known to be 0
        share = np.clip(share, least, 1 - least)
        counted = share * (1 - share) / np.maximum(self.n, 1.0)
        return np.asarray(np.where(self.n > 0, counted, self.variance))

    @property
    def guard(self) -> float:
        """The smallest ordinary step that the items tell from none: the median standard error of a step."""
        v = self.sampling(self.y)
        return max(float(np.median(np.sqrt(v[1:] + v[:-1]))), LEAST_SHARE * float(np.ptp(self.y)))

    def spreads(self, curve: Floats, t: Floats) -> list[Floats]:
        """How the scatter of the models may go along a curve (S,), each with a mean square of 1.

        The same everywhere; and in proportion to the slope, as where a model is worth another scale than its
        own. `t` (S,) is the log of the scales.
        """
        same, slope = np.ones_like(curve), np.abs(np.gradient(curve, t))
        slope = np.maximum(slope, LEAST_SLOPE * slope.max())
        size = float(np.sqrt(np.mean(slope**2)))
        return [same, slope / size] if size > 0 else [same]

    def drawn(self, curve: Floats, scatter: Floats, spread: Floats, rng: np.random.Generator) -> Floats:
        """(B, S) means as they would be measured, with a scatter of the models for each (B,).

        `curve` (S,) is a law; `spread` (S,) says how the scatter goes along it.
        """
        shape = (scatter.size, curve.size)
        true = self.back(
            curve + rng.standard_normal(shape) * (scatter[:, None] * (spread / np.sqrt(self.models)))
        )
        counted = self.n > 0
        if not counted.any():
            made = true + rng.standard_normal(shape) * np.sqrt(self.variance)
            return np.asarray(np.clip(made, self.low, self.high))
        share, n = np.abs(true), np.maximum(self.n, 1.0)
        room = share * (1 - share)
        made = share + rng.standard_normal(shape) * np.sqrt(room / n)
        few = room * n < FEW
        if few.any():
            made[few] = rng.binomial(np.broadcast_to(n, shape)[few].astype(np.int64), share[few])
            made[few] /= np.broadcast_to(n, shape)[few]
        np.clip(made, 0.0, 1.0, out=made)
        return np.asarray(-made if self.turned else made)


@dataclass(frozen=True)
class Law:
    """The smooth laws of one curve, and how far models scatter about them.

    Attributes
    ----------
    t: (S,) log10 of the scales.
    curves: (K, S) the best law and those of other kinds that fit about as well, in the unit of `Points.z`.
    kinds: their names, the best first.
    scatter: standard deviation of one model, in that unit, the items' share taken out.
    df: what that is worth.
    r2: share of the variance of the means that the best law explains, adjusted for its parameters; may be
        below 0, NaN for a constant curve.
    """

    t: Floats
    curves: Floats
    kinds: tuple[str, ...]
    scatter: float
    df: float
    r2: float

    def scatters(self, count: int, rng: np.random.Generator) -> Floats:
        """(count,) scatters as likely as the estimate allows."""
        return self.scatter * np.sqrt(self.df / rng.chisquare(self.df, count))


def residuals(points: Sequence[Points], shapes: Library) -> tuple[Floats, Floats]:
    """What the best smooth law leaves, weighted by models, and what the items add to its sum of squares.

    Parameters: curves on one grid, and the library of that grid.
    Returns (C, S) and (C,), as `verdict.scatter.pooled` takes them.
    """
    y = np.stack([one.z for one in points]) * shapes.weights
    best = shapes.smooth.all_rss(y).argmin(axis=1)
    return y - shapes.smooth.all_fitted(y, best), np.array([_item_sum(one) for one in points])


def law(one: Points, shapes: Library, known: Scatter | None) -> Law:
    """The smooth laws of one curve.

    Parameters: the curve, the library of its grid, and what the family's other tasks say of the scatter, or
    None where there are too few.
    """
    w = shapes.weights
    y = one.z * w
    rss = shapes.smooth.rss(y)
    df = max(y.size - LOST, 1)
    left = max(float(rss.min()) - _item_sum(one), 0.0)
    least = SHARE * (1.0 if one.logged else float(np.ptp(one.y)))
    prior = known or Scatter(max(least, float(np.finfo(float).tiny)), WORTH)
    variance = (left + prior.df * prior.sigma**2) / (df + prior.df)
    if known is not None:
        variance = min(variance, most(known))
    chosen = _chosen(rss, shapes, variance + float(np.mean(one.models * one.errors(one.z))))
    curves = np.stack([shapes.smooth.fitted(y, k) / w for k in chosen])
    spread = float((one.models * (one.z - np.average(one.z, weights=one.models)) ** 2).sum())
    r2 = np.nan if spread == 0 else 1 - float(rss.min()) / df / (spread / (y.size - 1))
    return Law(
        shapes.t,
        curves,
        tuple(shapes.smooth.kinds[k] for k in chosen),
        float(np.sqrt(variance)),
        df + prior.df,
        float(r2),
    )


def _chosen(rss: Floats, shapes: Library, variance: float) -> list[int]:
    """The best member, and the best of other kinds within the margin."""
    kinds: dict[str, int] = {}
    for k in np.argsort(rss, kind="stable"):
        if rss[k] > rss.min() + MARGIN * variance or len(kinds) == LAWS:
            break
        kinds.setdefault(shapes.smooth.kinds[k], int(k))
    return list(kinds.values())


def _item_sum(one: Points) -> float:
    """What the items add to the residual sum of squares."""
    size = one.y.size
    return float((one.models * one.errors(one.z)).sum()) * max(size - LOST, 1) / size


def most(known: Scatter) -> float:
    """The largest variance of one model that an estimate of the scatter allows."""
    from scipy.special import chdtri

    tail = float(chdtri(known.df, 1 - TAIL))
    return known.df * known.sigma**2 / tail if tail > 0 else np.inf
