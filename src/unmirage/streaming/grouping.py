"""Rows of a batch by unit and in runs: the places and sums that totals are made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from unmirage.streaming.exact import Floats, Ints
from unmirage.streaming.hashing import Hashes

Bools = npt.NDArray[np.bool_]

# The first bits of a hash find its place in a batch; the last ones are the bucket of a folded unit.
_BITS = 16
_FEW = 2048
# Rows of a run on average, below which rows are put in order.
_SHORT = 64
# Of so many rows of a task at most it is kept what they held.
_KEPT = 2**14


@dataclass(frozen=True)
class Answers:
    """Which model answered which item, when: (n,) arrays.

    Attributes
    ----------
    models: places in a cell's models, -1 where there is no curve.
    items, units: hashes of the items' names, and of what is resampled.
    epochs: whole numbers.
    """

    models: Ints
    items: Hashes
    units: Hashes
    epochs: Ints

    def take(self, rows: Ints | slice) -> Answers:
        """Some of the rows."""
        return Answers(self.models[rows], self.items[rows], self.units[rows], self.epochs[rows])


class _Cut(Protocol):
    def __len__(self) -> int: ...

    def __getitem__(self, cut: slice, /) -> Any: ...


T = TypeVar("T", bound=_Cut)


class Lately(Generic[T]):
    """What rows of each task held before: models that follow each other often have the same items.

    Parameters: same: whether two pieces of equal length hold the same.
    """

    def __init__(self, same: Callable[[T, T], bool]) -> None:
        self._same = same
        self._last: dict[int, T] = {}

    def again(self, cell: int, rows: T) -> slice | None:
        """Which of the rows that are kept hold the same as these (n,), n at least 1; None if none do."""
        last, n = self._last.get(cell), len(rows)
        if last is None or n > len(last):
            return None
        for start in {0, len(last) - n}:
            if self._same(last[start : start + n], rows):
                return slice(start, start + n)
        return None

    def keep(self, cell: int, rows: T) -> bool:
        """Keep these rows, unless they are too many, or few beside those that are kept."""
        wanted = len(self._last.get(cell, ())) // 2 <= len(rows) <= _KEPT
        if wanted:
            self._last[cell] = rows
        return wanted


def stretches(codes: Ints) -> tuple[Ints, Ints | None]:
    """Where stretches of equal codes (n,) begin, and an order (n,) of the rows in which they are long; None
    where they lie so."""
    starts = changes(codes)
    if long(starts, len(codes)):
        return starts, None
    order = np.argsort(codes, kind="stable")
    return changes(codes[order]), order


def long(starts: Ints, rows: int) -> bool:
    """Whether runs of rows are long enough on average to be taken one by one."""
    return len(starts) * _SHORT <= rows


def changes(codes: Ints) -> Ints:
    """Where stretches of equal codes (n,) begin, n at least 1."""
    return np.concatenate([[0], np.flatnonzero(codes[1:] != codes[:-1]) + 1])


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


class Runs:
    """Rows in runs of one model of one task each.

    Attributes
    ----------
    starts, sizes: (R,) of the runs, none of them empty. numbers: (R,) by which they are known.
    """

    def __init__(self, starts: Ints, rows: int, numbers: Ints | None = None) -> None:
        self.starts, self.sizes = starts, np.diff(starts, append=rows)
        self.numbers = np.arange(len(starts)) if numbers is None else numbers

    def among(self, kept: Ints) -> Runs:
        """The runs of some of the rows (k,), which are ascending."""
        starts = np.searchsorted(kept, self.starts)
        some = np.flatnonzero(np.diff(starts, append=len(kept)))
        return Runs(starts[some], len(kept), self.numbers[some])

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
