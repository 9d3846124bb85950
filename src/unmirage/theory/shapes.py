"""Building blocks of the truths: how the logarithm of a loss moves along log10 of the scale.

Each function gives a curve, t -> log of nats a token (or a part of it to add), for a grid of log10 scales;
its ends and places are set by the grid, so that a truth looks the same on any range. Which shapes make which
truth is in `tuning` and `held_out`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Curve = Callable[[Floats], Floats]

OCTAVE = float(np.log10(2.0))
# Nats of margin that the right choice gains as the loss falls by the factor e.
MARGIN = 1.3


def share(grid: Floats, t: Floats) -> Floats:
    """Where t lies on the range of the grid: 0 at its first scale, 1 at its last."""
    return np.asarray((t - grid[0]) / (grid[-1] - grid[0]), dtype=np.float64)


def place(grid: Floats, at: float) -> float:
    """The log10 scale at a share of the range."""
    return float(grid[0] + at * (grid[-1] - grid[0]))


def power(grid: Floats, first: float, last: float, offset: float = 0.0) -> Curve:
    """A power law with offset through the losses `first` and `last` (nats) at the ends of the grid."""
    ratio = np.log((last - offset) / (first - offset))
    return lambda t: np.log(offset + (first - offset) * np.exp(ratio * share(grid, t)))


def mixture(grid: Floats, parts: tuple[tuple[float, float], ...]) -> Curve:
    """A sum of power laws, each given by its losses at the two ends of the grid."""
    curves = [power(grid, first, last) for first, last in parts]
    return lambda t: np.asarray(np.log(sum(np.exp(curve(t)) for curve in curves)), dtype=np.float64)


def sigmoid(t: Floats, centre: float, width: float) -> Floats:
    """A logistic rise from 0 to 1 with 10-90% `width` decades."""
    return np.asarray(1 / (1 + np.exp(-(t - centre) * 2 * np.log(9.0) / width)), dtype=np.float64)


def gompertz(t: Floats, centre: float, width: float) -> Floats:
    """A rise from 0 to 1 that starts faster than it ends; 10-90% `width` decades, half way at `centre`."""
    rate = np.log(np.log(0.1) / np.log(0.9)) / width
    return np.asarray(np.exp(-np.log(2.0) * np.exp(-rate * (t - centre))), dtype=np.float64)


def ramp(t: Floats, centre: float, width: float) -> Floats:
    """A straight rise from 0 to 1 over `width` decades around `centre`."""
    return np.clip((t - centre) / width + 0.5, 0.0, 1.0)


def hinge(grid: Floats, at: float, before: float, after: float) -> Curve:
    """Two straight lines that meet at `at`: changes of the log loss over the whole range by either slope."""
    corner = place(grid, at)
    return lambda t: np.asarray(
        before * share(grid, np.minimum(t, corner)) + after * (share(grid, np.maximum(t, corner)) - at),
        dtype=np.float64,
    )


def plus(*curves: Curve) -> Curve:
    """The sum of curves."""
    return lambda t: np.asarray(sum(curve(t) for curve in curves), dtype=np.float64)
