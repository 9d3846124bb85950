"""How far models scatter about their family's curve: estimates, and how they combine.

Scatter is what is left when every item has been asked: seeds, data order, a run that went badly. It is not
the error from the sample of items, which is given as a covariance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numpy.typing import ArrayLike

from unmirage.errors import SettingsError

Floats = npt.NDArray[np.float64]

MIN_TASKS = 4
# Squared coefficient of variation of the variances: sigma differs by a fifth between tasks, at the least.
_LEAST_SPREAD = 1 / 6
# A task that no smooth shape fits, or that breaks, says nothing of the scatter of the models: so many medians
# of the sums of squares are beyond chance (a chi-square with 4 degrees of freedom reaches 4 medians once in a
# hundred) and beyond what tasks differ by.
_MISFIT = 6.0


@dataclass(frozen=True)
class Scatter:
    """An estimate of the scatter of one model about its curve.

    Attributes
    ----------
    sigma: standard deviation, in the unit of the response; above 0.
    df: how much the estimate is worth, as the degrees of freedom of a chi-square; above 0.
    """

    sigma: float
    df: float

    def __post_init__(self) -> None:
        if not (0 < self.sigma < np.inf and 0 < self.df < np.inf):
            raise SettingsError(
                f"sigma {self.sigma} and degrees of freedom {self.df} must be finite and above 0",
                where="scatter",
            )


def combined(*estimates: Scatter) -> Scatter:
    """One estimate from independent ones: variances averaged by their degrees of freedom, which add up.

    Raises SettingsError on none.
    """
    if not estimates:
        raise SettingsError("there is no estimate to combine", where="scatter")
    df = sum(e.df for e in estimates)
    return Scatter(float(np.sqrt(sum(e.df * e.sigma**2 for e in estimates) / df)), df)


def within(groups: Sequence[ArrayLike]) -> Scatter | None:
    """Scatter seen directly, between the models that share a scale.

    Parameters: the responses at each scale, one a model, on the same items (then the error from the items
    cancels for the most part; what is left makes the estimate too large, never too small).
    Returns the pooled standard deviation with sum of (models - 1) degrees of freedom; None where no scale has
    two models, or the models of each scale are equal.
    Raises SettingsError on a value that is not finite.
    """
    total, df = 0.0, 0
    for group in groups:
        y = np.asarray(group, dtype=np.float64)
        if y.ndim != 1 or not np.isfinite(y).all():
            raise SettingsError("each scale needs a list of finite responses", where="groups")
        if y.size > 1:
            total += float(((y - y.mean()) ** 2).sum())
            df += y.size - 1
    return Scatter(float(np.sqrt(total / df)), float(df)) if total > 0 else None


def pooled(
    residuals: ArrayLike, task: int, *, lost: float, item_sums: ArrayLike | None = None
) -> Scatter | None:
    """Scatter of one task, from the smooth residuals of the family's other tasks.

    The variance is the mean over the other tasks, but those that no smooth shape fits. What it is worth
    counts three things:

        1/d = h/2 + g² (1 + (K-2) r²) / ((K-1) v)

    v = S - `lost`: degrees of freedom of one task. h: squared coefficient of variation of the true variances
    over tasks, which is what the estimates vary beyond the 2/v of a chi-square, and 1/6 at least. That is the
    prior of Smyth 2004 (Stat. Appl. Genet. Mol. Biol. 3:3) by moments; its logarithms break down at a
    residual near 0. r²: mean squared correlation of the residuals of two tasks, less the 1/v of unrelated
    ones, since a model that is bad everywhere is not new evidence in every task; 1 where v is 1 or less. g:
    all of the residual variance over what the items leave of it.

    Parameters
    ----------
    residuals: (K, S) of all K tasks, same models: `breaks.smooth_residuals`.
    task: the row that is left out.
    lost: degrees of freedom that the smooth fit takes.
    item_sums: (K,) what the items add to each sum of squares, from there too; 0 when None.

    Returns the estimate; None with fewer than 4 other tasks, or no scatter left over the items' share.
    Raises SettingsError on shapes, values that are not finite, or no degree of freedom left.
    """
    e = np.asarray(residuals, dtype=np.float64)
    if e.ndim != 2 or not np.isfinite(e).all() or not 0 <= task < len(e):
        raise SettingsError("residuals must be finite, one row a task, and the task a row", where="residuals")
    v = e.shape[1] - lost
    items = np.zeros(len(e)) if item_sums is None else np.asarray(item_sums, dtype=np.float64)
    if v <= 0 or items.shape != (len(e),) or not np.isfinite(items).all():
        raise SettingsError("no degree of freedom is left, or item sums are not one a task", where="lost")
    others, shares = np.delete(e, task, axis=0), np.delete(items, task)
    sums = (others**2).sum(axis=1)
    fits = sums <= _MISFIT * np.median(sums) if len(sums) else np.ones(0, dtype=bool)
    others, shares, sums = others[fits], shares[fits], sums[fits]
    if len(others) < MIN_TASKS:
        return None
    total = sums / v
    mean = float((total - shares / v).mean())
    if mean <= 0:
        return None
    k = len(others)
    cv2 = float(total.var(ddof=1) / total.mean() ** 2)
    spread = max((cv2 - 2 / v) / (1 + 2 / v), _LEAST_SPREAD)
    inflation = float(total.mean() / mean) ** 2
    unit = others[sums > 0] / np.sqrt(sums[sums > 0])[:, None]
    squared = (unit @ unit.T) ** 2
    pairs = len(unit) * (len(unit) - 1)
    alike = (float(squared.sum()) - len(unit)) / pairs if pairs else 1.0
    r2 = min(max((alike - 1 / v) / (1 - 1 / v), 0.0), 1.0) if v > 1 else 1.0
    return Scatter(float(np.sqrt(mean)), 1 / (spread / 2 + inflation * (1 + (k - 1) * r2) / (k * v)))
