"""Exact tests of a number of right answers against guessing.

Not for intervals (see `intervals`), nor for what n items could show at best (see `resolution`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from unmirage.errors import SettingsError
from unmirage.statistics._arrays import Floats, probabilities

# Up to this many items no convolution is longer than DIRECT_TERMS; above, the longest go by Fourier
# transform, whose errors are absolute: about 1e-17 an entry, so that a tail of them is known to 1e-13.
DIRECT_ITEMS = 30_000
DIRECT_TERMS = (DIRECT_ITEMS // 2 + 1) ** 2
FFT_FLOOR = 1e-13
# A probability that is never seen in a sum.
NEVER = 1e-300


def p_above_chance(successes: float, chance: ArrayLike, *, effective_n: float | None = None) -> float:
    """One-sided exact p-value, P(X >= successes) when every item is a guess.

    Binomial where all items have the same chance (equal to ``scipy.stats.binom.sf(k-1, n, chance)``),
    Poisson-binomial where chance varies (see :func:`poisson_binomial_pmf`). With every chance 0 it is 1.0 at
    0 successes, else 0.0.

    With `effective_n` (clustered items; see :func:`unmirage.statistics.effective_items`) the counts are
    scaled to that many items and the tail is the regularised incomplete beta I_c(k, n-k+1) at real k and n,
    with c the mean chance. Equal to the binomial at whole numbers; where chance varies it errs on the
    safe side for counts above the expected one, as the Poisson-binomial is narrower (Hoeffding 1956).

    Parameters: successes in [0, n], a whole number unless `effective_n` is given; chance (n,), each in
    [0, 1]; effective_n in (0, n].
    Returns a p-value in [0, 1]. Its relative precision is kept far into the tail, except for chances that
    vary over more than 30,000 items: there values below 1e-13 are given as 1e-13.
    Raises SettingsError on values outside these ranges.
    """
    from scipy.special import betainc

    c = probabilities("chance", chance)
    if c.ndim != 1 or c.size == 0:
        raise SettingsError(f"shape {c.shape} is not one chance an item", where="chance")
    n = c.size
    if not 0 <= successes <= n:
        raise SettingsError(f"{successes} successes in {n} items are impossible", where="successes")
    if effective_n is not None and not 0 < effective_n <= n:
        raise SettingsError(f"{effective_n} is not in (0, {n}]", where="effective_n")
    if effective_n is None and successes != int(successes):
        raise SettingsError(
            f"{successes} is not a whole number",
            where="successes",
            hint="Scores that are not 0 or 1 need effective_n: the number of items, if independent.",
        )
    if successes == 0:
        return 1.0
    if effective_n is not None or (c == c[0]).all():
        items = float(n) if effective_n is None else float(effective_n)
        k = successes * items / n
        return float(betainc(k, items - k + 1, c.mean() if effective_n is not None else c[0]))
    tail = float(_convolved(c)[int(successes) :].sum())
    return min(1.0, tail if n <= DIRECT_ITEMS else max(tail, FFT_FLOOR))


def poisson_binomial_pmf(p: ArrayLike) -> Floats:
    """Distribution of the number of successes of independent items with probabilities p.

    Items of equal probability are one binomial; the binomials are convolved in pairs. Up to 30,000 items
    directly: only positive terms are added, so each entry keeps its relative precision (about 1e-12).
    Above that the longest convolutions go by Fourier transform, with absolute errors of about 1e-17.

    Parameters: p (n,), each in [0, 1]; n may be 0.
    Returns (n+1,): entry k is P(X = k).
    Raises SettingsError on another shape or a value outside [0, 1].
    """
    probability = probabilities("p", p)
    if probability.ndim != 1:
        raise SettingsError(f"shape {probability.shape} is not one probability an item", where="p")
    return np.maximum(_convolved(probability), 0.0)


def _convolved(probability: Floats) -> Floats:
    """The distribution before its Fourier rounding is cut at 0: cutting would bias the sum of a tail."""
    values, sizes = np.unique(np.where(probability < NEVER, 0.0, probability), return_counts=True)
    parts = [(0, np.ones(1))]  # the first number of successes, and the distribution from there on
    for value, size in zip(values.tolist(), sizes.tolist(), strict=True):
        one = np.array([1 - value, value]) if size == 1 else _binomial(size, value)
        parts.append(_without_ends(0, one))
    while len(parts) > 1:
        parts.sort(key=lambda part: len(part[1]))
        pairs = [
            _without_ends(start + later, _convolve(a, b))
            for (start, a), (later, b) in zip(parts[0:-1:2], parts[1::2], strict=True)
        ]
        parts = pairs + parts[2 * len(pairs) :]
    start, found = parts[0]
    return np.pad(found, (start, probability.size + 1 - start - found.size))


def _without_ends(start: int, pmf: Floats) -> tuple[int, Floats]:
    """A distribution without what is never seen in a sum at its ends; not worth it for a short one."""
    if pmf.size < 1000:
        return start, pmf
    seen = np.flatnonzero(pmf > NEVER)
    return start + int(seen[0]), pmf[seen[0] : seen[-1] + 1]


def _binomial(n: int, p: float) -> Floats:
    """(n+1,) the binomial distribution, to some 1e-13 of each entry."""
    mode = min(int((n + 1) * p), n)
    more, fewer = np.arange(mode, n), np.arange(mode, 0, -1)
    return _from_mode((n - more) * p / ((more + 1) * (1 - p)), fewer * (1 - p) / ((n - fewer + 1) * p))


def _from_mode(up: Floats, down: Floats) -> Floats:
    """A distribution from the ratios of each entry to the one before it, away from the mode on both sides."""
    weights = np.concatenate([np.cumprod(down)[::-1], [1.0], np.cumprod(up)])
    return np.asarray(weights / weights.sum())


def _convolve(a: Floats, b: Floats) -> Floats:
    if len(a) * len(b) <= DIRECT_TERMS:
        return np.convolve(a, b)
    from scipy.signal import fftconvolve

    return np.asarray(fftconvolve(a, b), dtype=np.float64)


def binomial_tail(k: ArrayLike, n: ArrayLike, p: float) -> Floats:
    """P(X >= k) for X binomial(n, p), at whole or real k and n; arrays broadcast. 1 for k <= 0, 0 for k > n.

    Raises SettingsError on a p outside [0, 1].
    """
    from scipy.special import betainc

    probabilities("p", p)
    successes, items = np.broadcast_arrays(np.asarray(k, dtype=float), np.asarray(n, dtype=float))
    inside = (successes > 0) & (successes <= items)
    tail = betainc(np.where(inside, successes, 1.0), np.where(inside, items - successes + 1, 1.0), p)
    return np.where(inside, tail, np.where(successes <= 0, 1.0, 0.0))


def hypergeometric_tail(k: int, draws: int, successes: int, population: int) -> float:
    """P(X >= k) for the number X of successes in draws without putting back.

    Equal to ``scipy.stats.hypergeom.sf(k - 1, population, successes, draws)``; relative precision is kept far
    into the tail.

    Parameters: whole numbers, draws and successes in [0, population].
    Raises SettingsError on values outside these ranges.
    """
    if not (0 <= draws <= population and 0 <= successes <= population):
        raise SettingsError(
            f"{draws} draws, {successes} successes in {population} are impossible",
            where="hypergeometric_tail",
        )
    least, most = max(0, draws + successes - population), min(draws, successes)
    if k <= least:
        return 1.0
    mode = (draws + 1) * (successes + 1) // (population + 2)
    others = population - draws - successes
    more, fewer = np.arange(mode, most, dtype=np.float64), np.arange(mode, least, -1, dtype=np.float64)
    pmf = _from_mode(
        (successes - more) * (draws - more) / ((more + 1) * (others + more + 1)),
        fewer * (others + fewer) / ((successes - fewer + 1) * (draws - fewer + 1)),
    )
    return min(1.0, float(pmf[k - least :].sum()))
