"""Rows of a batch by unit and by model: the codes and sums that totals are made of."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from unmirage.streaming.exact import Floats, Ints
from unmirage.streaming.hashing import Hashes

Bools = npt.NDArray[np.bool_]

# The first bits of a hash find its place in a batch; the last ones are the bucket of a folded unit.
_BITS = 16
_FEW = 2048


def distinct(hashes: Hashes, most: int) -> Hashes | None:
    """The hashes that differ, ascending; None if they are more than `most` (far fewer than 2^16)."""
    if len(hashes) <= _FEW:
        found = np.unique(hashes)
        return found if len(found) <= most else None
    slots = (hashes >> np.uint64(64 - _BITS)).astype(np.int64)
    table = np.zeros(2**_BITS, dtype=np.uint64)
    taken = np.zeros(2**_BITS, dtype=np.bool_)
    table[slots], taken[slots] = hashes, True
    first = table[taken]
    if len(first) > most:
        return None
    found = np.union1d(first, hashes[table[slots] != hashes])
    return found if len(found) <= most else None


def places(hashes: Hashes, known: Hashes) -> Ints:
    """(n,) the index of each hash in `known`, which is ascending and holds them all."""
    if len(hashes) <= _FEW:
        return np.searchsorted(known, hashes)
    shift = np.uint64(64 - _BITS)
    index = np.zeros(2**_BITS, dtype=np.int64)
    index[(known >> shift).astype(np.int64)] = np.arange(len(known))
    at: Ints = index[(hashes >> shift).astype(np.int64)]
    rest = np.flatnonzero(known[at] != hashes)
    at[rest] = np.searchsorted(known, hashes[rest])
    return at


def scatter(into: Ints, at: Ints, values: Floats, quantum: float) -> None:
    """Add multiples of a quantum (n,), in quanta, at flat places (n,) of a table."""
    flat = into.reshape(-1)
    if flat.size > 4 * len(at):
        np.add.at(flat, at, (values * (1 / quantum)).astype(np.int64))
        return
    sums = np.bincount(at, values, flat.size)
    flat += (sums * (1 / quantum)).astype(np.int64)


def count(into: Ints, at: Ints) -> None:
    """Add 1 at flat places (n,) of a table."""
    flat = into.reshape(-1)
    if flat.size > 4 * len(at):
        np.add.at(flat, at, np.int64(1))
    else:
        flat += np.bincount(at, minlength=flat.size)


class Runs:
    """Rows in order of their model: each model's rows are one run.

    Attributes
    ----------
    codes: (n,) the model of each row, ascending. models: (R,) those that have rows.
    starts, sizes: (R,) of their runs.
    """

    def __init__(self, codes: Ints) -> None:
        """Parameters: codes (n,), ascending, n at least 1."""
        self.codes = codes
        self.starts = np.concatenate([[0], np.flatnonzero(codes[1:] != codes[:-1]) + 1])
        self.models = codes[self.starts]
        self.sizes = np.diff(self.starts, append=len(codes))

    def sums(self, values: Floats, quantum: float = 1.0) -> Ints:
        """(R,) sums of multiples of a quantum (n,), in quanta."""
        return (np.add.reduceat(values, self.starts) * (1 / quantum)).astype(np.int64)

    def bounds(self, values: Floats) -> tuple[Floats, Floats]:
        """(R,) the smallest and the largest value."""
        return np.minimum.reduceat(values, self.starts), np.maximum.reduceat(values, self.starts)

    def binary(self, values: Floats, low: Floats, high: Floats) -> Bools:
        """(R,) whether every value is 0 or 1; low and high are the bounds."""
        possible = (low >= 0) & (high <= 1)
        if not possible.any():
            return possible
        return possible & np.logical_and.reduceat((values == 0) | (values == 1), self.starts)
