"""Whether items that stand near one another in a file score alike: a sign of unnamed clusters.

Not a correction: it says that items may not be independent, and the user then has to name clusters.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from unmirage.statistics._arrays import Floats, Seed, check_at_least, generator, score_matrix

_BLOCK_BYTES = 64 * 2**20


@dataclass(frozen=True)
class SerialDependence:
    """The strongest autocorrelation of item scores in file order.

    Attributes
    ----------
    lag: distance in items, 1..max_lag, at which it was found; 0 where there is none to compute.
    correlation: the autocorrelation there, in [-1, 1]; NaN where there is none to compute.
    p_value: chance of one as large at any of the lags, were the items in random order; NaN likewise.
    """

    lag: int
    correlation: float
    p_value: float


def serial_dependence(
    values: ArrayLike, max_lag: int = 20, *, permutations: int = 999, seed: Seed = 0
) -> SerialDependence:
    """Test that the items are in exchangeable order.

    The scores are centred by column (model) and averaged over the columns; that series x has
    r_k = Σ x_i x_{i+k} / Σ x_i² at lag k. The statistic is the largest |r_k| over lags 1..max_lag (at
    most n-1); its p-value, (1 + #{permuted >= observed}) / (permutations + 1), comes from permutations of
    the items, so that it is exact and counts the search over lags.

    It catches a benchmark that was written from templates in turn (lag = number of templates), a
    passage with several questions each (lag 1), blocks of one topic, and a drift of difficulty along
    the file. It does not catch templates that were shuffled, pairs farther apart than max_lag, or
    clusters whose items no more agree in difficulty than others do. A hit is a reason to name clusters;
    no hit is no proof that there are none.

    Parameters: values (n, m), finite, rows in file order; max_lag >= 1; permutations >= 1; seed: a
    generator, which is moved on, or an integer.
    Returns lag 0 and NaN where n < 3 or the averaged scores do not vary.
    Raises SettingsError on values that are not finite, or options out of range.
    """
    scores = score_matrix(values)
    check_at_least("max_lag", max_lag, 1)
    check_at_least("permutations", permutations, 1)
    rng = generator(seed)
    n = scores.shape[0]
    series = (scores - scores.mean(axis=0)).mean(axis=1) if scores.shape[1] else np.zeros(n)
    energy = float(series @ series)
    # Rounding in the centring leaves about 1e-16 of the scores; what is below is no variation.
    if n < 3 or energy <= n * (1e-12 * np.abs(scores).max(initial=0.0)) ** 2:
        return SerialDependence(lag=0, correlation=np.nan, p_value=np.nan)

    lags = min(max_lag, n - 1)
    observed = _autocovariances(series[None], lags)[0] / energy
    best = int(np.abs(observed).argmax())
    # An order that gives the same value must count, although its sum was rounded otherwise.
    bar = abs(observed[best]) - 1e-10
    rows = max(1, _BLOCK_BYTES // (32 * (n + lags)))
    reached = 0
    for start in range(0, permutations, rows):
        size = min(rows, permutations - start)
        shuffled = rng.permuted(np.broadcast_to(series, (size, n)), axis=1)
        reached += int((np.abs(_autocovariances(shuffled, lags)).max(axis=1) / energy >= bar).sum())
    return SerialDependence(
        lag=best + 1, correlation=float(observed[best]), p_value=(1 + reached) / (permutations + 1)
    )


def _autocovariances(rows: Floats, lags: int) -> Floats:
    """Σ x_i x_{i+k} of each row for k = 1..lags: (rows, lags)."""
    from scipy.fft import next_fast_len

    # Zeros on the last `lags` places keep the circular sums of these lags from wrapping round.
    length = int(next_fast_len(rows.shape[1] + lags, real=True))
    spectrum = np.fft.rfft(rows, n=length, axis=1)
    power = spectrum.real**2 + spectrum.imag**2
    return np.asarray(np.fft.irfft(power, n=length, axis=1)[:, 1 : lags + 1], dtype=np.float64)
