"""What a smooth curve may look like on a grid of scales, and what a break may look like.

Each shape is a linear space of curves over t = log10(scale): a base (a constant, a line, a parabola) and one
more direction. So the residual sum of squares of every shape, for thousands of replicates, takes one matrix
product. The library defines "smooth": a rise of at least `w_min` decades (10% to 90%) is smooth, anything
quicker is not. It fits no noise and judges nothing (see `breaks`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from numpy.typing import ArrayLike

from unmirage.errors import SettingsError

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

MIN_SCALES = 5

# Exponents of the power laws, and where the floor takes over, as a share of the log range past the first
# scale.
_EXPONENTS = (0.05, 0.1, 0.2, 0.35, 0.6, 1.0)
_CROSSINGS = (-0.75, -0.5, -0.25, 0.0, 0.25, 0.5, 0.75, 1.0, 1.25)
_WIDTHS = (1.0, 1.4, 2.0)
_CENTRES = (-0.15, 0.0, 0.15, 0.3, 0.4, 0.5, 0.6, 0.7, 0.85, 1.0, 1.15)
# Standard deviations of the bumps, in gaps.
_BUMPS = (0.5, 0.75, 1.0)
_PARTS = (0.0, 0.25, 0.5, 0.75)
# log(9) on both sides of the centre take a logistic from 10% to 90%.
_LOGISTIC = 2 * np.log(9)
# As much takes exp(-exp(-z)) from 10% to 90%.
_GOMPERTZ = float(np.log(np.log(10)) - np.log(np.log(10 / 9)))
# Two shapes closer than this (radians) are one.
_ANGLE = 0.02
_CURVED_FROM = 8


@dataclass(frozen=True)
class Shapes:
    """Linear spaces, each a base and one direction, in coordinates weighted by sqrt(models).

    Attributes
    ----------
    bases: one orthonormal (S, k) array a base.
    directions: (M, S), each of length 1 and orthogonal to its base.
    base: (M,) which base, in order.
    kinds: (M,) the name of the family of curves.
    raw: (M, S) the unweighted curve that each direction came from; the coefficient of a shape refers to it.
    lengths: (M,) length of the raw curve, weighted, after the base was taken out.
    one_sided: whether the coefficient of the direction must be 0 or more.
    """

    bases: tuple[Floats, ...]
    directions: Floats
    base: Ints
    kinds: tuple[str, ...]
    raw: Floats
    lengths: Floats
    one_sided: bool

    def __post_init__(self) -> None:
        # One library serves every curve on its grid.
        for array in (*self.bases, self.directions, self.base, self.raw, self.lengths):
            array.setflags(write=False)

    def rss(self, y: Floats) -> Floats:
        """Residual sum of squares (M,) of every member, for one weighted curve (S,)."""
        return np.asarray(self.all_rss(y[None])[0])

    def all_rss(self, y: Floats) -> Floats:
        """Residual sums of squares (B, M) of every member, for many weighted curves (B, S)."""
        squares = np.einsum("bs,bs->b", y, y)
        bases = np.stack([squares - ((y @ q) ** 2).sum(axis=1) for q in self.bases], axis=1)
        return np.asarray(
            np.maximum(bases[:, self.base] - self._along(y @ self.directions.T) ** 2, 0.0), dtype=np.float64
        )

    def least_rss(self, y: Floats) -> Floats:
        """The smallest of them (B,), for many weighted curves (B, S)."""
        explained = np.stack([((q.T @ y.T) ** 2).sum(axis=0) for q in self.bases])
        squares = self._along(self.directions @ y.T)
        squares *= squares
        # Members of one base are neighbours, and every base has one.
        starts = np.flatnonzero(np.diff(self.base, prepend=-1))
        explained += np.maximum.reduceat(squares, starts, axis=0)
        return np.asarray(np.maximum(np.einsum("bs,bs->b", y, y) - explained.max(axis=0), 0.0))

    def fitted(self, y: Floats, member: int) -> Floats:
        """The least-squares curve (S,) of one member, weighted, for a weighted curve (S,)."""
        return np.asarray(self.all_fitted(y[None], np.array([member]))[0])

    def all_fitted(self, y: Floats, members: Ints) -> Floats:
        """The least-squares curves (B, S) of one member (B,) for each of many weighted curves (B, S)."""
        d = self.directions[members]
        out = self._along(np.einsum("bs,bs->b", y, d))[:, None] * d
        for k in np.unique(self.base[members]):
            rows = self.base[members] == k
            out[rows] += y[rows] @ self.bases[k] @ self.bases[k].T
        return np.asarray(out, dtype=np.float64)

    def _along(self, coefficients: Floats) -> Floats:
        return np.maximum(coefficients, 0.0) if self.one_sided else coefficients


@dataclass(frozen=True)
class Library:
    """All shapes for one grid of scales.

    Attributes
    ----------
    t: (S,) log10 of the scales.
    weights: (S,) square root of the number of models averaged at each scale.
    w_min: the quickest 10-90% rise, in decades, that is called smooth.
    smooth: the smooth shapes, two-sided.
    breaks: trend and downward step; a positive coefficient is a fall.
    bumps: a trend and a bump or a dip, which may pass for a step and is none.
    gaps: (number of breaks,) the step, or most of it, lies between scales gap and gap+1, counted from 0.
    """

    t: Floats
    weights: Floats
    w_min: float
    smooth: Shapes
    breaks: Shapes
    bumps: Shapes
    gaps: Ints


def library(
    scales: ArrayLike,
    models: ArrayLike | None = None,
    w_min: float | None = None,
    *,
    shares: bool = False,
) -> Library:
    """The smooth shapes and the breaks for a grid of scales; made once a grid, then kept.

    With u the log scale: {1, u}; {1, u, u²}; {1, u, u², u³} from 7 scales on; {1, log(1 + (x/x0)^-a)}, which
    is the log of a power law with a floor; {1, u, the same} from 6 scales on; {1, u, logistic} with a 10-90%
    width of 1, 1.4 and 2 w_min. Breaks: a trend and a step at each gap that has two scales on both sides, one
    scale being part of the way where the step is soft. The trend is a line, and from 8 scales on a curved
    power law as well.

    With `shares`, for a score that is no log of a loss: {1, u, g} as well, where g rises as a power of the
    probability of a token does, exp(-(x/c)^-a) (the paper's accuracy), or falls short of 1 so, with the same
    widths.

    Parameters: scales (S,), S >= 5, above 0, increasing; models (S,) number of models averaged at each, at
    least 1 (1 each when None); w_min in decades, above 0, `smallest_width` when None.
    Raises SettingsError on anything else.
    """
    x = np.asarray(scales, dtype=np.float64)
    m = np.ones_like(x) if models is None else np.asarray(models, dtype=np.float64)
    if x.ndim != 1 or x.size < MIN_SCALES:
        raise SettingsError(f"a break needs {MIN_SCALES} scales at least", where="scales")
    if not np.isfinite(x).all() or (x <= 0).any() or (np.diff(x) <= 0).any():
        raise SettingsError("scales must increase, be finite and above 0", where="scales")
    if m.shape != x.shape or not np.isfinite(m).all() or (m < 1).any():
        raise SettingsError("there must be one count of models a scale, 1 or more", where="models")
    t = np.log10(x)
    least = smallest_width(t) if w_min is None else w_min
    if not 0 < least < np.inf:
        raise SettingsError("w_min must be above 0", where="w_min")
    return _library(tuple(t.tolist()), tuple(np.sqrt(m).tolist()), least, shares)


def smallest_width(t: Floats, *, training: bool = False) -> float:
    """w_min: 2 decades or .6 of the range, whichever is less, but never below 2.5 of the largest gaps.

    A rise that is over within two gaps of the grid looks like a step whatever it is. Along a training run,
    which is logged far more densely than anyone trains sizes and begins anywhere, a tenth of the range.
    """
    span, gap = float(t[-1] - t[0]), float(np.diff(t).max())
    return max(0.1 * span if training else min(2.0, 0.6 * span), 2.5 * gap)


@lru_cache(maxsize=64)
def _library(
    log_scales: tuple[float, ...], weights: tuple[float, ...], w_min: float, shares: bool
) -> Library:
    t, w = np.array(log_scales), np.array(weights)
    breaks = _breaks(t, w)
    gaps = np.diff(breaks.raw, axis=1).argmin(axis=1)
    return Library(t, w, w_min, _smooth(t, w, w_min, shares), breaks, _bumps(t, w), gaps)


def _smooth(t: Floats, w: Floats, w_min: float, shares: bool) -> Shapes:
    span, size = float(t[-1] - t[0]), t.size
    u = 2 * (t - t[0]) / span - 1
    one = np.ones_like(u)
    curves = [one, u, u**2][: 3 if size >= 7 else 2]
    bases = tuple(_orthonormal(curves[: k + 1], w) for k in range(len(curves)))
    powers = [_power(t, a, t[0] + c * span) for a in _EXPONENTS for c in _CROSSINGS]
    made: list[tuple[int, str, Floats]] = [(0, "line", u)]
    made += [(0, "power", curve) for curve in powers]
    made.append((1, "parabola", u**2))
    if size >= 6:
        made += [(1, "power and trend", curve) for curve in powers]
    made += [
        (1, "logistic", 1 / (1 + np.exp(-_LOGISTIC * (t - t[0] - c * span) / (k * w_min))))
        for k in _WIDTHS
        for c in _CENTRES
    ]
    if shares:
        made += [
            (1, "power of a share", np.exp(-np.exp(-turn * _GOMPERTZ * (t - t[0] - c * span) / (k * w_min))))
            for turn in (1, -1)
            for k in _WIDTHS
            for c in _CENTRES
        ]
    if size >= 7:
        made.append((2, "cubic", u**3))
    return _shapes(bases, made, w)


def _trends(t: Floats) -> list[Floats]:
    """What breaks and bumps are laid on: a line, and from 8 scales on curved power laws."""
    trends = [t - t[0]]
    if t.size >= _CURVED_FROM:
        span = float(t[-1] - t[0])
        trends += [_power(t, a, t[0] + c * span) for a in (0.2, 0.35, 0.6, 1.0) for c in (0.0, 0.5)]
    return trends


def _breaks(t: Floats, w: Floats) -> Shapes:
    size = t.size
    bases = tuple(_orthonormal([np.ones_like(t), trend], w) for trend in _trends(t))
    made: list[tuple[int, str, Floats]] = []
    for base in range(len(bases)):
        for last in range(1, size - 2):
            for part in _PARTS:
                # The scale after `last` may be part of the way; two scales beyond it are then needed.
                if part and last + 3 >= size:
                    continue
                step = np.where(np.arange(size) > last, -1.0, 0.0)
                if part:
                    step[last + 1] = -part
                made.append((base, "step", step))
    return _shapes(bases, made, w, steps=True)


def _bumps(t: Floats, w: Floats) -> Shapes:
    """On the trends of the breaks: on a line alone a bump would lose to a break for the curve beneath."""
    gap = float(t[-1] - t[0]) / (t.size - 1)
    centres = np.linspace(t[0] + gap, t[-1] - gap, 4 * (t.size - 3) + 1)
    bases = tuple(_orthonormal([np.ones_like(t), trend], w) for trend in _trends(t))
    made = [
        (base, "bump", np.exp(-0.5 * ((t - c) / (k * gap)) ** 2))
        for base in range(len(bases))
        for k in _BUMPS
        for c in centres
    ]
    return _shapes(bases, made, w)


def _power(t: Floats, exponent: float, crossing: float) -> Floats:
    """log(1 + (x / x0)^-a): the log of a power law over its floor."""
    return np.asarray(np.logaddexp(0.0, -exponent * np.log(10) * (t - crossing)), dtype=np.float64)


def _orthonormal(curves: list[Floats], w: Floats) -> Floats:
    return np.asarray(np.linalg.qr(np.stack(curves, axis=1) * w[:, None])[0], dtype=np.float64)


def _shapes(
    bases: tuple[Floats, ...], made: list[tuple[int, str, Floats]], w: Floats, *, steps: bool = False
) -> Shapes:
    kept: list[int] = []
    lengths: list[float] = []
    # The directions of each base so far, in the first rows of an array.
    near = [np.empty((len(made), w.size)) for _ in bases]
    found = [0] * len(bases)
    directions: list[Floats] = []
    raws = np.array([curve for _, _, curve in made]) * w
    rests = np.empty_like(raws)
    of_base = np.array([base for base, _, _ in made])
    for base, q in enumerate(bases):
        rest = raws[of_base == base]
        for _ in range(2):
            rest = rest - (rest @ q) @ q.T
        rests[of_base == base] = rest
    norms = np.linalg.norm(rests, axis=1)
    apart = norms > 1e-8 * np.linalg.norm(raws - raws.mean(axis=1, keepdims=True), axis=1)
    for i in np.flatnonzero(apart).tolist():
        base, length = made[i][0], float(norms[i])
        direction = rests[i] / length
        # Members of one dimension have one base, so their directions alone tell how far apart they are.
        known = near[base][: found[base]]
        if len(known) and not steps and float(np.max(np.square(known @ direction))) > 1 - _ANGLE**2:
            continue
        near[base][found[base]] = direction
        found[base] += 1
        kept.append(i)
        directions.append(direction)
        lengths.append(length)
    return Shapes(
        bases,
        np.array(directions),
        np.array([made[i][0] for i in kept], dtype=np.int64),
        tuple(made[i][1] for i in kept),
        np.array([made[i][2] for i in kept]),
        np.array(lengths),
        one_sided=steps,
    )
