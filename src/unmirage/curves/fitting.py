"""Fits of one law to one curve: least squares with item and scatter variance, or binomial likelihood.

Not for intervals (see `uncertainty`) and not for many curves of a power law (see `varpro`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from unmirage.curves.laws import Floats, Law
from unmirage.curves.likelihood import Binomial, Gaussian
from unmirage.curves.noise import (
    akaike,
    binomial_misfit,
    gaussian_misfit,
    item_covariance,
    moment_scatter,
    parameter_covariance,
    whitener,
)
from unmirage.curves.solver import Bools, Minima, least_squares
from unmirage.errors import SettingsError

_SCATTER_ROUNDS = 50
# All starts go this far, the best few to the end: a start in a long valley costs more than all others.
ROUGH_ROUNDS = 40
_FINALISTS = 6


@dataclass(frozen=True)
class Fit:
    """A law fitted to a curve.

    Attributes
    ----------
    law: what was fitted.
    kind: "least squares" or "binomial".
    x, y: (n,) scales and values; rates where binomial.
    trials: (n,) where binomial, else None.
    params: (P,) in the order of `law.names`.
    covariance: (P, P) of the parameters, from the information at the fit; infinite for a parameter that the
        data do not determine, NaN for one on its bound, where no such approximation holds.
    stderr: (P,) root of its diagonal.
    fitted, residuals: (n,) the law, and y minus it.
    sse: sum of squared residuals, no weights.
    objective: what was minimised: r' noise^-1 r (for variance None: sse), or the deviance.
    scatter: standard deviation of models about the curve, in the unit of y; NaN where binomial.
    scatter_estimated: whether it came from the residuals, so that intervals use Student's t.
    noise: (n, n) covariance of y about the curve: items plus scatter; binomial variances.
    dof: n - P.
    aicc: Akaike's criterion corrected for few points (Hurvich and Tsai 1989), constants of the likelihood
        included, an estimated scatter counted as a parameter and taken at its most likely; NaN where n is
        less than two above the count of parameters. Compare fits of one curve, of one kind only.
    at_bound: (P,) which parameters ended on a bound.
    converged: whether the search for the best start ended before its rounds ran out.
    """

    law: Law
    kind: str
    x: Floats
    y: Floats
    trials: Floats | None
    params: Floats
    covariance: Floats
    stderr: Floats
    fitted: Floats
    residuals: Floats
    sse: float
    objective: float
    scatter: float
    scatter_estimated: bool
    noise: Floats
    dof: int
    aicc: float
    at_bound: Bools
    converged: bool

    def __getitem__(self, name: str) -> float:
        """The value of a parameter. Raises SettingsError on an unknown name."""
        return float(self.params[self.law.index(name)])

    def predict(self, x: ArrayLike) -> Floats:
        """The curve (m,) at scales x (m,). Raises SettingsError on scales that the law cannot take."""
        return self.law.value(scales_of(self.law, x), self.params)

    def predict_stderr(self, x: ArrayLike) -> Floats:
        """Standard error (m,) of :meth:`predict`, delta method; parameters on a bound taken as known."""
        gradient = self.law.gradient(scales_of(self.law, x), self.params)
        moving = ~self.at_bound
        part, within = gradient[:, moving], self.covariance[np.ix_(moving, moving)]
        if not np.isfinite(within).all():
            return np.full(len(part), np.inf)
        return np.asarray(np.sqrt(np.einsum("mp,pq,mq->m", part, within, part)))


def fit(
    law: Law,
    x: ArrayLike,
    y: ArrayLike,
    variance: ArrayLike | None = None,
    scatter: float | None = None,
    starts: int = 32,
) -> Fit:
    """Weighted least squares from many starts.

    The model is y_s = law(x_s) + scatter + item error. The item error has the given variance (independent
    items) or covariance (items that models share); the scatter is equal and independent. Where it is to be
    estimated it solves r' (V + scatter² I)^-1 r = n - P together with the fit (Paule and Mandel 1982), 0
    where the items explain all; with no variance that is the residual variance of ordinary least squares.

    Parameters
    ----------
    law: what to fit.
    x, y: (n,) finite, n >= P, and n > P where the scatter is estimated.
    variance: (n,) or (n, n) item-sampling variance of y; None: 0.
    scatter: its standard deviation where known; None: estimated.
    starts: how many of the law's guesses, the best ones, are followed to their minimum.

    Raises
    ------
    SettingsError
        Shapes differ, too few points, a number is not finite or outside its range, a noise that is singular.
    """
    scales, values = _points(law, x, y)
    given = item_covariance(variance, len(values))
    n, size = len(values), len(law.names)
    if n < size + (scatter is None):
        raise SettingsError(
            f"{n} points cannot fit the {size} parameters of the law {law.name}"
            + (" and the scatter" if scatter is None else ""),
            where="x",
            hint="Fix some parameters, or give the scatter." if n == size else "Fix some parameters.",
        )
    if scatter is not None and not 0 <= scatter < np.inf:
        raise SettingsError(f"{scatter} is not a standard deviation", where="scatter")
    if scatter is None and variance is None:
        found = _search(Gaussian(law, scales, values, np.eye(n)), starts)
        objective = sse = float(found.sums[0])
        level = sse / (n - size)
    else:
        found, level = _with_scatter(law, scales, values, given, scatter, starts)
        objective = float(found.sums[0])
    params = found.parameters[0]
    noise = given + level * np.eye(n)
    fitted = law.value(scales, params)
    gradient = law.gradient(scales, params)
    at_bound = _on_bound(law, params)
    if level > 0 or variance is not None:
        half = whitener(noise) @ gradient
        covariance = parameter_covariance(half.T @ half, ~at_bound)
    else:
        covariance = np.where(at_bound[:, None] | at_bound, np.nan, 0.0)
    residuals = values - fitted
    return Fit(
        law=law,
        kind="least squares",
        x=scales,
        y=values,
        trials=None,
        params=params,
        covariance=covariance,
        stderr=np.sqrt(np.diag(covariance)),
        fitted=fitted,
        residuals=residuals,
        sse=float(residuals @ residuals),
        objective=objective,
        scatter=float(np.sqrt(level)),
        scatter_estimated=scatter is None,
        noise=noise,
        dof=n - size,
        aicc=akaike(
            gaussian_misfit(residuals, given, None if scatter is None else level), n, size + (scatter is None)
        ),
        at_bound=at_bound,
        converged=bool(found.converged[0]),
    )


def fit_binomial(law: Law, x: ArrayLike, successes: ArrayLike, n: ArrayLike, starts: int = 32) -> Fit:
    """Maximum likelihood where successes_s ~ Binomial(n_s, law(x_s)): a headline metric of 0/1 scores.

    No scatter: items are the only noise, so standard errors are too small where models scatter about the
    curve; the deviance (`objective`) against `dof` shows it. Fitted rates are held within 1e-12 of 0 and 1.

    Parameters
    ----------
    law: a curve of rates, such as `logistic().fix(floor=0.25)`.
    x: (m,) scales, m >= P.
    successes, n: (m,) counts, 0 <= successes <= n, n above 0.
    starts: as in :func:`fit`.

    Raises
    ------
    SettingsError
        Shapes differ, too few points, impossible counts.
    """
    k = np.asarray(successes, dtype=np.float64)
    trials = np.asarray(np.broadcast_to(np.asarray(n, dtype=np.float64), k.shape))
    if not ((trials > 0) & np.isfinite(trials) & (k >= 0) & (k <= trials)).all():
        raise SettingsError("counts must satisfy 0 <= successes <= n and n > 0", where="successes and n")
    scales, rates = _points(law, x, k / trials)
    size = len(law.names)
    if len(rates) < size:
        raise SettingsError(
            f"{len(rates)} points cannot fit the {size} parameters of the law {law.name}",
            where="x",
            hint="Fix some parameters.",
        )
    found = _search(Binomial(law, scales, k, trials), starts)
    params = found.parameters[0]
    fitted = law.value(scales, params)
    inside = np.clip(fitted, 1e-12, 1 - 1e-12)
    noise = np.diag(inside * (1 - inside) / trials)
    gradient = law.gradient(scales, params)
    at_bound = _on_bound(law, params)
    covariance = parameter_covariance(gradient.T @ (gradient / np.diag(noise)[:, None]), ~at_bound)
    residuals = rates - fitted
    return Fit(
        law=law,
        kind="binomial",
        x=scales,
        y=rates,
        trials=trials,
        params=params,
        covariance=covariance,
        stderr=np.sqrt(np.diag(covariance)),
        fitted=fitted,
        residuals=residuals,
        sse=float(residuals @ residuals),
        objective=float(found.sums[0]),
        scatter=float("nan"),
        scatter_estimated=False,
        noise=noise,
        dof=len(rates) - size,
        aicc=akaike(binomial_misfit(k, trials, inside), len(rates), size),
        at_bound=at_bound,
        converged=bool(found.converged[0]),
    )


def scales_of(law: Law, x: ArrayLike) -> Floats:
    """x as floats (m,); SettingsError where a law of log x meets one that is not above 0."""
    scales = np.atleast_1d(np.asarray(x, dtype=np.float64))
    if scales.ndim != 1 or not np.isfinite(scales).all() or (law.positive and (scales <= 0).any()):
        above = " and above 0" if law.positive else ""
        raise SettingsError(f"scales must be finite{above}, in one dimension", where="x")
    return scales


def best_starts(model: Gaussian | Binomial, y: Floats, starts: int) -> Floats:
    """The law's guesses (K, P), K <= starts, lowest sums of squares first, within the bounds."""
    law = model.law
    guesses = np.clip(law.start(model.x, y), law.lower, law.upper)
    with np.errstate(over="ignore", invalid="ignore"):
        sums = (model.residuals(guesses, np.zeros(len(guesses), dtype=np.int64)) ** 2).sum(axis=1)
    return guesses[np.argsort(np.where(np.isfinite(sums), sums, np.inf), kind="stable")[:starts]]


