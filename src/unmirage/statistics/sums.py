"""Standard errors and bootstrap replicates of means from sums over units, without the items.

A unit is what is resampled: a cluster of items, or an item that is its own. Not for scores of items
themselves (see `clustered` and `resampling`). Units may be added together at random before (folded): the
error of C units is then estimated from fewer, with a relative error of about 1/sqrt(2C).
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unmirage.errors import SettingsError
from unmirage.statistics._arrays import Floats, Ints, Seed, check_at_least, generator, score_matrix

Bytes = NDArray[np.uint8]

# Weights made at a time: as many bytes fit into a second-level cache, and as many floats beside them.
_WEIGHTS = 2**18
_FLOATS = 2**15
_ROWS = 8
# With more columns than these it pays to multiply more weights at a time, up to 64 MiB of them.
_FEW = 32
_MORE = 2**23
# A Poisson count of mean 1 or less is above this with probability 1e-22.
_MOST = 21
# So many standard deviations below C are drawn independently; the rest are added draw by draw.
_BELOW = 2.0


def stderr_of_sums(sums: ArrayLike, sizes: ArrayLike) -> Floats:
    """Standard error of each column mean, as :func:`clustered_stderr` has it, from the sums of the units.

    SE² = C/(C-1) · (1/n²) · Σ_c (S_c - mean · n_c)², with S_c the sum of unit c and n_c its items.

    Parameters: sums (C, m), finite; sizes (C,), at least 0, not all 0.
    Returns (m,); NaN where there is one unit.
    Raises SettingsError on other values.
    """
    totals, items = _checked(sums, sizes)
    units, n = len(items), items.sum()
    if units == 1:
        return np.full(totals.shape[1], np.nan)
    apart = totals - np.outer(items, totals.sum(axis=0) / n)
    return np.asarray(np.sqrt((apart**2).sum(axis=0) * units / (units - 1)) / n, dtype=np.float64)


def resample_sums(sums: ArrayLike, sizes: ArrayLike, replicates: int = 2000, seed: Seed = 0) -> Floats:
    """Bootstrap replicates of the column means, all columns from the same resamples of the units.

    A replicate draws C units of C; with the multiplicities w it is Σ w·S / Σ w·n, as in
    :func:`resample_means`, whose draws are others (those of scipy): these, of :func:`unit_weights`, are made
    two to three times as fast, and are as exactly multinomial.

    Parameters: sums (C, m), finite; sizes (C,) items of the units, at least 0, not all 0; replicates, at
    least 1; seed: a generator, which is moved on, or an integer. The same seed gives the same bytes.
    Returns (replicates, m); NaN with a single unit, and where a replicate drew units without items only.
    Raises SettingsError on other values.
    """
    totals, items = _checked(sums, sizes)
    check_at_least("replicates", replicates, 1)
    units, rng = len(items), generator(seed)
    if units == 1:
        return np.full((replicates, totals.shape[1]), np.nan)
    both = np.column_stack([totals, items])
    drawn = np.empty((replicates, both.shape[1]))
    floats = np.empty((min(_rows(units, both.shape[1]), replicates), units))
    done = filled = 0
    for block in _blocks(units, replicates, rng):
        while len(block):
            part, block = np.split(block, [len(floats) - filled])
            floats[filled : filled + len(part)] = part
            filled += len(part)
            if filled == len(floats) or done + filled == replicates:
                np.matmul(floats[:filled], both, out=drawn[done : done + filled])
                done, filled = done + filled, 0
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(drawn[:, :-1] / drawn[:, -1:], dtype=np.float64)


def unit_weights(units: int, replicates: int, seed: Seed) -> Bytes:
    """How often each unit is drawn: exactly multinomial, C units out of C with equal chances.

    Given their sum, independent Poisson counts are multinomial. So each unit gets a Poisson count of a mean
    just below 1, a replicate whose counts exceed C is drawn again, and what lacks of C is drawn unit by unit.

    Parameters: units, replicates, at least 1; seed: a generator, which is moved on, or an integer.
    Returns (replicates, units); each row sums to `units` (a count above 255 has no chance). With the same
    seed these are the multiplicities that :func:`resample_sums` uses.
    Raises SettingsError on bad numbers or seed.
    """
    check_at_least("units", units, 1)
    check_at_least("replicates", replicates, 1)
    return np.concatenate([block.copy() for block in _blocks(units, replicates, generator(seed))])


def _checked(sums: ArrayLike, sizes: ArrayLike) -> tuple[Floats, Floats]:
    totals, items = score_matrix(sums), np.asarray(sizes, dtype=np.float64)
    if items.shape != (len(totals),) or not ((items >= 0) & np.isfinite(items)).all() or not items.any():
        raise SettingsError(
            f"shape {items.shape} is not one number of items for each of {len(totals)} units, none below 0",
            where="sizes",
        )
    return totals, items


def _blocks(units: int, replicates: int, rng: np.random.Generator) -> Iterator[Bytes]:
    """Multiplicities (rows, C), block after block; each is overwritten by the next."""
    rows = min(max(_ROWS, _WEIGHTS // units), replicates)
    poisson = _Poisson(max(0.0, 1.0 - _BELOW / math.sqrt(units)), rows * units)
    for start in range(0, replicates, rows):
        size = min(rows, replicates - start)
        block = poisson.draw(rng, size * units).reshape(size, units)
        lacking = units - _row_sums(block)
        while (over := np.flatnonzero(lacking < 0)).size:
            again = _Poisson(poisson.mean, over.size * units).draw(rng, over.size * units)
            block[over] = again.reshape(over.size, units)
            lacking[over] = units - _row_sums(block[over])
        added: Ints = rng.integers(0, units, int(lacking.sum()))
        added += np.repeat(np.arange(size) * units, lacking)
        np.add.at(block.reshape(-1), added, np.uint8(1))
        yield block


def _rows(units: int, columns: int) -> int:
    """Replicates that are multiplied at a time."""
    if columns <= _FEW:
        return max(_ROWS, _FLOATS // units)
    return max(_ROWS, min(256, _MORE // units))


def _row_sums(block: Bytes) -> Ints:
    return np.asarray(block.sum(axis=1, dtype=np.uint32), dtype=np.int64)


class _Poisson:
    """Poisson counts, from a random byte each.

    Of 256 bytes count k has as many as fit into its probability; the few that are left over share the rest of
    the probabilities, by a second random number.
    """

    def __init__(self, mean: float, size: int) -> None:
        self.mean = mean
        chances = [math.exp(-mean)]
        while len(chances) <= _MOST:
            chances.append(chances[-1] * mean / len(chances))
        share = 256 * np.array(chances)
        whole = np.floor(share)
        self.ends = [int(end) for end in np.cumsum(whole[whole > 0])]
        self.rest = np.cumsum(share - whole)
        self.counts, self.scratch = np.empty(size, dtype=np.uint8), np.empty(size, dtype=np.bool_)

    def draw(self, rng: np.random.Generator, size: int) -> Bytes:
        """(size,) counts, at most as many as there is room for; overwritten by the next."""
        words = rng.integers(0, 2**64, -(-size // 8), dtype=np.uint64)
        raw = words.astype("<u8", copy=False).view(np.uint8)[:size]
        counts, scratch = self.counts[:size], self.scratch[:size]
        counts.fill(0)
        for end in self.ends:
            np.greater_equal(raw, end, out=scratch)
            np.add(counts, scratch.view(np.uint8), out=counts)
        at = np.flatnonzero(scratch)
        where = rng.random(at.size) * self.rest[-1]
        counts[at] = np.searchsorted(self.rest, where, side="right")
        return counts
