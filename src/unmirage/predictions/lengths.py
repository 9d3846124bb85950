"""How a rate and an edit distance go with the length of the target: the tests. Arrays only.

A rate that is seen is held against one that is predicted, and the answer has three values: they agree within
a tolerance, they do not, or the items are too few to say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numpy.typing import ArrayLike

from unmirage import statistics
from unmirage.errors import SettingsError

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# The odds of a right answer, or the edits a token, may be off by half: no independence of tokens is exact.
TOLERANCE = 1.5
# Nor is a difference of less than five points between rates of the same order (edits: a twentieth of an edit
# a token) one that anyone reports.
POINTS = 0.05
DRAWS = 4000
# Rates from here on, or edits a token up to here, leave nothing for a length to change.
CEILING = 0.95
FEW_EDITS = 0.05

BELOW, AGREES, ABOVE, OPEN = -1, 0, 1, 9


@dataclass(frozen=True)
class Against:
    """Rates that were seen against predicted ones.

    Attributes
    ----------
    predicted, low, high: (K,) the prediction and its interval.
    state: (K,) BELOW or ABOVE (beyond the tolerance), AGREES, or OPEN.
    p: (K,) two-sided, for no difference at all.
    """

    predicted: Floats
    low: Floats
    high: Floats
    state: Ints
    p: Floats


@dataclass(frozen=True)
class Rates:
    """The rates of one model over K lengths.

    Attributes
    ----------
    seen, low, high: (K,) the rates and their exact intervals.
    from_first: against the rate of length 1, to the power of the length; None without that length.
    from_positions: name -> against a product over positions.
    geometric: against q^L with the likeliest q, from all lengths; `q` is that.
    p_geometric: the fit of q^L, from its deviance in simulated counts.
    slope: of log rate on the length, weighted.
    curvature, curvature_low, curvature_high: of the square of the length in log rate; NaN below 3 lengths.
    """

    seen: Floats
    low: Floats
    high: Floats
    from_first: Against | None
    from_positions: dict[str, Against]
    geometric: Against
    q: float
    p_geometric: float
    slope: float
    curvature: float
    curvature_low: float
    curvature_high: float


@dataclass(frozen=True)
class Edits:
    """The edit distances of one model over K lengths.

    Attributes
    ----------
    each: (K,) edits a token of the target. slope: their weighted mean, the line through the origin.
    state: (K,) of `each` against their plain mean; as in `Against`.
    p_origin: of that line, from chi-square; NaN where no error is known.
    curvature, curvature_error: of the square of the length in the edit distance; NaN below 3 lengths.
    """

    each: Floats
    slope: float
    state: Ints
    p_origin: float
    curvature: float
    curvature_error: float


def rates_by_length(
    lengths: ArrayLike,
    successes: ArrayLike,
    n: ArrayLike,
    *,
    products: Mapping[str, tuple[ArrayLike, ArrayLike]] | None = None,
    alpha: float = 0.05,
    tests: int = 1,
    seed: int | np.random.Generator = 0,
) -> Rates:
    """Test whether a rate falls geometrically with the length of the target.

    Lengths have items of their own, so their rates are independent. The uncertainty of a rate is drawn from
    the two beta distributions of the exact interval, Beta(k, n-k+1) and Beta(k+1, n-k), the one that lies
    nearer to the prediction for a departure and the other for an agreement; that of a rate that predicts
    from Beta(k+1/2, n-k+1/2) between them. A departure is said where all but alpha/tests of the draws lie
    beyond the tolerance on one side, an agreement where 1 - alpha lie within it. Within is an odds ratio of
    1.5, or 5 points of a rate that is no more than 1.5 times off.

    Parameters
    ----------
    lengths: (K,) increasing, 1 or more, K >= 2.
    successes, n: (K,) right answers of independent items; both may be real (effective numbers), n above 0.
    products: name -> (values, errors), each (K,): rates that the positions predict, NaN where they are not
        known, and standard errors of their logarithms.
    alpha: level of a departure, for `tests` comparisons.

    Raises
    ------
    SettingsError
        Shapes that differ, impossible counts, lengths that do not increase.
    """
    size, k, items = _checked(lengths, successes, n)
    rng = np.random.default_rng(seed)
    seen = _Draws.of(k, items, rng)
    limit = alpha / max(tests, 1)
    first = None
    if size[0] == 1:
        first = _against(seen, seen.middle[:, :1] ** size, alpha, limit)
        first.state[0] = OPEN  # it predicts itself
        first.p[0] = np.nan
    positions = {}
    for name, (given, error) in (products or {}).items():
        values = np.asarray(given, dtype=np.float64)
        unknown = np.isnan(values)
        noise = rng.standard_normal((DRAWS, size.size)) * np.nan_to_num(np.asarray(error, dtype=np.float64))
        drawn = np.clip(np.where(unknown, 0.5, values) * np.exp(noise), 0, 1)
        positions[name] = one = _against(seen, drawn, alpha, limit)
        # A single position is the rate itself.
        one.state[unknown | (size == 1)] = OPEN
        for column in (one.predicted, one.low, one.high, one.p):
            column[unknown] = np.nan
    q = float(_likeliest(size, k[None], items)[0])
    again = rng.binomial(np.rint(items).astype(np.int64), q**size, size=(999, size.size)).astype(np.float64)
    whole = np.rint(items)
    deviances = _deviance(size, again, whole, _likeliest(size, again, whole))
    mine = _deviance(size, k[None], items, np.array([q]))[0]
    logs = np.log(seen.middle)
    slope, curvature = _bent(size, logs, 1 / logs.var(axis=0))
    ends = np.quantile(curvature, [alpha / 2, 1 - alpha / 2]) if size.size > 2 else (np.nan, np.nan)
    low, high = statistics.clopper_pearson(k, items, 1 - alpha)
    return Rates(
        k / items,
        low,
        high,
        first,
        positions,
        _against(seen, q ** size[None], alpha, limit),
        q,
        float((1 + (deviances >= mine - 1e-9).sum()) / 1000),
        float(np.median(slope)),
        float(np.median(curvature)),
        float(ends[0]),
        float(ends[1]),
    )


def edits_by_length(
    lengths: ArrayLike, means: ArrayLike, errors: ArrayLike, *, alpha: float = 0.05, tests: int = 1
) -> Edits:
    """Test whether an edit distance is a line through the origin in the length of the target.

    Parameters
    ----------
    lengths: (K,) increasing, 1 or more, K >= 2. means: (K,) edits. errors: (K,) their standard errors.
    alpha: level of a departure, for `tests` comparisons.

    Raises
    ------
    SettingsError
        Shapes that differ, values below 0 or not finite, lengths that do not increase.
    """
    from scipy.special import chdtrc, ndtri

    size = _lengths(lengths)
    y, e = (np.asarray(v, dtype=np.float64) for v in (means, errors))
    if y.shape != size.shape or e.shape != size.shape or not (np.isfinite(y) & (y >= 0) & (e >= 0)).all():
        raise SettingsError("there must be one mean and one error of at least 0 a length", where="means")
    each, error = y / size, e / size
    # Where all items have the same distance the error is not known; the largest of the others stands in.
    known = np.where(error > 0, error, error.max(initial=0.0))
    certain = not (known > 0).all()  # no error is known at all: the means are taken as they are
    weights = np.ones(size.shape) if certain else 1 / known**2
    slope = float(np.average(each, weights=weights))
    middle = float(each.mean())  # every length counts the same for what is said of it
    far, near = (-float(ndtri(level / 2)) * known for level in (alpha / max(tests, 1), alpha))
    state = np.full(size.shape, OPEN)
    low, high = min(middle / TOLERANCE, middle - POINTS), max(middle * TOLERANCE, middle + POINTS)
    state[(each - near >= low) & (each + near <= high)] = AGREES
    state[each + far < low] = BELOW
    state[each - far > high] = ABOVE
    p = np.nan if certain else float(chdtrc(size.size - 1, float((((each - slope) / known) ** 2).sum())))
    bent = np.ones(size.shape) if certain else weights / size**2
    curvature_error = np.nan if certain else _bent_error(size, known * size, bent)
    curvature = float(_bent(size, y[None], bent)[1][0])
    return Edits(each, slope, state, p, curvature, curvature_error)


@dataclass(frozen=True)
class _Draws:
    """(B, K) draws of rates: of the lower and the upper end of the exact interval, and between them."""

    lower: Floats
    middle: Floats
    upper: Floats

    @classmethod
    def of(cls, k: Floats, n: Floats, rng: np.random.Generator) -> _Draws:
        shape = (DRAWS, k.size)
        none, every = k == 0, k == n
        return cls(
            np.where(none, 0.0, rng.beta(np.where(none, 1.0, k), n - k + 1, size=shape)),
            np.clip(rng.beta(k + 0.5, n - k + 0.5, size=shape), np.finfo(float).tiny, 1 - 1e-16),
            np.where(every, 1.0, rng.beta(k + 1, np.where(every, 1.0, n - k), size=shape)),
        )


def _against(seen: _Draws, predicted: Floats, alpha: float, limit: float) -> Against:
    """Draws of both (B, K), or what is predicted for sure (1, K) -> what they say of each length."""
    expected = np.clip(predicted, np.finfo(float).tiny, 1 - 1e-16)
    odds = expected / (1 - expected)
    low = np.minimum(_rate(odds / TOLERANCE), np.maximum(expected / TOLERANCE, expected - POINTS))
    high = np.maximum(_rate(odds * TOLERANCE), np.minimum(expected * TOLERANCE, expected + POINTS))
    state = np.full(expected.shape[1], OPEN)
    outside = (seen.lower < low).mean(axis=0) + (seen.upper > high).mean(axis=0)
    state[outside <= alpha] = AGREES
    state[(seen.upper < low).mean(axis=0) >= 1 - limit] = BELOW
    state[(seen.lower > high).mean(axis=0) >= 1 - limit] = ABOVE
    side = np.minimum((seen.upper >= expected).sum(axis=0), (seen.lower <= expected).sum(axis=0))
    ends = np.quantile(expected, [alpha / 2, 1 - alpha / 2], axis=0)
    p = np.minimum(1.0, 2 * (side + 1) / (DRAWS + 1))
    return Against(np.median(expected, axis=0), ends[0], ends[1], state, p)


def _rate(odds: Floats) -> Floats:
    return odds / (1 + odds)


def _likeliest(lengths: Floats, successes: Floats, n: Floats) -> Floats:
    """(B, K) counts -> (B,) the q of the likeliest q^L. The score falls in log q, so it is bisected."""
    low, high = np.full(len(successes), -60.0), np.full(len(successes), -1e-12)
    for _ in range(40):
        middle = (low + high) / 2
        wrong = -np.expm1(middle[:, None] * lengths)
        score = ((successes - n * (1 - wrong)) / wrong) @ lengths
        low, high = np.where(score > 0, middle, low), np.where(score > 0, high, middle)
    return np.asarray(np.exp((low + high) / 2))


def _deviance(lengths: Floats, successes: Floats, n: Floats, q: Floats) -> Floats:
    """(B,) of counts (B, K) from q^L with q (B,)."""
    from scipy.special import xlogy

    rate = np.clip(q[:, None] ** lengths, 1e-300, 1 - 1e-16)
    share = successes / n
    return np.asarray(
        2 * n @ np.moveaxis(xlogy(share, share / rate) + xlogy(1 - share, (1 - share) / (1 - rate)), 1, 0)
    )


def _design(lengths: Floats, weights: Floats, terms: int) -> Floats:
    """(terms, K) rows that give the weighted least-squares coefficients of 1, L, L²."""
    basis = np.vander(lengths, terms, increasing=True)
    root = np.sqrt(weights / weights.max())
    return np.asarray(np.linalg.pinv(basis * root[:, None]) * root)


def _bent(lengths: Floats, values: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """(B, K) values -> (B,) slopes of a line, (B,) coefficients of the square of the length."""
    slope = values @ _design(lengths, weights, 2)[1]
    if lengths.size < 3:
        return slope, np.full(len(values), np.nan)
    return slope, values @ _design(lengths, weights, 3)[2]


def _bent_error(lengths: Floats, errors: Floats, weights: Floats) -> float:
    if lengths.size < 3:
        return float("nan")
    return float(np.sqrt(np.square(_design(lengths, weights, 3)[2] * errors).sum()))


def _lengths(lengths: ArrayLike) -> Floats:
    size = np.asarray(lengths, dtype=np.float64)
    if size.ndim != 1 or size.size < 2 or size[0] < 1 or (np.diff(size) <= 0).any():
        raise SettingsError("there must be two lengths or more, of 1 or more, increasing", where="lengths")
    return size


def _checked(lengths: ArrayLike, successes: ArrayLike, n: ArrayLike) -> tuple[Floats, Floats, Floats]:
    size = _lengths(lengths)
    k, items = (np.asarray(v, dtype=np.float64) for v in (successes, n))
    if (
        k.shape != size.shape
        or items.shape != size.shape
        or not ((items > 0) & (k >= 0) & (k <= items)).all()
    ):
        raise SettingsError("there must be 0 to n right answers a length", where="successes")
    return size, k, items
