"""Sums of floats that come out the same, to the last bit, in any order and any split.

A number is cut along a fixed grid into whole multiples of the quanta q_j = 2^(32j - 22): from the highest
level down, what is left is rounded to the nearest multiple of q_j. Each part is at most 2^31 quanta, so the
parts of up to 2^21 numbers add without rounding in float64, and those of up to 2^32 in 64-bit integers. How a
number is cut depends on nothing but the number, and whole numbers add in any order.

Of a set of numbers whose largest has the exponent e, |x| < 2^e, the levels from `highest(e)` down to
`lowest(e)` are kept: the quantum of the lowest is at most 2^(e-53), so that what is cut off is at most half a
unit in the last place of the largest number. Most scores need two levels, whole numbers up to 512 one.
Numbers below 2^-983 count as 0; those from `LIMIT` on cannot be cut.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Exponents = npt.NDArray[np.int32]

BITS = 32
OFFSET = 22
# The exponent of a set of zeros.
ZERO = -(2**20)
LIMIT = 2.0**1000
# Squares of numbers up to 2^SQUARED can be cut too.
SQUARED = 499
_LEAST_LEVEL = -30
_PRECISION = 53
# Numbers cut at a time: they fit into a cache.
_CHUNK = 2**14
# Rows added at a time: they fit into a cache, and are fewer than the 2^21 that float64 allows.
ROWS = 2**16


def quantum(level: int) -> float:
    """The quantum of a level, a power of two."""
    return float(2.0 ** (BITS * level - OFFSET))


def exponents(largest: Floats) -> Exponents:
    """The smallest e with |x| < 2^e; `ZERO` for 0.

    Parameters
    ----------
    largest: finite, not negative, of any shape.
    """
    found = np.frexp(largest)[1].astype(np.int32)
    return np.where(largest == 0, np.int32(ZERO), found)


def highest(exponent: int) -> int:
    """The first level on which a number below 2^exponent can have a part other than 0."""
    return -((BITS - OFFSET - 1 - exponent) // BITS)


def lowest(exponent: Exponents) -> Exponents:
    """The last level that is kept for numbers below 2^exponent."""
    return np.maximum((exponent + OFFSET - _PRECISION) // BITS, _LEAST_LEVEL)


def parts(values: Floats, exponent: Exponents) -> Iterator[tuple[int, Floats]]:
    """(level, (n,) parts, multiples of its quantum), from the top; levels that nothing reaches are left out.

    Parameters
    ----------
    values: (n,) finite.
    exponent: of the largest in each set that they fall into; the levels of all sets are given.
    """
    some = exponent[exponent > ZERO]
    if not some.size:
        return
    levels = range(highest(int(some.max())), int(lowest(some).min()) - 1, -1)
    out, used = np.empty((len(levels), len(values))), np.zeros(len(levels), dtype=np.bool_)
    for start in range(0, len(values), _CHUNK):
        rest = values[start : start + _CHUNK].copy()
        for place, level in enumerate(levels):
            part = out[place, start : start + _CHUNK]
            # The last bit of what is added is worth one quantum: the sum is rounded to it.
            np.add(rest, 1.5 * 2.0**52 * quantum(level), out=part)
            part -= 1.5 * 2.0**52 * quantum(level)
            used[place] = True
            if place + 1 == len(levels):
                break
            rest -= part
            if not rest.any():
                out[place + 1 :, start : start + _CHUNK] = 0
                break
    yield from ((level, out[place]) for place, level in enumerate(levels) if used[place])


def total(sums: Mapping[int, Ints], shape: tuple[int, ...]) -> Floats:
    """The sums as floats, to within one unit in the last place of the largest part.

    Parameters
    ----------
    sums: level -> sums of parts, each of this shape; a level that is not there is 0.
    """
    out = np.zeros(shape)
    for level, parts_of_it in sorted(sums.items()):
        out += parts_of_it * quantum(level)
    return out


def variances(sums: Mapping[int, Ints], squares: Mapping[int, Ints], n: Ints) -> Floats:
    """(m,) variances over n - 1 from exact sums of n numbers and of their squares; NaN for n below 2.

    Nothing is lost but the rounding of each square: of the variance at most 2^-52 (largest/scatter)².
    """
    first, second = min(sums, default=0), min(squares, default=0)
    # All in whole multiples of 2^-unit.
    scale, squared_scale = 2 * (OFFSET - BITS * first), OFFSET - BITS * second
    unit = max(scale, squared_scale, 0)
    out = np.full(n.shape, np.nan)
    plain, squared = whole(sums, first, n.size), whole(squares, second, n.size)
    for i, (count, one, two) in enumerate(zip(n.tolist(), plain, squared, strict=True)):
        if count > 1:
            apart = (count * two << unit - squared_scale) - (one * one << unit - scale)
            out[i] = max(apart, 0) / (count * (count - 1) << unit)
    return out


def whole(sums: Mapping[int, Ints], level: int, size: int) -> list[int]:
    """The sums, of shape (size,), in quanta of a level no higher than any of theirs."""
    out = [0] * size
    for at, limbs in sums.items():
        shift = BITS * (at - level)
        out = [before + (int(limb) << shift) for before, limb in zip(out, limbs, strict=True)]
    return out
