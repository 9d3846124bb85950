"""Success on several items at once: groups drawn at random, and sequences whose positions may depend.

Not for the exact expectation over groups, which is `subset_accuracy`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from unmirage.errors import SettingsError
from unmirage.statistics._arrays import (
    Floats,
    Seed,
    check_at_least,
    check_fraction,
    generator,
    score_matrix,
)

# Rounding in sums of products of means, which are at most 1.
_ROUNDING = 1e-12


@dataclass(frozen=True)
class JointAccuracy:
    """How often all positions of a sequence are right, beside what independence predicts.

    Attributes
    ----------
    joint: share of sequences that are right at every position.
    product: product over positions of the share that is right there: `joint`, were positions independent.
    surplus: joint - product.
    low, high: two-sided interval of the surplus; NaN where it cannot be computed.
    n: sequences.
    """

    joint: float
    product: float
    surplus: float
    low: float
    high: float
    n: int


def joint_accuracy(right: ArrayLike, confidence: float = 0.95) -> JointAccuracy:
    """The share of sequences that are right throughout, and its surplus over independent positions.

    With J the share of rows that are all 1 and m_l the mean of column l, the surplus is J - Π_l m_l. Its
    interval is the delta method's: with J_i whether row i is all 1, row i has the influence

        (J_i - J) - Σ_l (Π_{j≠l} m_j) (x_il - m_l),

    and the standard error is the standard deviation of the influences (over n-1) over √n; low and high are
    normal. For a single position the surplus is 0 by definition, and so are its bounds. Where the influences
    do not vary (every sequence right, or no sequence right and one position never) low and high are NaN:
    such a sample says nothing on the scatter.

    Parameters: right (sequences, L) of 0 and 1, rows independent of each other; confidence in (0, 1).
    Raises SettingsError on another shape, values other than 0 and 1, or no position.
    """
    check_fraction("confidence", confidence)
    x = score_matrix(right)
    if x.shape[1] == 0:
        raise SettingsError("a sequence has one position at least", where="right")
    _binary(x, "right")
    n, length = x.shape
    means, whole = x.mean(axis=0), x.min(axis=1)
    joint, product = float(whole.mean()), float(means.prod())
    before = np.cumprod(np.concatenate([[1.0], means[:-1]]))
    after = np.cumprod(np.concatenate([[1.0], means[:0:-1]]))[::-1]
    low = high = np.nan
    if length == 1:
        return JointAccuracy(joint, product, 0.0, 0.0, 0.0, n)
    influence = (whole - joint) - (x - means) @ (before * after)
    if n > 1 and np.abs(influence).max() > _ROUNDING:
        from scipy.special import ndtri

        half = float(ndtri((1 + confidence) / 2)) * float(influence.std(ddof=1)) / np.sqrt(n)
        low, high = joint - product - half, joint - product + half
    return JointAccuracy(joint, product, joint - product, float(low), float(high), n)


def drawn_groups(scores: ArrayLike, k: int, groups: int, rng: Seed) -> Floats:
    """The share of groups of `k` distinct items, drawn at random, in which every item is right.

    The paper's subset accuracy as it was measured (Schaeffer et al. 2023, arXiv 2304.15004, Figs 8 and 11):
    each model gets groups of its own. How many of k distinct items are right is hypergeometric, so that
    number is drawn; the expectation is :func:`subset_accuracy`. Different groups may share items.

    Parameters
    ----------
    scores: (..., items) of 0 and 1.
    k: items in a group, 1 <= k <= items.
    groups: groups a model, at least 1.
    rng: a generator, which is moved on, or an integer seed.

    Returns
    -------
    (...) shares in [0, 1], multiples of 1/groups.

    Raises
    ------
    SettingsError
        Scores other than 0 and 1, no item, k larger than the number of items, or k or groups below 1.
    """
    x = np.asarray(scores, dtype=np.float64)
    if x.ndim == 0 or x.shape[-1] == 0:
        raise SettingsError(f"shape {x.shape} is not (models, items)", where="scores")
    _binary(x, "scores")
    check_at_least("k", k, 1)
    check_at_least("groups", groups, 1)
    items = x.shape[-1]
    if k > items:
        raise SettingsError(
            f"{k} distinct items cannot be drawn from {items}", where="k", hint="Lower k, or give more items."
        )
    good = x.sum(axis=-1).astype(np.int64)
    found = generator(rng).hypergeometric(good[..., None], items - good[..., None], k, (*good.shape, groups))
    return np.asarray((found == k).mean(axis=-1), dtype=np.float64)


def _binary(values: Floats, where: str) -> None:
    if not np.isin(values, (0.0, 1.0)).all():
        bad = values[~np.isin(values, (0.0, 1.0))].flat[0]
        raise SettingsError(f"{bad:g} is neither 0 nor 1", where=where)
