"""Many small least-squares problems with bounds, solved at once: starts, replicates, points of a profile.

Not for one big problem, and not global: each problem ends in the minimum that its start leads to.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]

# Parameters (B, P) and the numbers (B,) of the problems they belong to, to residuals (B, n).
Residuals = Callable[[Floats, Ints], Floats]
# The same to the derivatives (B, n, P).
Jacobian = Callable[[Floats, Ints], Floats]

# A step that promises less than this share of the sum of squares, damping being low, is the last.
_PROMISE = 1e-11
_LOW_DAMPING = 1.0
_DAMPING = (1e-12, 1e12)
# Where no step goes down for rounding, the cosine of residuals and every column must be this small.
_FLAT = 1e-6


@dataclass(frozen=True)
class Minima:
    """Where the problems ended.

    Attributes
    ----------
    parameters: (B, P), within the bounds.
    sums: (B,) sums of squared residuals.
    converged: (B,) False where the rounds ran out or no finite sum was found.
    """

    parameters: Floats
    sums: Floats
    converged: Bools


def least_squares(
    residuals: Residuals, jacobian: Jacobian, start: Floats, lower: Floats, upper: Floats, rounds: int = 500
) -> Minima:
    """Minimise each problem's sum of squares by projected Levenberg-Marquardt steps.

    The step solves (J'J + damping · D) d = -J'r over the parameters that no bound holds, with D the largest
    diagonal of J'J seen so far (Moré 1978), and is cut back to the bounds. Damping follows the ratio of the
    found to the promised decrease.

    Parameters
    ----------
    residuals, jacobian: of any subset of the problems, see above.
    start: (B, P), moved into the bounds.
    lower, upper: (P,).
    rounds: the most steps tried.
    """
    theta = np.clip(np.asarray(start, dtype=np.float64), lower, upper)
    problems = np.arange(len(theta))
    with np.errstate(over="ignore", invalid="ignore"):
        sums = _sum(residuals(theta, problems))
    converged = np.zeros(len(theta), dtype=bool)
    damping = np.full(len(theta), 1e-3)
    scale = np.zeros_like(theta)
    live = problems[np.isfinite(sums)]
    for _ in range(rounds):
        if live.size == 0:
            break
        here = theta[live]
        r, j = residuals(here, live), jacobian(here, live)
        slope = np.einsum("bnp,bn->bp", j, r)
        curvature = np.einsum("bnp,bnq->bpq", j, j)
        scale[live] = np.maximum(scale[live], np.einsum("bpp->bp", curvature))
        free = ~(((here <= lower) & (slope >= 0)) | ((here >= upper) & (slope <= 0)))
        step = _step(slope, curvature, damping[live], scale[live], free)
        there = np.clip(here + step, lower, upper)
        step = there - here
        promise = -2 * np.einsum("bp,bp->b", slope, step) - np.einsum("bp,bpq,bq->b", step, curvature, step)
        with np.errstate(over="ignore", invalid="ignore"):
            found = _sum(residuals(there, live))
        gain = sums[live] - found
        better = gain > 0
        moved = live[better]
        theta[moved], sums[moved] = there[better], found[better]
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = gain / promise
        good, poor = better & (ratio > 0.75), ~better | (ratio < 0.25)
        # Little more damping after a bad step: curved valleys are walked in small steps (Transtrum 2012).
        factor = np.where(good, 0.2, np.where(poor, 2.0, 1.0))
        small = (np.abs(promise) <= _PROMISE * sums[live]) & (damping[live] <= _LOW_DAMPING)
        still = (np.abs(step) <= 1e-14 * (np.abs(here) + 1e-14)).all(axis=1)
        # A promise that bounds made void is no sign of an end: more damping turns the step downhill.
        done = (small & (gain <= _PROMISE * sums[live]) & (promise >= 0)) | still | (sums[live] == 0)
        damping[live] = np.clip(damping[live] * factor, *_DAMPING)
        stuck = damping[live] >= _DAMPING[1]
        flat = np.abs(slope * free) <= _FLAT * np.sqrt(scale[live] * sums[live][:, None])
        converged[live[done | (stuck & flat.all(axis=1))]] = True
        live = live[~(done | stuck)]
    return Minima(theta, sums, converged)


def _step(slope: Floats, curvature: Floats, damping: Floats, scale: Floats, free: Bools) -> Floats:
    """The damped step (B, P), 0 in the parameters that are held."""
    size = slope.shape[1]
    matrix = curvature * (free[:, :, None] & free[:, None, :])
    # Held parameters, and those that move nothing here, get a row of the identity.
    weight = np.where(free & (scale > 0), damping[:, None] * scale, 1.0)
    matrix[:, np.arange(size), np.arange(size)] += weight
    return np.asarray(np.linalg.solve(matrix, -(slope * free)[..., None])[..., 0])


def _sum(residuals: Floats) -> Floats:
    """Sums of squares; infinite where one is not finite."""
    total = np.einsum("bn,bn->b", residuals, residuals)
    return np.asarray(np.where(np.isfinite(total), total, np.inf))
