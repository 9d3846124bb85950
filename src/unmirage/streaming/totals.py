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
    parts: (component, level) -> (M, U) sums over each unit's rows, in quanta of the level.
    squares: level -> (M,) sums of the squared scores; for d = 1 and exponents up to `exact.SQUARED`.
    """

    have: Ints
    infinite: Ints
    binary: Bools
    low: Floats
    high: Floats
    exponent: Exponents
    parts: dict[tuple[int, int], Ints] = field(default_factory=dict)
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

    def trim(self) -> None:
        """Leave out what lies below the lowest level of its model, and levels that hold nothing."""
        last = exact.lowest(self.exponent)
        for (component, level), sums in sorted(self.parts.items()):
            _cut(sums, last[:, component] > level)
            if not sums.any():
                del self.parts[component, level]
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
        for name, theirs in other.scores.items():
            mine, to = self._metric(name, theirs.components), slice(theirs.components)
            mine.have[who] += theirs.have
            mine.infinite[who] += theirs.infinite
            mine.binary[who] &= theirs.binary
            mine.low[who, to] = np.minimum(mine.low[who, to], theirs.low)
            mine.high[who, to] = np.maximum(mine.high[who, to], theirs.high)
            mine.exponent[who, to] = np.maximum(mine.exponent[who, to], theirs.exponent)
            for key, sums in theirs.parts.items():
                _put(self._plane(mine, key), who, at, sums)
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
            out = np.zeros((len(table), MOST), dtype=np.int64)
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

        That of independent items where each is one row, also where they are folded. NaN for a single row and
        for scores whose squares are beyond `exact.LIMIT`.
        """
        one = self.scores[name]
        n = one.have - one.infinite
        sums = {level: parts.sum(axis=1) for (_, level), parts in one.parts.items()}
        errors = np.sqrt(exact.variances(sums, one.squares, n) / np.maximum(n, 1))
        return np.where(one.exponent[:, 0] <= exact.SQUARED, errors, np.nan)

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
        mine = self._metric(name, table.shape[1])
        columns = [np.ascontiguousarray(table[:, c]) for c in range(table.shape[1])]
        bounds = [runs.bounds(column) for column in columns]
        mine.have[runs.models] += runs.sizes
        if not all((low > -exact.LIMIT).all() and (high < exact.LIMIT).all() for low, high in bounds):
            columns, bounds = self._set_aside(mine, columns, runs)
        for c, (column, (low, high)) in enumerate(zip(columns, bounds, strict=True)):
            mine.low[runs.models, c] = np.minimum(mine.low[runs.models, c], low)
            mine.high[runs.models, c] = np.maximum(mine.high[runs.models, c], high)
            exponent = exact.exponents(np.where(high < low, 0.0, np.maximum(np.abs(low), np.abs(high))))
            mine.exponent[runs.models, c] = np.maximum(mine.exponent[runs.models, c], exponent)
            if len(columns) == 1:
                binary = runs.binary(column, low, high)
                mine.binary[runs.models] &= binary
                if binary.all():
                    scatter(self._plane(mine, (0, 0)), at, column, exact.quantum(0))
                    self._squares(mine, 0)[runs.models] += runs.sums(column, exact.quantum(0))
                    continue
                if exponent.max() <= exact.SQUARED:
                    for level, part in exact.parts(column * column, 2 * exponent):
                        self._squares(mine, level)[runs.models] += runs.sums(part, exact.quantum(level))
            for level, part in exact.parts(column, exponent):
                scatter(self._plane(mine, (c, level)), at, part, exact.quantum(level))

    def _set_aside(
        self, mine: Sums, columns: list[Floats], runs: Runs
    ) -> tuple[list[Floats], list[tuple[Floats, Floats]]]:
        """Count rows without a score, and infinite ones; columns with 0 there, and bounds of the others."""
        missing = np.zeros(len(columns[0]), dtype=np.bool_)
        infinite = np.zeros(len(columns[0]), dtype=np.bool_)
        for column in columns:
            missing |= np.isnan(column)
            infinite |= np.abs(column) >= exact.LIMIT
        mine.have[runs.models] -= runs.sums(missing.astype(np.float64))
        mine.infinite[runs.models] += runs.sums((infinite & ~missing).astype(np.float64))
        out = missing | infinite
        bounds = [
            (runs.bounds(np.where(out, np.inf, one))[0], runs.bounds(np.where(out, -np.inf, one))[1])
            for one in columns
        ]
        return [np.where(out, 0.0, one) for one in columns], bounds

    def _floats(self, name: str, of: Callable[[Ints], Ints]) -> Floats:
        one, shape = self.scores[name], of(self.rows).shape
        columns = [
            exact.total({level: of(sums) for (c, level), sums in one.parts.items() if c == k}, shape)
            for k in range(one.components)
        ]
        return np.stack(columns, axis=-1)

    def _metric(self, name: str, components: int) -> Sums:
        """The sums of a metric, with room for the components."""
        mine = self.scores.setdefault(name, Sums.empty(len(self.models), components))
        if mine.components < components:
            more = Sums.empty(len(self.models), components - mine.components)
            for bound in ("low", "high", "exponent"):
                setattr(mine, bound, np.hstack([getattr(mine, bound), getattr(more, bound)]))
        return mine

    def _plane(self, mine: Sums, key: tuple[int, int]) -> Ints:
        if key not in mine.parts:
            mine.parts[key] = np.zeros(self.rows.shape, dtype=np.int64)
        return mine.parts[key]

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
            out = np.zeros((len(models), len(known)), dtype=np.int64)
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
