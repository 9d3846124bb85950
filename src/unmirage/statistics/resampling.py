"""Bootstrap over items or clusters of items: one resample serves every model and metric of a task.

Not for drawing model replicates or fitting curves: it gives replicate means, and the caller applies to
them whatever function it needs (a difference, a ratio, a fit).

The mechanism. A replicate draws C clusters out of C with replacement; what it amounts to is a vector of
C multiplicities (how often each cluster was drawn), and the replicate mean of a column is a ratio of
sums, Σ multiplicity·(sum of the cluster) / Σ multiplicity·(items in the cluster). The same vector is used
for every column, so that the correlation of models over shared items is kept: the replicates of a
difference are the differences of the replicates.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike

from unmirage.errors import SettingsError
from unmirage.statistics._arrays import (
    Floats,
    Ints,
    Seed,
    check_at_least,
    check_fraction,
    cluster_codes,
    cluster_sums,
    generator,
    score_matrix,
)

BLOCK_BYTES = 64 * 2**20
# One multiplicity in the making: the draw, its count and the weight as a float, eight bytes each.
_BYTES_A_DRAW = 24


def resample_weights(clusters: ArrayLike, replicates: int, seed: Seed) -> Ints:
    """Cluster multiplicities, exactly multinomial: C clusters drawn out of C, with equal chances.

    Parameters
    ----------
    clusters: (n,) cluster codes 0..C-1 of the items, every code in use.
    replicates: how many, at least 1.
    seed: a generator, which is moved on, or an integer.

    Returns (replicates, C) int64; each row sums to C. All of it is held in memory: 8·replicates·C bytes.
    With the same seed these are the multiplicities that :func:`resample_means` uses.
    Raises SettingsError on bad codes, replicates or seed.
    """
    check_at_least("replicates", replicates, 1)
    given = np.asarray(clusters)
    codes = cluster_codes(given, given.size)
    return np.concatenate(list(_blocks(int(codes.max()) + 1, replicates, generator(seed), BLOCK_BYTES)))


def resample_means(
    values: ArrayLike,
    clusters: ArrayLike | None = None,
    replicates: int = 2000,
    seed: Seed = 0,
    *,
    block_bytes: int = BLOCK_BYTES,
) -> Floats:
    """Bootstrap replicates of the column means, all columns from the same resamples.

    Parameters
    ----------
    values: (n, m) scores, one row an item; any finite numbers. A metric that is not a mean over items
        goes in as its components, one column each, and is computed from the replicates.
    clusters: (n,) cluster codes 0..C-1; None where every item stands for itself.
    replicates: how many, at least 1.
    seed: a generator, which is moved on, or an integer. The same seed gives the same bytes.
    block_bytes: memory for the draws, about; one replicate takes 24·C bytes and is never split. It has
        no influence on the resamples; sums that are exact in 64 bits (0/1 scores) are the same to the
        last bit, others up to the order of summation in one matrix product.

    Returns (replicates, m). With a single cluster all are NaN: there is nothing to resample, and an
    interval of width 0 would be false.

    Without clusters the draws are those of ``scipy.stats.bootstrap`` with the same generator.
    Raises SettingsError on a value that is not finite, and on bad codes, replicates or seed.
    """
    scores = score_matrix(values)
    check_at_least("replicates", replicates, 1)
    check_at_least("block_bytes", block_bytes, 1)
    codes = cluster_codes(clusters, scores.shape[0])
    n_clusters = int(codes.max()) + 1
    rng = generator(seed)
    if n_clusters == 1:
        return np.full((replicates, scores.shape[1]), np.nan)

    sizes = np.bincount(codes).astype(np.float64)
    totals = np.column_stack([cluster_sums(scores, codes), sizes])
    means = np.empty((replicates, scores.shape[1]))
    done = 0
    for block in _blocks(n_clusters, replicates, rng, block_bytes):
        drawn = block.astype(np.float64) @ totals
        means[done : done + len(block)] = drawn[:, :-1] / drawn[:, -1:]
        done += len(block)
    return means


def percentile_interval(
    replicates: ArrayLike, confidence: float = 0.95, units: int | None = None
) -> tuple[Floats, Floats]:
    """The central `confidence` of the replicates of each column (linear quantiles, as scipy's).

    A percentile interval of few units is too narrow: their scatter is sqrt((C-1)/C) of what it should be, and
    a normal quantile stands where Student's belongs. With `units` C the quantiles are moved out by as much:
    from a/2 to the normal tail of sqrt(C/(C-1)) · t(C-1, 1-a/2) (the expanded percentile interval of
    Hesterberg 2015, The American Statistician 69, 371, Sec. 4.3).

    Too narrow for rates near 0 or 1 even so (`benchmarks/interval_coverage.py`): there, see `intervals`.

    Parameters: replicates (B, m), B >= 1; confidence in (0, 1); units, 2 or more, how many items or clusters
    were resampled, or None for the plain interval.
    Returns (low, high), each (m,); NaN for a column that holds a NaN.
    Raises SettingsError on another shape or an impossible confidence.
    """
    from scipy.special import ndtr, stdtrit

    check_fraction("confidence", confidence)
    array = np.asarray(replicates, dtype=np.float64)
    if array.ndim != 2 or array.shape[0] == 0:
        raise SettingsError(f"shape {array.shape} is not (replicates, columns)", where="replicates")
    tail = (1 - confidence) / 2
    if units is not None:
        check_at_least("units", units, 2)
        tail = float(ndtr(-np.sqrt(units / (units - 1)) * stdtrit(units - 1, 1 - tail)))
    low, high = np.quantile(array, [tail, 1 - tail], axis=0)
    return low, high


def _blocks(n_clusters: int, replicates: int, rng: np.random.Generator, block_bytes: int) -> Iterator[Ints]:
    """Multiplicities (rows, C), block after block, from one stream that no block size disturbs."""
    rows = max(1, block_bytes // (_BYTES_A_DRAW * n_clusters))
    for start in range(0, replicates, rows):
        size = min(rows, replicates - start)
        draws = rng.integers(0, n_clusters, size=(size, n_clusters))
        draws += np.arange(size)[:, None] * n_clusters
        yield np.bincount(draws.ravel(), minlength=size * n_clusters).reshape(size, n_clusters)
