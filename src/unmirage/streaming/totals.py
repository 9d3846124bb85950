"""Totals of one task of one family: what its curves need of the rows, in memory that no number of rows grows.

Rows are added batch by batch (:mod:`adding`), and totals merged; the numbers are the same, to the last bit,
for any order and any split (:mod:`exact` says how sums are kept). A unit is what is resampled: a cluster of
items, or an item that has none. Units are known by the hash of their name, so that all models of a task stay
paired. Up to `MOST` of them are kept apart; more are folded into as many buckets, by the last bits of the
hash. Folding is addition, so it does not matter when it happens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from unmirage.streaming import exact
from unmirage.streaming.exact import ZERO, Floats, Ints
from unmirage.streaming.grouping import distinct
from unmirage.streaming.hashing import Hashes
from unmirage.streaming.sums import Bools, Sums

MOST = 4096
_LAST = np.uint64(MOST - 1)


@dataclass
class Totals:
    """One task of one family.

    Attributes
    ----------
    models: (M,) names, ascending.
    units: (U,) hashes, ascending; where `folded`, the buckets 0 to MOST - 1.
    rows: (M, U) rows of each unit.
    epochs: (E,) ascending; `answers` (M, E) the rows of each, `prints` (M, E) a fingerprint of their items,
        which no order changes.
    alone: (M,) whether every row's unit is its own item.
    squared: whether sums of squares are kept. They are wanted where items are folded: no model of fewer rows
        than `MOST` can come to that.
    scores: metric -> its sums.
    """

    models: tuple[str, ...] = ()
    units: Hashes = field(default_factory=lambda: np.empty(0, dtype=np.uint64))
    folded: bool = False
    rows: Ints = field(default_factory=lambda: np.empty((0, 0), dtype=np.int64))
    epochs: Ints = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    answers: Ints = field(default_factory=lambda: np.empty((0, 0), dtype=np.int64))
    prints: Hashes = field(default_factory=lambda: np.empty((0, 0), dtype=np.uint64))
    alone: Bools = field(default_factory=lambda: np.empty(0, dtype=np.bool_))
    squared: bool = True
    scores: dict[str, Sums] = field(default_factory=dict)

    def meet(self, model: str, units: Hashes | None) -> None:
        """Make room for rows of a model and of these units (None: of units that are known)."""
        if units is not None and not self.folded:
            self._meet([model], distinct(units, MOST))
        elif model not in self.models:
            self._meet([model], self.units)

    def buckets(self, units: Hashes) -> Ints:
        """(n,) the places of units where they are folded."""
        return (units & _LAST).astype(np.int64)

    def merge(self, other: Totals) -> None:
        """Add totals of the same task; they stay as they are."""
        self._meet(other.models, None if other.folded else other.units)
        if self.folded and not other.folded:
            other = other.fold()
        who = _index(self.models, other.models)
        at = None if self.folded else np.searchsorted(self.units, other.units)
        _put(self.rows, who, at, other.rows)
        self.meet_epochs(other.epochs)
        when = np.searchsorted(self.epochs, other.epochs)
        _put(self.answers, who, when, other.answers)
        _put(self.prints, who, when, other.prints)
        self.alone[who] &= other.alone
        self.squared &= other.squared
        for name, theirs in other.scores.items():
            mine, to = self.metric(name, theirs.components), slice(theirs.components)
            mine.have[who] += theirs.have
            mine.infinite[who] += theirs.infinite
            mine.binary[who] &= theirs.binary
            mine.low[who, to] = np.minimum(mine.low[who, to], theirs.low)
            mine.high[who, to] = np.maximum(mine.high[who, to], theirs.high)
            mine.exponent[who, to] = np.maximum(mine.exponent[who, to], theirs.exponent)
            for level, sums in theirs.parts.items():
                _put(self.plane(mine, level)[:, :, to], who, at, sums)
            for level, squares in theirs.squares.items():
                self.square(mine, level)[who] += squares
            mine.trim()

    def fold(self) -> Totals:
        """The same totals with their units in buckets; a copy, where they are not."""
        if self.folded:
            return self
        buckets = self.buckets(self.units)
        order = np.argsort(buckets, kind="stable")
        starts = np.flatnonzero(np.diff(buckets[order], prepend=-1))

        def folded(table: Ints) -> Ints:
            out = np.zeros((len(table), MOST, *table.shape[2:]), dtype=np.int64)
            if starts.size and len(table):
                out[:, buckets[order][starts]] = np.add.reduceat(table[:, order], starts, axis=1)
            return out

        out = deepcopy(replace(self, rows=self.rows[:, :0], scores={}))
        out.units, out.folded, out.rows = np.arange(MOST, dtype=np.uint64), True, folded(self.rows)
        for name, one in self.scores.items():
            out.scores[name] = deepcopy(replace(one, parts={}))
            out.scores[name].parts = {key: folded(sums) for key, sums in one.parts.items()}
        return out

    def unit_sums(self, name: str) -> Floats:
        """(M, U, d) sums of a metric's components over each unit's rows."""
        return self._floats(name, lambda sums: sums)

    def sums(self, name: str) -> Floats:
        """(M, d) sums of a metric's components over all rows."""
        return self._floats(name, lambda sums: sums.sum(axis=1))

    def plain_errors(self, name: str) -> Floats:
        """(M,) standard errors of the mean of an item-level metric, each row standing for itself.

        That of independent items where each is one row, also where they are folded. NaN for a single row, for
        scores whose squares are beyond `exact.LIMIT`, and where squares are not kept.
        """
        one = self.scores[name]
        one.trim()
        n = one.have - one.infinite
        sums = {level: parts[:, :, 0].sum(axis=1) for level, parts in one.parts.items()}
        errors = np.sqrt(exact.variances(sums, one.squares, n) / np.maximum(n, 1))
        return np.where(self.squared & (one.exponent[:, 0] <= exact.SQUARED), errors, np.nan)

    def trim(self) -> None:
        """Leave out what is below the precision kept (:mod:`exact`): equal totals then are equal bytes."""
        for one in self.scores.values():
            one.trim()

    def _floats(self, name: str, of: Callable[[Ints], Ints]) -> Floats:
        one = self.scores[name]
        one.trim()
        shape = (*of(self.rows).shape, one.components)
        return exact.total({level: of(sums) for level, sums in one.parts.items()}, shape)

    def metric(self, name: str, components: int) -> Sums:
        """The sums of a metric, with room for the components."""
        mine = self.scores.setdefault(name, Sums.empty(len(self.models), components))
        if mine.components < components:
            more = Sums.empty(len(self.models), components - mine.components)
            for bound in ("low", "high", "exponent"):
                setattr(mine, bound, np.hstack([getattr(mine, bound), getattr(more, bound)]))
            wider = ((0, 0), (0, 0), (0, more.components))
            mine.parts = {level: np.pad(sums, wider) for level, sums in mine.parts.items()}
        return mine

    def plane(self, mine: Sums, level: int) -> Ints:
        """(M, U, d) the sums of its parts of a level."""
        if level not in mine.parts:
            mine.parts[level] = np.zeros((*self.rows.shape, mine.components), dtype=np.int64)
        return mine.parts[level]

    def square(self, mine: Sums, level: int) -> Ints:
        """(M,) the sums of its squares of a level."""
        return mine.squares.setdefault(level, np.zeros(len(self.models), dtype=np.int64))

    def _meet(self, names: Iterable[str], units: Hashes | None) -> None:
        """Make room for models and units; units of None are too many to be kept apart."""
        known = self.units if self.folded or units is None else np.union1d(self.units, units)
        if not self.folded and (units is None or len(known) > MOST):
            vars(self).update(vars(self.fold()))
            known = self.units
        models = tuple(sorted({*self.models, *names}))
        if models == self.models and len(known) == len(self.units):
            return
        who, at = _index(models, self.models), np.searchsorted(known, self.units)

        def moved(table: npt.NDArray[Any], fill: float = 0) -> npt.NDArray[Any]:
            out = np.full((len(models), *table.shape[1:]), fill, dtype=table.dtype)
            out[who] = table
            return out

        def widened(table: Ints) -> Ints:
            out = np.zeros((len(models), len(known), *table.shape[2:]), dtype=np.int64)
            out[np.ix_(who, at)] = table
            return out

        self.models, self.units, self.rows = models, known, widened(self.rows)
        self.answers, self.prints, self.alone = moved(self.answers), moved(self.prints), moved(self.alone, 1)
        for one in self.scores.values():
            one.have, one.infinite, one.binary = moved(one.have), moved(one.infinite), moved(one.binary, 1)
            one.low, one.high = moved(one.low, np.inf), moved(one.high, -np.inf)
            one.exponent = moved(one.exponent, ZERO)
            one.parts = {key: widened(sums) for key, sums in one.parts.items()}
            one.squares = {level: moved(squares) for level, squares in one.squares.items()}

    def meet_epochs(self, epochs: Ints) -> None:
        """Make room for epochs."""
        known = np.union1d(self.epochs, epochs).astype(np.int64)
        if len(known) == len(self.epochs):
            return
        at = np.searchsorted(known, self.epochs)
        answers, prints = self.answers, self.prints
        self.epochs = known
        self.answers = np.zeros((len(self.models), len(known)), dtype=np.int64)
        self.prints = np.zeros((len(self.models), len(known)), dtype=np.uint64)
        self.answers[:, at], self.prints[:, at] = answers, prints


def _index(known: Sequence[str], names: Sequence[str]) -> Ints:
    """(n,) the places of names."""
    place = {name: i for i, name in enumerate(known)}
    return np.array([place[name] for name in names], dtype=np.int64)


def _put(into: npt.NDArray[Any], who: Ints, at: Ints | None, added: npt.NDArray[Any]) -> None:
    """Add a table at these rows and columns (None: all of them)."""
    if at is None or len(at) == into.shape[1]:
        into[who] += added
    else:
        into[np.ix_(who, at)] += added
