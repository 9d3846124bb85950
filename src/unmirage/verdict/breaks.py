"""Is there a step in a curve that no smooth curve explains? The test, its gates, and its power.

The response falls as models improve (log of the loss; minus the margin). The statistic compares the best smooth
shape of the library with the best trend-and-step; its null distribution is simulated from the smooth fits, with
the error from the items and the scatter of the models. Not a verdict: `decide` weighs it with the headline.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numpy.typing import ArrayLike

from unmirage.errors import SettingsError
from unmirage.verdict.library import Library, library
from unmirage.verdict.scatter import Scatter

Floats = npt.NDArray[np.float64]

ALPHA = 0.03
# The best of the library takes about four degrees of freedom, whatever the number of scales.
LOST = 4.0
PRIOR = Scatter(0.03, 2.0)
_NULLS = 3
_NULL_MARGIN = 4.0


@dataclass(frozen=True)
class Gate:
    """One condition of a break.

    Attributes
    ----------
    name: what is compared.
    value, limit: the number and what it is compared with.
    passed: whether the condition holds.
    """

    name: str
    value: float
    limit: float
    passed: bool


@dataclass(frozen=True)
class BreakTest:
    """What the test saw.

    Attributes
    ----------
    p: in [1/(B+1), 1], the largest over the smooth nulls.
    statistic: (R0 - R1) / (R1 + what is known of the scatter); below 0 where the best smooth curve fits better.
    step: height of the step of the best break, in the unit of the response; 0 where none is downward.
    step_share: the same as a share of the range of the response, in [0, ...).
    gap: the step lies between scales gap and gap+1, counted from 0.
    w_min: the quickest 10-90% rise, in decades, that the test calls smooth.
    sigma: scatter of one model, the items' share taken out; df: what the estimate is worth.
    smooth: (S,) the best smooth curve; smooth_kind names its shape.
    broken: (S,) the best trend and step.
    gates: p, the height and the monotone gate; all must pass.
    monotone: whether the response never gets worse by more than noise.
    """

    p: float
    statistic: float
    step: float
    step_share: float
    gap: int
    w_min: float
    sigma: float
    df: float
    smooth: Floats
    smooth_kind: str
    broken: Floats
    gates: tuple[Gate, ...]
    monotone: bool

    @property
    def is_break(self) -> bool:
        """Whether every gate is passed."""
        return all(gate.passed for gate in self.gates)


@dataclass(frozen=True)
class _Problem:
    """A checked curve in weighted coordinates: y (S,), the items' covariance off the parabola (S, S)."""

    shapes: Library
    y: Floats
    items: Floats
    prior: Scatter
    measured: Scatter | None


def break_test(
    scales: ArrayLike,
    y: ArrayLike,
    *,
    items: ArrayLike | None = None,
    models: ArrayLike | None = None,
    prior: Scatter = PRIOR,
    measured: Scatter | None = None,
    min_step: float = 0.05,
    alpha: float = ALPHA,
    replicates: int = 1999,
    seed: int | np.random.Generator = 0,
) -> BreakTest:
    """Test a curve for a step.

        T = (R0 - R1) / (R1 + d s²)

    R0, R1: least residual sums of squares over the smooth shapes and over the breaks; d s²: over the prior and the
    measured scatter. Under each of at most three smooth fits (the best, and the best of other kinds with
    R0 + 4 sigma² or less) curves are drawn with noise of covariance items + sigma²/models, and p is the largest
    share of T* >= T, (1 + count) / (B + 1). A measured scatter is drawn anew as well, a prior is not.

    p does not change when a constant is added to y, when the scales are measured in another unit, or when y,
    `items` (squared), the prior, the measured scatter and `min_step` are multiplied by one number. A slope
    added to y does change it: power laws with a floor are not closed under it.

    Parameters
    ----------
    scales: (S,) increasing, above 0, S >= 5.
    y: (S,) finite, falling is better: log of the mean loss a token, or minus the mean margin.
    items: (S, S) covariance of y from the sample of items, the items shared by the scales; none when None.
        The part that a parabola takes up is common difficulty, and left out.
    models: (S,) number of models averaged at each scale; 1 each when None.
    prior: what is held of the scatter before any data. For margins give 3% of the range as its sigma.
    measured: the scatter seen in other data: `scatter.within`, `scatter.pooled`, `scatter.combined`.
    min_step: the least height; the step must be 15% of the range as well. 0 for margins.
    alpha: limit for p, in (0, 1).
    replicates: B >= 99.
    seed: a seed or a Generator.

    Raises
    ------
    SettingsError
        Shapes, values that are not finite, a covariance that is none, settings outside their range.
    """
    if not 0 < alpha < 1 or replicates < 99 or min_step < 0:
        raise SettingsError("alpha lies in (0, 1), there are 99 replicates or more, min_step is 0 or more")
    problem = _problem(scales, y, items, models, prior, measured)
    return _test(problem, min_step, alpha, replicates, np.random.default_rng(seed))


def smooth_residuals(
    scales: ArrayLike, y: ArrayLike, models: ArrayLike | None = None
) -> Floats:
    """Residuals (S,) of the best smooth shape, weighted by sqrt(models), for `scatter.pooled`."""
    problem = _problem(scales, y, None, models, PRIOR, None)
    best = int(problem.shapes.smooth_rss(problem.y[None])[0].argmin())
    return np.asarray(problem.y - problem.shapes.smooth.fitted(problem.y, best), dtype=np.float64)


