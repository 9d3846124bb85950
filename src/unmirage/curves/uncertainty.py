"""Intervals for parameters and predictions of a fit: profile likelihood, and resampled curves.

Not for new observations: these intervals are for the curve, a new model scatters about it besides.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from unmirage.curves.fitting import ROUGH_ROUNDS, Fit, best_starts, distinct, minimise, scales_of
from unmirage.curves.laws import Floats, Law
from unmirage.curves.likelihood import Binomial, Gaussian
from unmirage.curves.noise import whitener
from unmirage.curves.solver import Ints, least_squares
from unmirage.errors import SettingsError
from unmirage.statistics._arrays import Seed, check_at_least, check_fraction, generator

# Distances tried, in half-widths of the approximate interval; then far ones.
_NEAR: Floats = 2.0 ** np.arange(-2.0, 6.0)
_FAR: Floats = 2.0 ** np.arange(6.0, 40.0, 2.0)
_INNER: Floats = np.arange(1.0, 9.0) / 9.0
_ZOOMS = 3
_ROUNDS = 100
# Size, in quantiles, of the residual that pulls the fit to a value: large, or the fit would stay; not so
# large
# that the sum is all pull, since searches end at a share of the sum.
_PULL = 1e2

# A value, the root of the rise of the objective there, and the parameters; and B of them.
Point = tuple[float, float, Floats]
Path = tuple[Floats, Floats, Floats]


@dataclass(frozen=True)
class Resampled:
    """Fits of resampled curves.

    Attributes
    ----------
    law: what was fitted.
    params: (B, P) of each curve.
    converged: share of the curves whose search ended before its rounds ran out.
    """

    law: Law
    params: Floats
    converged: float

    def predict(self, x: ArrayLike) -> Floats:
        """The curves (B, m) at scales x (m,)."""
        return self.law.value(scales_of(self.law, x), self.params)

    def interval(self, target: str | float, confidence: float = 0.95) -> tuple[float, float]:
        """Percentile interval of a parameter, by its name, or of the curve at one scale.

        Raises SettingsError on an unknown name or a confidence outside (0, 1).
        """
        check_fraction("confidence", confidence)
        values = _values(self.law, target, self.params)
        low, high = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])
        return float(low), float(high)


def profile_interval(fit: Fit, target: str | float, confidence: float = 0.95) -> tuple[float, float]:
    """Profile-likelihood interval of a parameter, by its name, or of the curve at one scale.

    Holds the values that leave objective - minimum <= q², everything else fitted anew; q is the normal
    quantile, Student's with n - P degrees of freedom where the scatter was estimated (Bates and Watts 1988,
    ch. 6; the noise stays as estimated). An end is the parameter's bound, or the furthest value that the law
    can reach, where the data exclude nothing on that side, and infinite where there is no such value.

    Parameters
    ----------
    fit: of :func:`unmirage.curves.fit` or `fit_binomial`.
    target: the name of a parameter, or a scale x.
    confidence: in (0, 1).

    Raises
    ------
    SettingsError
        An unknown name, a bad scale or confidence, or a fit without residuals, whose likelihood has no width.
    """
    check_fraction("confidence", confidence)
    return _side(fit, target, confidence, -1), _side(fit, target, confidence, 1)


def resample(fit: Fit, replicates: int = 1000, seed: Seed = 0) -> Resampled:
    """Parametric bootstrap: curves drawn from the fit and its noise, each fitted anew.

    Gaussian draws have the covariance `noise`; where the scatter was estimated each is stretched by
    sqrt(dof/chi²_dof), so that its uncertainty counts, as it does in Student's t. Binomial fits draw counts.

    Raises SettingsError on fewer than 2 replicates or a bad seed.
    """
    check_at_least("replicates", replicates, 2)
    random = generator(seed)
    if fit.trials is not None:
        rate = np.clip(fit.fitted, 0, 1)
        counts = random.binomial(fit.trials.astype(np.int64), rate, size=(replicates, len(rate)))
        return refit(fit, counts / fit.trials)
    values, vectors = np.linalg.eigh(fit.noise)
    draws = random.normal(size=(replicates, len(fit.y))) @ (vectors * np.sqrt(np.maximum(values, 0))).T
    if fit.scatter_estimated:
        draws *= np.sqrt(fit.dof / random.chisquare(fit.dof, size=(replicates, 1)))
    return refit(fit, fit.fitted + draws)


def refit(fit: Fit, curves: ArrayLike) -> Resampled:
    """The law fitted to other curves (B, n) at the same scales and noise, such as means of resampled items.

    Each is searched from the fit and from the three best other minima of the fitted curve. Raises
    SettingsError on another shape or a value that is not finite (binomial: outside [0, 1]).
    """
    y = np.asarray(curves, dtype=np.float64)
    if y.ndim != 2 or y.shape[1] != len(fit.x) or not np.isfinite(y).all():
        raise SettingsError(f"curves must be (replicates, {len(fit.x)}) and finite", where="curves")
    if fit.trials is not None and ((y < 0) | (y > 1)).any():
        raise SettingsError("rates must lie in [0, 1]", where="curves")
    alone = _model(fit)
    ends = minimise(alone, best_starts(alone, fit.y, 32), ROUGH_ROUNDS)
    begin = np.concatenate([fit.params[None], distinct(ends)[1:4]])
    tries, size = len(begin), len(fit.params)
    many = np.repeat(y, tries, axis=0)
    found = minimise(_model(fit, many), np.tile(begin, (len(y), 1)))
    best = found.sums.reshape(-1, tries).argmin(axis=1)
    rows = np.arange(len(y))
    params = found.parameters.reshape(-1, tries, size)[rows, best]
    return Resampled(fit.law, params, float(found.converged.reshape(-1, tries)[rows, best].mean()))


def _model(fit: Fit, curves: Floats | None = None) -> Gaussian | Binomial:
    """What the fit minimised, for its own curve or for others (B, n)."""
    y = fit.y if curves is None else curves
    if fit.trials is not None:
        return Binomial(fit.law, fit.x, y * fit.trials, fit.trials)
    if not fit.noise.any():
        raise SettingsError(
            "the law goes through every point, so the curve says nothing on its noise",
            where="fit",
            hint="Give the variance of the points or the scatter.",
        )
    return Gaussian(fit.law, fit.x, y, whitener(fit.noise))


def _side(fit: Fit, target: str | float, confidence: float, sign: int) -> float:
    """One end of the profile interval."""
    from scipy.special import ndtri, stdtrit

    level = (1 + confidence) / 2
    q = float(stdtrit(fit.dof, level) if fit.scatter_estimated else ndtri(level))
    model = _model(fit)
    estimate = float(_values(fit.law, target, fit.params[None])[0])
    guess = _stderr(fit, target)
    unit = q * guess if 0 < guess < np.inf else 0.1 * max(abs(estimate), 1e-3)
    base = float((model.residuals(fit.params[None], np.zeros(1, dtype=np.int64)) ** 2).sum())

    def profile(asked: Floats, *begins: Floats) -> Path:
        """The profile at values asked for."""
        if isinstance(target, str):
            at = fit.law.index(target)
            asked = np.clip(asked, fit.law.lower[at], fit.law.upper[at])
        distance = np.maximum(np.abs(asked - estimate), 1e-3 * unit)
        ends, sums = _pulled(model, target, asked, _PULL * q / distance, begins)
        return _values(fit.law, target, ends), np.sqrt(np.maximum(sums - base, 0)), ends

    inner: Point = (estimate, 0.0, fit.params)
    outer: Point | None = None
    for distances in (_NEAR, _FAR):
        inner, outer = _bracket(profile(estimate + sign * unit * distances, fit.params), q, inner)
        if outer is not None:
            break
    if outer is None:
        return _furthest(fit.law, target, inner[0], estimate + sign * unit * _FAR[-1])
    for _ in range(_ZOOMS):
        path = profile(inner[0] + _INNER * (outer[0] - inner[0]), inner[2], outer[2])
        inner, found = _bracket(path, q, inner)
        outer = found or outer
    share = (q - inner[1]) / (outer[1] - inner[1]) if outer[1] > inner[1] else 0.0
    return float(inner[0] + share * (outer[0] - inner[0]))


def _bracket(path: Path, q: float, inner: Point) -> tuple[Point, Point | None]:
    """The last point of a path before its rise reaches q, else `inner`; and the one that does, if any."""
    reached, rise, ends = path
    beyond = np.flatnonzero(rise >= q)
    last = int(beyond[0]) if beyond.size else len(rise)
    points = [(float(reached[k]), float(rise[k]), ends[k]) for k in (last - 1, last) if 0 <= k < len(rise)]
    outer = points.pop() if beyond.size else None
    return (points[0] if points else inner), outer


def _pulled(
    model: Gaussian | Binomial, target: str | float, asked: Floats, pull: Floats, begins: tuple[Floats, ...]
) -> tuple[Floats, Floats]:
    """Fits with one more residual, pull · (value - asked): parameters (B, P), sums (B,) without that row.

    Whatever the pull, the end has the least sum among all parameters that reach the same value: it is a point
    of the profile. Each search starts at each beginning (P,), and once more at the end of its neighbour.
    """
    law = model.law

    def residuals(parameters: Floats, problems: Ints) -> Floats:
        extra = pull[problems] * (_values(law, target, parameters) - asked[problems])
        return np.concatenate([model.residuals(parameters, problems), extra[:, None]], axis=1)

    def jacobian(parameters: Floats, problems: Ints) -> Floats:
        extra = pull[problems, None] * _slopes(law, target, parameters)
        return np.concatenate([model.jacobian(parameters, problems), extra[:, None, :]], axis=1)

    lower, upper = np.asarray(law.lower, dtype=np.float64), np.asarray(law.upper, dtype=np.float64)
    ends = np.tile(begins[0], (len(asked), 1))
    sums = np.full(len(asked), np.inf)
    for start in (*(np.tile(begin, (len(asked), 1)) for begin in begins), None):
        again = least_squares(
            residuals, jacobian, np.roll(ends, 1, axis=0) if start is None else start, lower, upper, _ROUNDS
        )
        better = again.sums < sums
        ends, sums = np.where(better[:, None], again.parameters, ends), np.where(better, again.sums, sums)
    return ends, (model.residuals(ends, np.arange(len(asked))) ** 2).sum(axis=1)


def _furthest(law: Law, target: str | float, reached: float, asked: float) -> float:
    """The end of a side on which nothing is excluded."""
    if isinstance(target, str):
        at = law.index(target)
        return float(law.upper[at] if asked > reached else law.lower[at])
    # The curve followed the pull all the way, or stopped at what its bounds allow.
    return float(np.copysign(np.inf, asked)) if abs(reached) > 0.5 * abs(asked) else reached


def _stderr(fit: Fit, target: str | float) -> float:
    if isinstance(target, str):
        return float(fit.stderr[fit.law.index(target)])
    return float(fit.predict_stderr(target)[0])


def _values(law: Law, target: str | float, params: Floats) -> Floats:
    """A parameter, or the curve at a scale, of each row of (B, P)."""
    if isinstance(target, str):
        return params[:, law.index(target)]
    return law.value(scales_of(law, target), params)[:, 0]


def _slopes(law: Law, target: str | float, params: Floats) -> Floats:
    """Derivatives (B, P) of :func:`_values`."""
    if isinstance(target, str):
        return np.broadcast_to(np.eye(len(law.names))[law.index(target)], params.shape)
    return law.gradient(scales_of(law, target), params)[:, 0, :]
