"""Is there a step in a curve that no smooth curve explains? The test, its gates, and its power.

The response falls as models improve (log of the loss; minus the margin). The statistic compares the best
smooth shape of the library with the best trend-and-step; its null distribution is simulated from the smooth
fits, with the error from the items and the scatter of the models. Not a verdict: the decision tree weighs it
with the headline.
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
Ints = npt.NDArray[np.int64]

# Holds the false alarms of every smooth truth tried near 5% or below (benchmarks/break_test.py).
ALPHA = 0.03
# A weak prior for log losses: families scatter by some percent, seldom above 9%.
PRIOR = Scatter(0.03, 3.0)
# Degrees of freedom that the best of the library, and the best break, take of the S scales.
LOST = 4
_LOST_BREAK = 5
_NULLS = 3
# In sigma²: how much worse than the best smooth fit a fit of another kind may be, to count as a null.
_NULL_MARGIN = 4.0
# The scatter is not taken for larger than this tail of what is known of it, unless the break leaves it too.
_TAIL = 0.05
# A smaller step than this share of the range is no jump; at 15% a third of the loss often is none.
_STEP_SHARE = 0.12
# A rise within three errors, or 3% of the range, is noise; a curve that truly worsens is no case for a step.
_RISE_ERRORS = 3.0
_RISE_SHARE = 0.03


@dataclass(frozen=True)
class Gate:
    """One condition of a break.

    Attributes
    ----------
    name: "p", "rise" and "bump" must be at most their limit, "step" at least.
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
    statistic: T; below 0 where the best smooth curve fits better than the best break.
    step: height of the step of the best break, in the unit of the response; 0 where none is downward.
    step_share: the same as a share of the range of the response; 0 or more.
    gap: the step lies between scales gap and gap+1, counted from 0.
    w_min: the quickest 10-90% rise, in decades, that the test calls smooth.
    sigma: scatter of one model under the smooth fit, the items' share taken out.
    df: what that estimate is worth, S - 4 and those of what was known.
    smooth: (S,) the best smooth curve; smooth_kind names its shape.
    broken: (S,) the best trend and step.
    gates: "p", "step" (height), "rise" (the response gets worse by no more than noise), and "bump" (the break
        leaves no more, in squares, than a trend with a bump: a family that got worse and recovered).
    monotone: whether the gate "rise" is passed.
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
class Setting:
    """All but the response; items is the covariance (S, S) off the parabola, in weighted coordinates."""

    shapes: Library
    items: Floats
    known: Scatter
    min_step: float
    alpha: float
    replicates: int
    after: float


def break_test(
    scales: ArrayLike,
    y: ArrayLike,
    *,
    items: ArrayLike | None = None,
    models: ArrayLike | None = None,
    known: Scatter = PRIOR,
    min_step: float = 0.05,
    alpha: float = ALPHA,
    w_min: float | None = None,
    after: float = 0.0,
    replicates: int = 1999,
    seed: int | np.random.Generator = 0,
) -> BreakTest:
    """Test a curve for a step.

        T = (R0 - R1) / (R1 + d s²)

    R0, R1: least residual sums of squares, weighted by models, over the smooth shapes and over the breaks; s
    and d: what is known of the scatter. Curves are drawn under at most three smooth fits: the best, and the
    best of other kinds with a sum of squares up to R0 + 4 sigma². p is the largest of their
    (1 + number of T* >= T) / (B + 1).

    The noise has covariance items + sigma²/models, with sigma² = (R0 + d s²) / chi²(S-4+d) drawn for each
    curve. Where only the smooth fit needs a large scatter, it is evidence against that fit and not for the
    scatter: sigma is then cut at the upper 5% limit of what is known, d s² / chi²_.05(d), or at (R1 + d s²) /
    (S-5+d) if that is more. (R0 and R1 less the items' share.)

    p does not change when a constant is added to y, when the scales are measured in another unit, or when y,
    s, `min_step` and the root of `items` are multiplied by one number. A slope added to y does change it: the
    log of a power law with a floor and a slope is no such log.

    Parameters
    ----------
    scales: (S,) increasing, above 0, S >= 5.
    y: (S,) finite, falling is better: log of the mean loss a token, or minus the mean margin.
    items: (S, S) covariance of y from the sample of items, which all scales share; none when None. The part
        that a parabola takes up is common difficulty, and left out.
    models: (S,) number of models averaged at each scale; 1 each when None.
    known: the scatter of one model as far as it is known beside this curve, from `scatter.combined` of a weak
        prior and what other data show. The default is for log losses; for margins take 3% of the range.
    min_step: the least height; the step must be 12% of the range of y as well. Take 0 for margins.
    alpha: limit for p, in (0, 1).
    w_min: the quickest rise that is smooth, in decades; `library.smallest_width` when None.
    after: the share of the step that may be lost again after it, 0 or more: 0 for sizes; training runs that
        have learnt something all at once are often unstable for a while.
    replicates: B, 99 or more.
    seed: a seed or a Generator.

    Raises
    ------
    SettingsError
        Shapes, values that are not finite, a covariance that is none, settings outside their range.
    """
    setting = setting_of(scales, items, models, known, min_step, alpha, replicates, w_min, after)
    return _test(setting, curve_of("y", y, setting.shapes), np.random.default_rng(seed))