def minimise(model: Gaussian | Binomial, start: Floats, rounds: int = 500) -> Minima:
    """The minima that starts (B, P) lead to, within the law's bounds."""
    lower, upper = (np.asarray(bound, dtype=np.float64) for bound in (model.law.lower, model.law.upper))
    return least_squares(model.residuals, model.jacobian, start, lower, upper, rounds)


def distinct(minima: Minima) -> Floats:
    """The parameters (K, P) of minima whose sums differ, lowest first."""
    order = np.argsort(minima.sums, kind="stable")
    sums = minima.sums[order]
    new = np.append(True, np.diff(sums) > 1e-7 * sums[:-1])
    return np.asarray(minima.parameters[order[new]])


def _search(model: Gaussian | Binomial, starts: int, also: Floats | None = None) -> Minima:
    """The best of the minima, as one problem."""
    if starts < 1:
        raise SettingsError(f"{starts} starts are too few", where="starts")
    y = model.y if isinstance(model, Gaussian) else model.successes / model.trials
    guesses = best_starts(model, y, starts)
    if also is not None:
        guesses = np.concatenate([also, guesses])
    rough = minimise(model, guesses, ROUGH_ROUNDS)
    found = minimise(model, distinct(rough)[:_FINALISTS])
    # Ends that differ by rounding are one minimum; take one that the search calls an end.
    least = int(np.argmin(found.sums))
    ended = np.flatnonzero(found.converged & (found.sums <= found.sums[least] * (1 + 1e-10)))
    at = int(ended[0]) if ended.size else least
    return Minima(found.parameters[[at]], found.sums[[at]], found.converged[[at]])


