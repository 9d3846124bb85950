"""How much of a curve's rise its ordinary steps explain: emergence scores and linearity, for many curves.

Both see the order of the scales only, not their distances, and both grow with the number of scales: compare
them within one grid, or against their distribution under a smooth curve on the same grid.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from unmirage.errors import SettingsError
from unmirage.statistics._arrays import Floats


def signed_range(curves: ArrayLike) -> Floats:
    """sign(argmax - argmin) · (max - min): the numerator of both scores; 0 for a constant curve.

    Of several places of the largest or smallest value the first counts.

    Parameters: curves (..., S), S >= 2, finite. Returns (...). Raises SettingsError on anything else.
    """
    return _signed_range(_curves(curves))


def emergence_scores(curves: ArrayLike, least_step: ArrayLike = 0.0) -> Floats:
    """Signed range over the root median square of the steps, of each curve.

    Schaeffer et al. 2023 (arXiv 2304.15004), Eq. 1 of version 2; BIG-bench's breakthroughness (Srivastava et
    al. 2022, arXiv 2206.04615, App. B). The paper leaves it undefined where the median step is 0.

    Parameters
    ----------
    curves: (..., S), S >= 2, in order of scale, finite.
    least_step: (...) a guard, 0 or more: where the ordinary step is smaller than this, this is taken for it.
        With the smallest step that the items tell from none the score stays finite, and of two curves that
        start at zero the one that rises further scores more.

    Returns
    -------
    (...): 1 at least in absolute value without a guard; infinite where the ordinary step is 0, NaN for a
    constant curve.

    Raises
    ------
    SettingsError
        Another shape, a value that is not finite, or a guard below 0.
    """
    y = _curves(curves)
    guard = np.asarray(least_step, dtype=np.float64)
    if not (guard >= 0).all():
        raise SettingsError("the least step must be 0 or more", where="least_step")
    # The median of squares is that of the sizes squared but for an even number of steps, where it is the mean
    # of two squares.
    squares = np.diff(y, axis=-1)
    np.square(squares, out=squares)
    squares.partition(sorted({(squares.shape[-1] - 1) // 2, squares.shape[-1] // 2}), axis=-1)
    low, high = squares[..., (squares.shape[-1] - 1) // 2], squares[..., squares.shape[-1] // 2]
    ordinary = np.maximum(np.sqrt((low + high) / 2), guard)
    size = _signed_range(y)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(size == 0, np.nan, np.asarray(size / ordinary))


def linearities(curves: ArrayLike) -> Floats:
    """Signed range over the number of steps times their root mean square: 1 for an even climb.

    BIG-bench (Srivastava et al. 2022, App. B) with the 1/(S-1) that makes it at most 1 in absolute value
    (Cauchy-Schwarz). Parameters and errors as :func:`emergence_scores`; NaN for a constant curve.
    """
    y = _curves(curves)
    size, steps = _signed_range(y), np.diff(y, axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        even = np.asarray(
            size / (steps.shape[-1] * np.sqrt(np.einsum("...s,...s->...", steps, steps) / steps.shape[-1]))
        )
    return np.where(size == 0, np.nan, even)


def _signed_range(y: Floats) -> Floats:
    top, bottom = y.argmax(axis=-1, keepdims=True), y.argmin(axis=-1, keepdims=True)
    height = np.take_along_axis(y, top, -1) - np.take_along_axis(y, bottom, -1)
    return np.asarray((np.sign(top - bottom) * height)[..., 0], dtype=np.float64)


def _curves(values: ArrayLike) -> Floats:
    y = np.asarray(values, dtype=np.float64)
    if y.ndim < 1 or y.shape[-1] < 2:
        raise SettingsError("a curve needs two values at least", where="values")
    if not np.isfinite(y).all():
        raise SettingsError("a curve needs finite values", where="values")
    return y