def smooth_residuals(
    scales: ArrayLike,
    y: ArrayLike,
    *,
    items: ArrayLike | None = None,
    models: ArrayLike | None = None,
    w_min: float | None = None,
) -> tuple[Floats, float]:
    """What the best smooth shape leaves of a curve, for `scatter.pooled`.

    Parameters and errors as in `break_test`.
    Returns the residuals (S,), weighted by sqrt(models), with about S - `LOST` degrees of freedom; and what
    the items are expected to add to their sum of squares.
    """
    setting = setting_of(scales, items, models, PRIOR, 0.0, ALPHA, 99, w_min)
    shapes = setting.shapes
    values = curve_of("y", y, shapes)
    weighted = (values - np.average(values, weights=shapes.weights**2)) * shapes.weights
    best = int(shapes.smooth.rss(weighted).argmin())
    return weighted - shapes.smooth.fitted(weighted, best), _item_sum(setting, LOST)


def setting_of(
    scales: ArrayLike,
    items: ArrayLike | None,
    models: ArrayLike | None,
    known: Scatter,
    min_step: float,
    alpha: float,
    replicates: int,
    w_min: float | None = None,
    after: float = 0.0,
) -> Setting:
    if not 0 < alpha < 1 or replicates < 99 or not min_step >= 0:
        raise SettingsError(
            "alpha lies in (0, 1), replicates are 99 or more, min_step is 0 or more", where="break test"
        )
    shapes = library(scales, models, w_min)
    w = shapes.weights
    cov = np.zeros((w.size, w.size)) if items is None else np.asarray(items, dtype=np.float64)
    if cov.shape != (w.size, w.size) or not np.isfinite(cov).all() or not np.allclose(cov, cov.T):
        raise SettingsError("the covariance must be finite, symmetric, one row a scale", where="items")
    if np.linalg.eigvalsh(cov).min() < -1e-8 * max(float(np.trace(cov)), 0.0):
        raise SettingsError("the covariance has a negative variance in some direction", where="items")
    u = 2 * (shapes.t - shapes.t[0]) / (shapes.t[-1] - shapes.t[0]) - 1
    q = np.linalg.qr(np.stack([np.ones_like(u), u, u**2], axis=1) * w[:, None])[0]
    off = np.eye(w.size) - q @ q.T
    return Setting(shapes, off @ (cov * np.outer(w, w)) @ off, known, min_step, alpha, replicates, after)


def curve_of(name: str, y: ArrayLike, shapes: Library) -> Floats:
    values = np.asarray(y, dtype=np.float64)
    if values.shape != shapes.t.shape or not np.isfinite(values).all():
        raise SettingsError("there must be one finite response a scale", where=name)
    return values


def _item_sum(setting: Setting, lost: int) -> float:
    """What the items add to a residual sum of squares: their covariance has S-3 directions."""
    size = setting.shapes.t.size
    return float(np.trace(setting.items)) * (size - lost) / (size - 3)


def _variances(setting: Setting, rss: Floats, lost: int) -> Floats:
    """sigma² of one model (B,) from residual sums of squares and what is known."""
    known = setting.known
    scatter = np.maximum(rss - _item_sum(setting, lost), 0.0)
    return np.asarray(
        (scatter + known.df * known.sigma**2) / (setting.shapes.t.size - lost + known.df), dtype=np.float64
    )


@dataclass(frozen=True)
class Looks:
    """What B curves show before chance is asked: arrays of shape (B,), or as said.

    Attributes
    ----------
    y: (B, S) weighted, less their mean. rss: (B, M) of the smooth shapes.
    best, broken: the members of the library.
    variance: sigma² to draw a null with, at most `most`.
    step, span: height of the step, range of the response.
    gates: (3, 2, B): value and limit of "step", "rise" and "bump".
    passed: whether all three are passed.
    """

    y: Floats
    mean: Floats
    rss: Floats
    best: Ints
    broken: Ints
    statistic: Floats
    variance: Floats
    most: Floats
    step: Floats
    span: Floats
    gates: Floats
    passed: npt.NDArray[np.bool_]