def _with_scatter(
    law: Law, x: Floats, y: Floats, given: Floats, scatter: float | None, starts: int
) -> tuple[Minima, float]:
    """The fit under the whole noise, and the scatter variance."""

    def model(level: float) -> Gaussian:
        return Gaussian(law, x, y, whitener(given + level * np.eye(len(y))))

    if scatter is not None:
        return _search(model(scatter**2), starts), scatter**2
    found = _search(Gaussian(law, x, y, np.eye(len(y))), starts)
    values, vectors = np.linalg.eigh(given)
    values = np.maximum(values, 0)
    dof = len(y) - len(law.names)
    level = np.inf
    for _ in range(_SCATTER_ROUNDS):
        r = vectors.T @ (y - law.value(x, found.parameters[0]))
        before, level = level, moment_scatter(r, values, dof)
        now = model(level)
        if abs(level - before) > 1e-9 * (level + values.max()):
            found = minimise(now, found.parameters)
            continue
        # Another minimum may be the least one now that the weights are known.
        last, found = found, _search(now, starts, found.parameters)
        if found.sums[0] >= last.sums[0] * (1 - 1e-9):
            break
    return found, level


def _on_bound(law: Law, params: Floats) -> Bools:
    return np.asarray((params <= np.asarray(law.lower)) | (params >= np.asarray(law.upper)))


def _points(law: Law, x: ArrayLike, y: ArrayLike) -> tuple[Floats, Floats]:
    scales, values = scales_of(law, x), np.atleast_1d(np.asarray(y, dtype=np.float64))
    if values.shape != scales.shape or not np.isfinite(values).all():
        raise SettingsError(f"the curve needs {len(scales)} finite values, one a scale", where="y")
    return scales, values
