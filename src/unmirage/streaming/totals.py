"""Totals of one task of one family: what its curves need of the rows, in memory that no number of rows grows.

Rows are added batch by batch, and totals merged; the numbers are the same, to the last bit, for any order and
any split (:mod:`exact` says how sums are kept). A unit is what is resampled: a cluster of items, or an item
that has none. Units are known by the hash of their name, so that all models of a task stay paired. Up to
`MOST` of them are kept apart; more are folded into as many buckets, by the last bits of the hash. Folding is
addition, so it does not matter when it happens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from unmirage.streaming import exact
from unmirage.streaming.exact import ZERO, Exponents, Floats, Ints
from unmirage.streaming.grouping import Runs, count, distinct, places, scatter
from unmirage.streaming.hashing import Hashes, spread

Bools = npt.NDArray[np.bool_]

MOST = 4096
_LAST = np.uint64(MOST - 1)
# Metrics of more components have most of them 0 in a row.
_FEW = 2


@dataclass
class Sums:
    """One metric over the models of a task (M models, U units, d components; d = 1 for an item-level metric).

    Attributes
    ----------
    have: (M,) rows with a score; `infinite` (M,) those of them whose score, or a component of it, is infinite
        or beyond `exact.LIMIT`: they have no part in anything below.
    binary: (M,) whether every score is 0 or 1.
    low, high: (M, d) the smallest and largest; inf and -inf where there is none.
    exponent: (M, d) of the largest in size.
    parts: level -> (M, U, d) sums over each unit's rows, in quanta of the level.
    squares: level -> (M,) sums of the squared scores; for d = 1 and exponents up to `exact.SQUARED`.
    """

    have: Ints
    infinite: Ints
    binary: Bools
    low: Floats
    high: Floats
    exponent: Exponents
    parts: dict[int, Ints] = field(default_factory=dict)
    squares: dict[int, Ints] = field(default_factory=dict)

    @classmethod
    def empty(cls, models: int, components: int) -> Sums:
        """Sums of no rows."""
        shape = (models, components)
        return cls(
            np.zeros(models, dtype=np.int64),
            np.zeros(models, dtype=np.int64),
            np.ones(models, dtype=np.bool_),
            np.full(shape, np.inf),
            np.full(shape, -np.inf),
            np.full(shape, ZERO, dtype=np.int32),
        )

    @property
    def components(self) -> int:
        """d, the number of components."""
        return int(self.low.shape[1])

    def widen(self, models: Ints, component: int, low: Floats, high: Floats) -> Exponents:
        """Take note of bounds (R,) of some models; the exponents of what lies between."""
        self.low[models, component] = np.minimum(self.low[models, component], low)
        self.high[models, component] = np.maximum(self.high[models, component], high)
        exponent = exact.exponents(np.maximum(np.abs(low), np.abs(high)))
        self.exponent[models, component] = np.maximum(self.exponent[models, component], exponent)
        return exponent

    def trim(self) -> None:
        """Leave out what lies below the lowest level of its model, and levels that hold nothing."""
        last = exact.lowest(self.exponent)
        for level, sums in sorted(self.parts.items()):
            _cut(sums.transpose(0, 2, 1), last > level)
            if not sums.any():
                del self.parts[level]
        last = exact.lowest(2 * self.exponent[:, 0])
        for level, squares in sorted(self.squares.items()):
            _cut(squares, last > level)
            if not squares.any():
                del self.squares[level]


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

    def add(
        self,
        models: Sequence[str],
        codes: Ints,
        items: Hashes,
        units: Hashes,
        epochs: Ints,
        scores: Mapping[str, Floats],
    ) -> None:
        """Add rows of the task.

        Parameters
        ----------
        models: the names that `codes` (n,) point to; a name may have no row.
        items, units: (n,) hashes of the item's name and of the unit's (see :mod:`hashing`).
        epochs: (n,) whole numbers.
        scores: metric -> (n,) or (n, d); NaN in a row that has no score. A metric that is not named here is
            missing in these rows; a component that is not there is 0.
        """
        for start in range(0, len(codes), exact.ROWS):
            cut = slice(start, start + exact.ROWS)
            part = {name: values[cut] for name, values in scores.items()}
            self._add(models, codes[cut], items[cut], units[cut], epochs[cut], part)

    def merge(self, other: Totals) -> None:
        """Add totals of the same task; they stay as they are."""
        self._meet(other.models, None if other.folded else other.units)
        if self.folded and not other.folded:
            other = other.fold()
        who = _index(self.models, other.models)
        at = None if self.folded else np.searchsorted(self.units, other.units)
        _put(self.rows, who, at, other.rows)
        self._meet_epochs(other.epochs)
        when = np.searchsorted(self.epochs, other.epochs)
        _put(self.answers, who, when, other.answers)
        _put(self.prints, who, when, other.prints)
        self.alone[who] &= other.alone
        self.squared &= other.squared
        for name, theirs in other.scores.items():
            mine, to = self._metric(name, theirs.components), slice(theirs.components)
            mine.have[who] += theirs.have
            mine.infinite[who] += theirs.infinite
            mine.binary[who] &= theirs.binary
            mine.low[who, to] = np.minimum(mine.low[who, to], theirs.low)
            mine.high[who, to] = np.maximum(mine.high[who, to], theirs.high)
            mine.exponent[who, to] = np.maximum(mine.exponent[who, to], theirs.exponent)
            for level, sums in theirs.parts.items():
                _put(self._plane(mine, level)[:, :, to], who, at, sums)
            for level, squares in theirs.squares.items():
                self._squares(mine, level)[who] += squares
            mine.trim()

    def fold(self) -> Totals:
        """The same totals with their units in buckets; a copy, where they are not."""
        if self.folded:
            return self
        buckets = (self.units & _LAST).astype(np.int64)
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

    def _add(
        self,
        names: Sequence[str],
        codes: Ints,
        items: Hashes,
        units: Hashes,
        epochs: Ints,
        scores: Mapping[str, Floats],
    ) -> None:
        some = np.flatnonzero(np.bincount(codes, minlength=len(names))).tolist()
        met = tuple(names[code] for code in some)
        self._meet(met, None if self.folded else distinct(units, MOST))
        place = np.zeros(len(names), dtype=np.int64)
        place[some] = _index(self.models, met)
        index = place[codes]
        order = None
        if (index[1:] < index[:-1]).any():
            order = np.argsort(index, kind="stable")
            index, items, units, epochs = index[order], items[order], units[order], epochs[order]
        runs = Runs(index)
        at = (units & _LAST).astype(np.int64) if self.folded else places(units, self.units)
        at += index * len(self.units)
        count(self.rows, at)
        self._count(runs, items, epochs)
        self.alone[runs.models] &= np.logical_and.reduceat(items == units, runs.starts)
        for name, values in scores.items():
            table = values.reshape(len(values), -1)
            self._sum(name, table if order is None else table[order], runs, at)

    def _count(self, runs: Runs, items: Hashes, epochs: Ints) -> None:
        """The rows of each epoch, and the fingerprints of their items."""
        some = epochs[:1] if (epochs == epochs[0]).all() else np.unique(epochs)
        self._meet_epochs(some)
        prints = spread(items)
        for epoch in some:
            there = int(np.searchsorted(self.epochs, epoch))
            mine = epochs == epoch
            self.answers[runs.models, there] += runs.sums(mine.astype(np.float64))
            self.prints[runs.models, there] += np.add.reduceat(
                np.where(mine, prints, np.uint64(0)), runs.starts
            )

    def _sum(self, name: str, table: Floats, runs: Runs, at: Ints) -> None:
        """The sums of one metric."""
        size = table.shape[1]
        mine = self._metric(name, size)
        mine.have[runs.models] += runs.sizes
        if not (table.min() > -exact.LIMIT and table.max() < exact.LIMIT):
            kept = self._usable(mine, table, runs)
            if not kept.size:
                return
            table, runs, at = table[kept], Runs(runs.codes[kept]), at[kept]
        if size > _FEW:
            self._sum_filled(mine, table, runs, at)
            return
        for c in range(size):
            column = np.ascontiguousarray(table[:, c])
            low, high = runs.bounds(column)
            exponent = mine.widen(runs.models, c, low, high)
            places = at * mine.components + c
            if size == 1:
                binary = runs.binary(column, low, high)
                mine.binary[runs.models] &= binary
                if binary.all():
                    scatter(self._plane(mine, 0), places, column, exact.quantum(0))
                    if self.squared:
                        self._squares(mine, 0)[runs.models] += runs.sums(column, exact.quantum(0))
                    continue
                if self.squared and exponent.max() <= exact.SQUARED:
                    for level, part in exact.parts(column * column, 2 * exponent):
                        self._squares(mine, level)[runs.models] += runs.sums(part, exact.quantum(level))
            for level, part in exact.parts(column, exponent):
                scatter(self._plane(mine, level), places, part, exact.quantum(level))

    def _sum_filled(self, mine: Sums, table: Floats, runs: Runs, at: Ints) -> None:
        """The same where most components of a row are 0, as those of a histogram are."""
        filled = np.flatnonzero((table != 0).reshape(-1))
        row, component = np.divmod(filled, table.shape[1])
        values = table.reshape(-1)[filled]
        cell = runs.codes[row] * mine.components + component
        shape = (len(self.models), mine.components)
        low, high = np.full(shape, np.inf).reshape(-1), np.full(shape, -np.inf).reshape(-1)
        np.minimum.at(low, cell, values)
        np.maximum.at(high, cell, values)
        rows = np.zeros(len(self.models), dtype=np.int64)
        rows[runs.models] = runs.sizes
        empty = np.bincount(cell, minlength=low.size) < np.repeat(rows, mine.components)
        low[empty], high[empty] = np.minimum(low[empty], 0.0), np.maximum(high[empty], 0.0)
        some = np.flatnonzero(rows)
        lows, highs = low.reshape(shape), high.reshape(shape)
        exponent = np.concatenate(
            [mine.widen(some, c, lows[some, c], highs[some, c]) for c in range(table.shape[1])]
        )
        for level, part in exact.parts(values, exponent):
            places = at[row] * mine.components + component
            scatter(self._plane(mine, level), places, part, exact.quantum(level))

    def _usable(self, mine: Sums, table: Floats, runs: Runs) -> Ints:
        """Count rows without a score, and infinite ones; which rows are neither."""
        missing: Bools = np.asarray(np.isnan(table).any(axis=1))
        infinite: Bools = np.asarray((np.abs(table) >= exact.LIMIT).any(axis=1) & ~missing)
        mine.have[runs.models] -= np.add.reduceat(missing, runs.starts, dtype=np.int64)
        mine.infinite[runs.models] += np.add.reduceat(infinite, runs.starts, dtype=np.int64)
        return np.flatnonzero(~(missing | infinite))

    def _floats(self, name: str, of: Callable[[Ints], Ints]) -> Floats:
        one = self.scores[name]
        one.trim()
        shape = (*of(self.rows).shape, one.components)
        return exact.total({level: of(sums) for level, sums in one.parts.items()}, shape)

    def _metric(self, name: str, components: int) -> Sums:
        """The sums of a metric, with room for the components."""
        mine = self.scores.setdefault(name, Sums.empty(len(self.models), components))
        if mine.components < components:
            more = Sums.empty(len(self.models), components - mine.components)
            for bound in ("low", "high", "exponent"):
                setattr(mine, bound, np.hstack([getattr(mine, bound), getattr(more, bound)]))
            wider = ((0, 0), (0, 0), (0, more.components))
            mine.parts = {level: np.pad(sums, wider) for level, sums in mine.parts.items()}
        return mine

    def _plane(self, mine: Sums, level: int) -> Ints:
        if level not in mine.parts:
            mine.parts[level] = np.zeros((*self.rows.shape, mine.components), dtype=np.int64)
        return mine.parts[level]

    def _squares(self, mine: Sums, level: int) -> Ints:
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

    def _meet_epochs(self, epochs: Ints) -> None:
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


def _cut(sums: Ints, below: Bools) -> None:
    if below.any():
        sums[below] = 0
