"""The noise about a curve: its covariance, the scatter in it, and the likelihood of residuals under it.

Not for laws or searches: nothing here knows what was fitted.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from unmirage.curves.laws import Floats
from unmirage.curves.solver import Bools
from unmirage.errors import SettingsError

# Below this eigenvalue of the scaled information a direction of the parameters is not determined.
_SINGULAR = 1e-13


def item_covariance(variance: ArrayLike | None, n: int) -> Floats:
    """The item variance as (n, n)."""
    if variance is None:
        return np.zeros((n, n))
    array = np.asarray(variance, dtype=np.float64)
    if array.shape == (n,):
        array = np.diag(array)
    if array.shape != (n, n) or not np.isfinite(array).all() or not np.allclose(array, array.T):
        raise SettingsError(
            f"the variance must be ({n},) or a symmetric ({n}, {n}), finite", where="variance"
        )
    values = np.linalg.eigvalsh(array)
    if values.min() < -1e-9 * max(values.max(), 0.0):
        raise SettingsError("the variance is below 0 in some direction", where="variance")
    return array


def whitener(noise: Floats) -> Floats:
    """W with W'W the inverse of the noise; SettingsError where it is singular."""
    try:
        return np.asarray(np.linalg.inv(np.linalg.cholesky(noise)))
    except np.linalg.LinAlgError as error:
        raise SettingsError(
            "the variance is 0 somewhere and so is the scatter",
            where="variance",
            hint="Give variances above 0, or a scatter above 0.",
        ) from error


def moment_scatter(r: Floats, values: Floats, dof: int) -> float:
    """The variance t >= 0 with sum r²/(values + t) = dof; 0 where the sum is below dof at t = 0."""
    from scipy.optimize import brentq

    top = float(r @ r) / dof
    if top == 0 or (values.min() > 0 and (r**2 / values).sum() <= dof):
        return 0.0
    # At `top` itself the sum is dof up to rounding where the variances are next to nothing.
    return float(
        brentq(lambda t: (r**2 / (values + t)).sum() - dof, 1e-15 * top, 2 * top, xtol=1e-300, rtol=1e-13)
    )


def parameter_covariance(information: Floats, free: Bools) -> Floats:
    """Covariance of the free parameters; NaN for the others, infinite for those left undetermined."""
    covariance = np.full(information.shape, np.nan)
    where = np.flatnonzero(free)
    part = information[np.ix_(where, where)]
    root = np.sqrt(np.diag(part))
    safe = np.where(root > 0, root, 1.0)
    values, vectors = np.linalg.eigh(part / np.outer(safe, safe))
    sound = values > _SINGULAR
    inverse = (vectors[:, sound] / values[sound]) @ vectors[:, sound].T / np.outer(safe, safe)
    lost = (np.abs(vectors[:, ~sound]) > 1e-6).any(axis=1)
    inverse[lost] = inverse[:, lost] = np.inf
    covariance[np.ix_(where, where)] = inverse
    return covariance


def gaussian_misfit(r: Floats, given: Floats, level: float | None) -> float:
    """-2 log likelihood of the residuals; at the most likely scatter where it is not given."""
    from scipy.optimize import minimize_scalar

    values, vectors = np.linalg.eigh(given)
    values, squares = np.maximum(values, 0), (vectors.T @ r) ** 2

    def misfit(t: float) -> float:
        return float((np.log(2 * np.pi * (values + t)) + squares / (values + t)).sum())

    if level is not None:
        return misfit(level)
    if squares.sum() == 0 and values.min() == 0:
        return -np.inf
    if values.max() == 0:
        return misfit(squares.sum() / len(r))
    top = squares.max() + values.max()
    grid = np.concatenate([[0.0] if values.min() > 0 else [], top * np.geomspace(1e-12, 1, 121)])
    sums = [misfit(t) for t in grid]
    at = int(np.argmin(sums))
    ends = grid[max(at - 1, 0)], grid[min(at + 1, len(grid) - 1)]
    near = minimize_scalar(misfit, bounds=ends, method="bounded", options={"xatol": 1e-9 * ends[1]})
    return min(sums[at], float(near.fun))


def binomial_misfit(k: Floats, n: Floats, rate: Floats) -> float:
    """-2 log likelihood of the counts."""
    from scipy.special import gammaln, xlog1py, xlogy

    ways = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
    return float(-2 * (ways + xlogy(k, rate) + xlog1py(n - k, -rate)).sum())


def akaike(misfit: float, n: int, count: int) -> float:
    """AICc of -2 log likelihood, n points and a count of parameters; NaN where n is too small for it."""
    if n - count - 1 <= 0:
        return float("nan")
    return misfit + 2 * count + 2 * count * (count + 1) / (n - count - 1)