def _problem(
    scales: ArrayLike,
    y: ArrayLike,
    items: ArrayLike | None,
    models: ArrayLike | None,
    prior: Scatter,
    measured: Scatter | None,
) -> _Problem:
    shapes = library(scales, models)
    w = shapes.weights
    values = np.asarray(y, dtype=np.float64)
    if values.shape != w.shape or not np.isfinite(values).all():
        raise SettingsError("there must be one finite response a scale", where="y")
    cov = np.zeros((w.size, w.size)) if items is None else np.asarray(items, dtype=np.float64)
    if cov.shape != (w.size, w.size) or not np.isfinite(cov).all() or not np.allclose(cov, cov.T):
        raise SettingsError("the covariance must be finite, symmetric, one row a scale", where="items")
    u = 2 * (shapes.t - shapes.t[0]) / (shapes.t[-1] - shapes.t[0]) - 1
    q = np.linalg.qr(np.stack([np.ones_like(u), u, u**2], axis=1) * w[:, None])[0]
    off = np.eye(w.size) - q @ q.T
    # Every space holds the constant, so taking the mean out changes no residual and keeps their digits.
    centred = values - float(np.average(values, weights=w**2))
    return _Problem(shapes, centred * w, off @ (cov * np.outer(w, w)) @ off, prior, measured)


def _known(problem: _Problem) -> tuple[float, float]:
    """Degrees of freedom and sum of squares of what is known of the scatter beside this curve."""
    parts = [problem.prior] + ([problem.measured] if problem.measured else [])
    return sum(p.df for p in parts), sum(p.df * p.sigma**2 for p in parts)


def _scatter(problem: _Problem, r0: float) -> Scatter:
    size = problem.y.size
    df, squares = _known(problem)
    # The items' share of R0: a trace over S-3 directions, of which the library leaves S-4.
    share = float(np.trace(problem.items)) * (size - LOST) / (size - 3)
    total = size - LOST + df
    return Scatter(float(np.sqrt((max(r0 - share, 0.0) + squares) / total)), total)


def _statistic(shapes: Library, y: Floats, known: Floats | float) -> Floats:
    r0 = shapes.smooth_rss(y).min(axis=1)
    r1 = shapes.break_rss(y).min(axis=1)
    return np.asarray((r0 - r1) / (r1 + known), dtype=np.float64)


def _nulls(shapes: Library, rss: Floats, margin: float) -> list[int]:
    """The best smooth shape, then the best of each other kind within the margin; three at most."""
    chosen: list[int] = []
    kinds: set[str] = set()
    for member in np.argsort(rss, kind="stable"):
        if len(chosen) == _NULLS or rss[member] > rss.min() + margin:
            break
        if shapes.smooth.kinds[member] not in kinds:
            kinds.add(shapes.smooth.kinds[member])
            chosen.append(int(member))
    return chosen


def _test(
    problem: _Problem, min_step: float, alpha: float, replicates: int, rng: np.random.Generator
) -> BreakTest:
    shapes, y = problem.shapes, problem.y
    known = _known(problem)[1]
    rss = shapes.smooth_rss(y[None])[0]
    broken_rss = shapes.break_rss(y[None])[0]
    best, broken = int(rss.argmin()), int(broken_rss.argmin())
    statistic = float((rss[best] - broken_rss[broken]) / (broken_rss[broken] + known))
    scatter = _scatter(problem, float(rss[best]))
    covariance = problem.items + scatter.sigma**2 * np.eye(y.size)
    noise = rng.standard_normal((replicates, y.size)) @ _root(covariance).T
    drawn: Floats | float = known
    if problem.measured is not None:
        d = problem.measured.df
        chi2 = rng.chisquare(d, replicates) if np.isfinite(d) else np.full(replicates, d)
        drawn = problem.prior.df * problem.prior.sigma**2 + scatter.sigma**2 * chi2
    p = 0.0
    for member in _nulls(shapes, rss, _NULL_MARGIN * scatter.sigma**2):
        simulated = _statistic(shapes, shapes.smooth.fitted(y, member) + noise, drawn)
        p = max(p, (1 + int((simulated >= statistic).sum())) / (replicates + 1))
    along = float(shapes.breaks.directions[broken] @ y)
    step = max(along, 0.0) / float(shapes.breaks.lengths[broken])
    values = y / shapes.weights
    span = float(values.max() - values.min())
    rise = float((values - np.minimum.accumulate(values)).max())
    noise_sd = float(np.sqrt(np.mean(np.diag(covariance) / shapes.weights**2)))
    gates = (
        _gate("p", p, alpha, p <= alpha),
        _gate("step", step, max(min_step, 0.15 * span), step >= max(min_step, 0.15 * span)),
        _gate("rise", rise, max(3.5 * noise_sd, 0.03 * span), rise <= max(3.5 * noise_sd, 0.03 * span)),
    )
    return BreakTest(
        p=p,
        statistic=statistic,
        step=step,
        step_share=step / span if span > 0 else 0.0,
        gap=int(shapes.gaps[broken]),
        w_min=shapes.w_min,
        sigma=scatter.sigma,
        df=scatter.df,
        smooth=shapes.smooth.fitted(y, best) / shapes.weights,
        smooth_kind=shapes.smooth.kinds[best],
        broken=shapes.breaks.fitted(y, broken, one_sided=True) / shapes.weights,
        gates=gates,
        monotone=gates[2].passed,
    )


def _gate(name: str, value: float, limit: float, passed: bool) -> Gate:
    return Gate(name, float(value), float(limit), bool(passed))


def _root(covariance: Floats) -> Floats:
    """A matrix A with A A' the covariance, also where it is singular."""
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)), dtype=np.float64)