def look(setting: Setting, values: Floats) -> Looks:
    """Fit the library to responses (B, S)."""
    from scipy.special import chdtri

    shapes, known = setting.shapes, setting.known
    w = shapes.weights
    # Every space holds the constant, so taking the mean out changes no residual and keeps their digits.
    mean = np.average(values, weights=w**2, axis=1)
    y = (values - mean[:, None]) * w
    rss, broken_rss = shapes.smooth.all_rss(y), shapes.breaks.all_rss(y)
    best, broken = rss.argmin(axis=1), broken_rss.argmin(axis=1)
    r0, r1 = rss.min(axis=1), broken_rss.min(axis=1)
    squares = known.df * known.sigma**2

    broken_variance = _variances(setting, r1, _LOST_BREAK)
    limit = squares / float(chdtri(known.df, 1 - _TAIL))
    most = np.maximum(limit, broken_variance)
    variance = np.minimum(_variances(setting, r0, LOST), most)

    along = np.einsum("bs,bs->b", shapes.breaks.directions[broken], y)
    step = np.maximum(along, 0.0) / shapes.breaks.lengths[broken]
    span = np.ptp(values, axis=1)
    later = np.arange(w.size) > shapes.gaps[broken][:, None]
    allowed = setting.after * step[:, None] * later
    rise = (values - np.minimum.accumulate(values, axis=1) - allowed).max(axis=1)
    # Neither misfit nor a scatter beyond what is known excuses a rise.
    scatter = np.minimum(np.minimum(variance, broken_variance), limit)
    noise = np.sqrt(((np.diag(setting.items) + scatter[:, None]) / w**2).mean(axis=1))
    least = np.maximum(setting.min_step, _STEP_SHARE * span)
    most_rise = np.maximum(_RISE_ERRORS * noise, _RISE_SHARE * span)
    bump = shapes.bumps.all_rss(y).min(axis=1)
    return Looks(
        y,
        mean,
        rss,
        best,
        broken,
        (r0 - r1) / (r1 + squares),
        variance,
        most,
        step,
        span,
        np.array([[step, least], [rise, most_rise], [r1, bump]]),
        (step > 0) & (step >= least) & (rise <= most_rise) & (r1 <= bump),
    )


def nulls_of(setting: Setting, looks: Looks, curve: int) -> list[Floats]:
    """Weighted smooth curves (S,): the best, then the best of each other kind that fits nearly as well."""
    shapes, rss = setting.shapes, looks.rss[curve]
    margin = _NULL_MARGIN * float(looks.variance[curve])
    chosen: list[int] = []
    kinds: set[str] = set()
    for member in np.argsort(rss, kind="stable"):
        if len(chosen) == _NULLS or rss[member] > rss.min() + margin:
            break
        if shapes.smooth.kinds[member] not in kinds:
            kinds.add(shapes.smooth.kinds[member])
            chosen.append(int(member))
    return [shapes.smooth.fitted(looks.y[curve], member) for member in chosen]


def _test(setting: Setting, values: Floats, rng: np.random.Generator) -> BreakTest:
    shapes, w = setting.shapes, setting.shapes.weights
    seen = look(setting, values[None])
    y, mean, best, broken = seen.y[0], float(seen.mean[0]), int(seen.best[0]), int(seen.broken[0])
    variance, most = float(seen.variance[0]), float(seen.most[0])
    drawn = null_statistics(setting, nulls_of(setting, seen, 0), variance, most, setting.replicates, rng)
    p = (1 + int((drawn >= seen.statistic[0]).sum(axis=1).max())) / (setting.replicates + 1)
    (step, least), (rise, most_rise), (left, bump) = (
        (float(value), float(limit)) for value, limit in seen.gates[:, :, 0]
    )
    span = float(seen.span[0])
    return BreakTest(
        p=p,
        statistic=float(seen.statistic[0]),
        step=step,
        step_share=step / span if span > 0 else 0.0,
        gap=int(shapes.gaps[broken]),
        w_min=shapes.w_min,
        sigma=float(np.sqrt(variance)),
        df=w.size - LOST + setting.known.df,
        smooth=mean + shapes.smooth.fitted(y, best) / w,
        smooth_kind=shapes.smooth.kinds[best],
        broken=mean + shapes.breaks.fitted(y, broken) / w,
        gates=(
            Gate("p", p, setting.alpha, p <= setting.alpha),
            Gate("step", step, least, step > 0 and step >= least),
            Gate("rise", rise, most_rise, rise <= most_rise),
            Gate("bump", left, bump, left <= bump),
        ),
        monotone=rise <= most_rise,
    )


def null_statistics(
    setting: Setting,
    nulls: list[Floats],
    variance: float,
    most: float,
    replicates: int,
    rng: np.random.Generator,
) -> Floats:
    """(nulls, B) statistics of curves drawn about weighted smooth curves (S,).

    The same noise serves all curves. Its scatter is drawn about `variance`, at most `most`.
    """
    shapes, known, size = setting.shapes, setting.known, setting.shapes.t.size
    squares, df = known.df * known.sigma**2, size - LOST + known.df
    sigma = np.sqrt(np.minimum(variance * df / rng.chisquare(df, replicates), most))
    noise = sigma[:, None] * rng.standard_normal((replicates, size))
    noise += rng.standard_normal((replicates, size)) @ root_of(setting.items)
    drawn = np.empty((len(nulls), replicates))
    for row, null in zip(drawn, nulls, strict=True):
        r0 = shapes.smooth.least_rss(null + noise)
        r1 = shapes.breaks.least_rss(null + noise)
        row[:] = (r0 - r1) / (r1 + squares)
    return drawn


def root_of(covariance: Floats) -> Floats:
    """The symmetric square root: unlike a factor it is unique, also where the covariance is singular."""
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray((vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T, dtype=np.float64)
