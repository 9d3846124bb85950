"""The power law with offset, fitted to very many curves at once by variable projection.

Given the exponent the best offset and amplitude have a closed form, so the search has one dimension (Golub
and Pereyra 1973). Not for other laws, intervals or information criteria (see `fitting`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unmirage.curves.laws import geometric_mean
from unmirage.errors import SettingsError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_GRID = 64
_ROUNDS = 40
# Exponents this close, as a ratio less one, are one.
_CLOSE = 1e-10
# Numbers in one array of the search; keeps it in the processor's cache.
_BLOCK = 200_000


@dataclass(frozen=True)
class PowerLawFits:
    """Fits of y = offset + amplitude · (x/reference)^(-exponent), offset and amplitude at least 0.

    Attributes
    ----------
    offset, amplitude: (...,) in the unit of y; the amplitude is the height above the offset at `reference`.
    exponent: (...,) NaN where the amplitude is 0, which leaves it undefined.
    sse: (...,) weighted sums of squared residuals.
    reference: the geometric mean of x.
    """

    offset: Floats
    amplitude: Floats
    exponent: Floats
    sse: Floats
    reference: float

    def predict(self, x: ArrayLike) -> Floats:
        """The fitted values (..., m) at scales x (m,) above 0. Raises SettingsError on other scales."""
        scales = np.atleast_1d(np.asarray(x, dtype=np.float64))
        geometric_mean(scales)
        exponent = np.nan_to_num(self.exponent)[..., None]
        shape = np.exp(-exponent * np.log(scales / self.reference))
        return self.offset[..., None] + self.amplitude[..., None] * shape


def fit_power_laws(
    x: ArrayLike,
    y: ArrayLike,
    weights: ArrayLike | None = None,
    exponents: tuple[float, float] = (1e-3, 10.0),
) -> PowerLawFits:
    """Minimise sum_s w_s (y_s - offset - amplitude · (x_s/reference)^(-exponent))² for each curve.

    A grid of exponents finds the two lowest valleys of the projected sum of squares (there can be two: one
    with the offset at 0); in each the root of the slope is found, to ten digits of the exponent.

    Parameters
    ----------
    x: (n,) scales above 0, at least three distinct ones.
    y: (..., n) curves, finite: replicates, cells.
    weights: (n,) or (..., n), at least 0 with three above it; 1 over the variance of y. None: all 1.
    exponents: range searched, 0 < low < high.

    Raises
    ------
    SettingsError
        Shapes differ, or a number is outside its range.
    """
    scales, curves, weight = _checked(x, y, weights, exponents)
    reference = geometric_mean(scales)
    logs = np.log(scales)
    steps = logs - logs[np.argmin(logs)]
    flat_y = curves.reshape(-1, len(scales))
    flat_w = np.broadcast_to(weight, curves.shape).reshape(flat_y.shape)
    out = np.empty((4, len(flat_y)))
    block = max(1, _BLOCK // (_GRID + len(scales)))
    grid = np.geomspace(*exponents, _GRID)
    for first in range(0, len(flat_y), block):
        part = slice(first, first + block)
        out[:, part] = _search(steps, flat_y[part], flat_w[part], grid)
    offset, at_smallest, exponent, sse = out.reshape(4, *curves.shape[:-1])
    amplitude = at_smallest * np.exp(-exponent * float(np.log(reference) - logs.min()))
    return PowerLawFits(offset, amplitude, np.where(at_smallest > 0, exponent, np.nan), sse, reference)


def _search(steps: Floats, y: Floats, w: Floats, grid: Floats) -> Floats:
    """(4, R): offset, amplitude at the smallest x, exponent, weighted sum of squares."""
    rows = np.arange(len(y))
    sums = _grid_sums(steps, y, w, grid)
    padded = np.pad(sums, ((0, 0), (1, 1)), constant_values=np.inf)
    valley = (sums <= padded[:, :-2]) & (sums <= padded[:, 2:])
    masked = np.where(valley, sums, np.inf)
    first = np.argmin(masked, axis=1)
    masked[rows, first] = np.inf
    second = np.argmin(masked, axis=1)
    best = _descend(steps, y, w, grid, first)
    twice = np.flatnonzero(np.isfinite(masked[rows, second]))
    if twice.size:
        other = _descend(steps, y[twice], w[twice], grid, second[twice])
        better = other[3] < best[3, twice]
        best[:, twice[better]] = other[:, better]
    return best


def _grid_sums(steps: Floats, y: Floats, w: Floats, grid: Floats) -> Floats:
    """Projected sums of squares (R, G), from moments: enough to find the valleys, not to compare them."""
    s = np.exp(-steps[:, None] * grid)
    total = w.sum(axis=1, keepdims=True)
    mean_y = (w * y).sum(axis=1, keepdims=True) / total
    centred = w * (y - mean_y)
    square = (centred * (y - mean_y)).sum(axis=1, keepdims=True)
    mean_s, raw, moment = w @ s / total, w @ s**2, centred @ s
    spread = np.maximum(raw - total * mean_s**2, np.finfo(float).tiny)
    amplitude = np.maximum(moment / spread, 0)
    joint = square - amplitude * moment
    product = np.maximum(moment + total * mean_y * mean_s, 0)
    through = square + total * mean_y**2 - product**2 / raw
    return np.asarray(np.where(mean_y - amplitude * mean_s < 0, through, joint))


def _descend(steps: Floats, y: Floats, w: Floats, grid: Floats, at: Ints) -> Floats:
    """The lowest point (4, R) between the neighbours of a grid point: the root of the slope in the exponent.

    Illinois steps (a secant between ends of unlike sign; the slope at an end kept twice is halved), in the
    log of the exponent.
    """
    logs = np.log(grid)
    low, high = logs[np.maximum(at - 1, 0)], logs[np.minimum(at + 1, len(grid) - 1)]
    best, _ = _project(steps, y, w, logs[at])
    ends = []
    for end in (low, high):
        found, slope = _project(steps, y, w, end)
        best = np.where(found[3] < best[3], found, best)
        ends.append(slope)
    low_slope, high_slope = ends
    side = np.zeros(len(at), dtype=np.int64)
    for _ in range(_ROUNDS):
        with np.errstate(divide="ignore", invalid="ignore"):
            middle = high - high_slope * (high - low) / (high_slope - low_slope)
        middle = np.where((middle > low) & (middle < high), middle, (low + high) / 2)
        found, slope = _project(steps, y, w, middle)
        moved = np.abs(middle - np.log(best[2]))
        best = np.where(found[3] < best[3], found, best)
        falls = slope < 0
        low_slope = np.where(falls, slope, np.where(side < 0, low_slope / 2, low_slope))
        high_slope = np.where(falls, np.where(side > 0, high_slope / 2, high_slope), slope)
        side = np.where(falls, 1, -1)
        low, high = np.where(falls, middle, low), np.where(falls, high, middle)
        if bool(((moved < _CLOSE) | (high - low < _CLOSE)).all()):
            break
    return best


def _project(steps: Floats, y: Floats, w: Floats, log_exponent: Floats) -> tuple[Floats, Floats]:
    """(4, R) best offset and amplitude at these exponents (R,), exponent, sum of squares; and its slope (R,).

    Where the free offset is below 0 the best has it at 0, as the problem is convex. Sums of squares come from
    residuals: moments lose the digits of a close fit. The slope is in the log of the exponent; offset and
    amplitude are at their best, so that their own change adds nothing to it.
    """
    exponent = np.exp(log_exponent)
    s = np.exp(-exponent[:, None] * steps)
    total = w.sum(axis=1)
    mean_s, mean_y = (w * s).sum(axis=1) / total, (w * y).sum(axis=1) / total
    centred = s - mean_s[:, None]
    moment = (w * centred * (y - mean_y[:, None])).sum(axis=1)
    spread = (w * centred**2).sum(axis=1)
    amplitude = np.divide(moment, spread, out=np.zeros_like(moment), where=spread > 0)
    offset = mean_y - amplitude * mean_s
    through = (w * s * y).sum(axis=1) / (w * s**2).sum(axis=1)
    no_offset = (offset < 0) & (amplitude > 0)
    amplitude = np.maximum(np.where(no_offset, through, amplitude), 0)
    offset = np.where(no_offset, 0.0, np.where(amplitude > 0, offset, np.maximum(mean_y, 0)))
    residual = y - offset[:, None] - amplitude[:, None] * s
    slope = 2 * exponent * amplitude * (w * residual * s * steps).sum(axis=1)
    return np.stack([offset, amplitude, exponent, (w * residual**2).sum(axis=1)]), slope


def _checked(
    x: ArrayLike, y: ArrayLike, weights: ArrayLike | None, exponents: tuple[float, float]
) -> tuple[Floats, Floats, Floats]:
    scales = np.asarray(x, dtype=np.float64)
    curves = np.asarray(y, dtype=np.float64)
    geometric_mean(scales)
    if scales.ndim != 1 or len(np.unique(scales)) < 3:
        raise SettingsError("a power law with offset needs three distinct scales", where="x")
    if curves.ndim < 1 or curves.shape[-1] != len(scales) or not np.isfinite(curves).all():
        raise SettingsError(f"curves need {len(scales)} finite values each, one a scale", where="y")
    weight = np.ones(len(scales)) if weights is None else np.asarray(weights, dtype=np.float64)
    try:
        np.broadcast_to(weight, curves.shape)
    except ValueError as error:
        raise SettingsError(
            f"weights of shape {weight.shape} do not match curves of shape {curves.shape}", where="weights"
        ) from error
    if not ((weight >= 0) & np.isfinite(weight)).all() or ((weight > 0).sum(axis=-1) < 3).any():
        raise SettingsError("weights must be at least 0 and finite, three of them above 0", where="weights")
    if not 0 < exponents[0] < exponents[1] < np.inf:
        raise SettingsError(f"{exponents} is not a range above 0", where="exponents")
    return scales, curves, weight
