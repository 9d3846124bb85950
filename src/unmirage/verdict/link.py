"""The link: does the continuous score of each item predict the headline, at scales that were not looked at?

The chance that an item is right, given its continuous score, is fitted on all scales but one, and predicts
the headline of that one. If it does so at every scale, and still does when the scores are moved onto a
smooth curve, then a jump of the headline is what the metric makes of smooth progress. Not a test for breaks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numpy.typing import ArrayLike

from unmirage.errors import SettingsError
from unmirage.statistics import poisson_binomial_pmf

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

BINS = 60


@dataclass(frozen=True)
class LinkCheck:
    """How well the continuous score predicts the headline.

    Attributes
    ----------
    observed: (S,) the headline at each scale.
    held_out: (S,) what the link of the other scales predicts for it.
    smooth: (S,) the same with every item's score moved by as much as its scale lies off the smooth curve.
    r2_held_out, r2_smooth: 1 - residual over total sum of squares of the headline over scales, less what the
        sample of items adds to the first; at most 1. NaN for a headline that does not vary, and `r2_smooth`
        where the scores cannot be moved.
    slope, slope_error: of the headline's scores on what the link says of the items, within scales: 1 where
        the score tells right answers from wrong ones as well as it does at other scales, 0 where it does not
        at all; NaN where the link says the same of all items.
    expected, seen: (S,) right items that the link predicts and that there are, of the effective number.
    p_count: (S,) how likely a count as far off is, were the odds of every item those of the link times or
        over the tolerance; two-sided, not corrected for the number of scales.
    """

    observed: Floats
    held_out: Floats
    smooth: Floats
    r2_held_out: float
    r2_smooth: float
    slope: float
    slope_error: float
    expected: Floats
    seen: Floats
    p_count: Floats

    def furthest(self, predicted: Floats) -> int:
        """The scale where a prediction (S,) is furthest off."""
        return int(np.abs(self.observed - predicted).argmax())

    @property
    def worst(self) -> int:
        """The scale where the counts contradict the link most."""
        return int(self.p_count.argmin())


def check_link(
    scores: ArrayLike,
    right: ArrayLike,
    place: ArrayLike,
    moves: ArrayLike | None,
    *,
    trials: ArrayLike,
    tolerance: float = 1.5,
) -> LinkCheck:
    """Fit the link without each scale in turn, and compare what it says with what was seen.

    The link is monotone: scores are cut into `BINS` bins of equal counts over all models, and the shares of
    right items in the bins are made monotone (pool adjacent violators, weighted by counts).

    The number of right items at a scale is Poisson-binomial, were the link true. It never is to the last
    digit, so the odds of the items may all be off by the tolerance, either way; what is left is tested.

    Parameters
    ----------
    scores: (n, M) continuous score of each item and model, higher is better; finite.
    right: (n, M) the headline's score of the item, in [0, 1].
    place: (M,) the scale of each model, 0..S-1, each in use.
    moves: (S,) what to add to the scores of a scale to put them onto the smooth curve; None where scores are
        counts, which cannot be moved.
    trials: (S,) how many independent items the headline at the scale rests on, at least 1; the counts are
        reduced to so many.
    tolerance: ratio of odds, 1 or more.

    Raises
    ------
    SettingsError
        Shapes that do not fit, or values outside their range.
    """
    x, h = np.asarray(scores, dtype=np.float64), np.asarray(right, dtype=np.float64)
    at, worth = np.asarray(place, dtype=np.int64), np.asarray(trials, dtype=np.float64)
    shift = np.zeros(worth.shape) if moves is None else np.asarray(moves, dtype=np.float64)
    if x.ndim != 2 or x.shape != h.shape or at.shape != x.shape[1:] or shift.shape != worth.shape:
        raise SettingsError("scores and headline are one row an item, one column a model", where="link")
    if not (np.isfinite(x).all() and np.isfinite(shift).all() and (worth >= 1).all()):
        raise SettingsError("scores and moves must be finite, trials 1 or more", where="link")
    if not ((h >= 0) & (h <= 1)).all():
        raise SettingsError("the headline's scores must lie in [0, 1]", where="link")
    size = shift.size
    edges = np.unique(np.quantile(x, np.linspace(0, 1, BINS + 1)[1:-1]))
    counts, sums, moved = (np.zeros((size, edges.size + 1)) for _ in range(3))
    for m, s in enumerate(at):
        bins = np.searchsorted(edges, x[:, m], side="right")
        counts[s] += np.bincount(bins, minlength=edges.size + 1)
        sums[s] += np.bincount(bins, h[:, m], edges.size + 1)
        bins = np.searchsorted(edges, x[:, m] + shift[s], side="right")
        moved[s] += np.bincount(bins, minlength=edges.size + 1)
    total = counts.sum(axis=1)
    others = counts.sum(axis=0) - counts
    links = np.array([_monotone(sums.sum(axis=0) - sums[s], others[s]) for s in range(size)])
    observed = sums.sum(axis=1) / total
    held_out, smooth = (counts * links).sum(axis=1) / total, (moved * links).sum(axis=1) / total
    share = np.minimum(worth / total, 1.0)
    sampling = observed * (1 - observed) / worth
    slope, slope_error = _slope(sums, counts, links, share)
    # Sums are rounded, not bins: with few items a bin each would come to nothing.
    reduced = np.rint(np.cumsum(counts, axis=1) * share[:, None])
    items = np.diff(reduced, axis=1, prepend=0.0).astype(np.int64)
    seen = np.minimum(np.rint(observed * items.sum(axis=1)), items.sum(axis=1))
    return LinkCheck(
        observed,
        held_out,
        smooth,
        _r2(observed, held_out, sampling),
        _r2(observed, smooth, sampling) if moves is not None else float("nan"),
        slope,
        slope_error,
        (items * links).sum(axis=1),
        seen,
        np.array([_p_count(int(seen[s]), links[s], items[s], others[s], tolerance) for s in range(size)]),
    )


def _monotone(sums: Floats, counts: Floats) -> Floats:
    """Non-decreasing shares of right items (bins,); a bin without items takes what its neighbours have."""
    from scipy.optimize import isotonic_regression

    some = np.flatnonzero(counts > 0)
    fitted = isotonic_regression(sums[some] / counts[some], weights=counts[some]).x
    return np.asarray(np.interp(np.arange(counts.size), some, fitted), dtype=np.float64)


def _r2(observed: Floats, predicted: Floats, sampling: Floats) -> float:
    """Share of the headline's variance over scales that is predicted; `sampling` is the items' part in it."""
    spread = float(((observed - observed.mean()) ** 2).sum())
    missed = max(float(((observed - predicted) ** 2).sum()) - float(sampling.sum()), 0.0)
    return 1 - missed / spread if spread > 0 else float("nan")


def _slope(sums: Floats, counts: Floats, links: Floats, share: Floats) -> tuple[float, float]:
    """Slope of right answers on the link's shares within scales, and its standard error.

    `share` (S,) is how much of the items of a scale is independent.
    """
    total = counts.sum(axis=1, keepdims=True)
    away = links - (counts * links).sum(axis=1, keepdims=True) / total
    rate = sums.sum(axis=1, keepdims=True) / total
    spread = float((counts * away**2).sum())
    if spread <= 1e-12:
        return float("nan"), float("nan")
    slope = float(((sums - counts * rate) * away).sum()) / spread
    noise = float((counts * away**2 * np.clip(links * (1 - links), 1e-3, None) / share[:, None]).sum())
    return slope, float(np.sqrt(noise)) / spread


def _p_count(seen: int, shares: Floats, items: Ints, fitted: Floats, tolerance: float) -> float:
    """Two-sided p-value of a count under Poisson-binomial odds within the tolerance of the link's.

    `fitted` are the items (bins,) that the shares come from: a share of 0 or 1 out of N is known to 1/2N.
    """
    known = shares.copy()
    for end in (0.0, 1.0):
        at = shares == end
        if at.any():
            known[at] = abs(end - 0.5 / max(float(fitted[at].sum()), 1.0))
    fewer, more = (known / (known + (1 - known) * ratio) for ratio in (tolerance, 1 / tolerance))
    # The median of a Poisson-binomial lies within 1 of its mean: beyond, a tail is half or more.
    below = above = 0.5
    if seen < np.ceil(items @ fewer):
        below = float(poisson_binomial_pmf(np.repeat(fewer, items))[: seen + 1].sum())
    if seen > np.floor(items @ more):
        above = float(poisson_binomial_pmf(np.repeat(more, items))[seen:].sum())
    return min(1.0, 2 * min(below, above))
