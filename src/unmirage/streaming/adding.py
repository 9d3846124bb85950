"""Rows of a batch to the totals of their tasks: a metric is cut and added up once for all tasks and models.

Rows are taken in runs, stretches of one model of one task; where they lie otherwise they are put into that
order first. Which order and which runs changes no number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from unmirage.streaming import exact
from unmirage.streaming.exact import Exponents, Floats, Ints
from unmirage.streaming.grouping import Answers, Bools, Lately, Runs, places, scatter, stretches
from unmirage.streaming.hashing import Hashes, spread
from unmirage.streaming.sums import Sums
from unmirage.streaming.totals import Totals

# Metrics of more components have most of them 0 in a row.
_FEW = 2
# With more places for units than so many times the rows, most of them have none.
_SPARSE = 2


@dataclass(frozen=True)
class Run:
    """Rows of one model of one task: its totals, and the model's place in them."""

    totals: Totals
    model: int


class Adder:
    """Adds rows to totals.

    Parameters
    ----------
    totals: cell -> its totals.
    models: cell -> the names that the codes of its models point to.
    """

    def __init__(self, totals: Callable[[int], Totals], models: Callable[[int], Sequence[str]]) -> None:
        self._totals, self._models = totals, models
        self._units = Lately[Hashes](np.array_equal)
        self._placed: dict[int, tuple[Hashes, Ints]] = {}

    def add(self, cells: Ints, answers: Answers, scores: Mapping[str, Floats]) -> None:
        """Add rows.

        Parameters
        ----------
        cells: (n,) the task of each row.
        answers: (n,) rows; a model may have none.
        scores: metric -> (n,) or (n, d); NaN in a row that has no score. A metric that is not named here is
            missing in these rows; a component that is not there is 0.
        """
        for start in range(0, len(cells), exact.ROWS):
            cut = slice(start, start + exact.ROWS)
            part = {name: one[cut] for name, one in scores.items()}
            self._add(cells[cut], answers.take(cut), part)

    def _add(self, cells: Ints, answers: Answers, scores: Mapping[str, Floats]) -> None:
        starts, order = stretches(cells * (int(answers.models.max()) + 1) + answers.models)
        if order is not None:
            cells, answers = cells[order], answers.take(order)
        runs = Runs(starts, len(cells))
        rows = Placed(runs, *self._placed_runs(runs, cells, answers))
        _count(rows, answers)
        for name, one in scores.items():
            table = one.reshape(len(one), -1)
            _sum(name, table if order is None else table[order], rows)

    def _placed_runs(self, runs: Runs, cells: Ints, answers: Answers) -> tuple[list[Run], list[Ints]]:
        """The runs, and for each the places (n,) of its rows' units in its totals."""
        cuts = [slice(start, start + size) for start, size in zip(runs.starts, runs.sizes, strict=True)]
        found: list[tuple[int, Totals, str]] = []
        for cut in cuts:
            cell = int(cells[cut.start])
            totals, name = self._totals(cell), self._models(cell)[int(answers.models[cut.start])]
            units = answers.units[cut]
            known = totals.folded or self._again(cell, totals, units) is not None
            totals.meet(name, None if known else units)
            found.append((cell, totals, name))
        # Places move where units are met, so they are looked up when all are.
        at = []
        for (cell, totals, _), cut in zip(found, cuts, strict=True):
            at.append(self._at(cell, totals, answers.units[cut]))
        return [Run(totals, totals.models.index(name)) for _, totals, name in found], at

    def _again(self, cell: int, totals: Totals, units: Hashes) -> slice | None:
        """Which of the rows whose places are known have the same units."""
        if cell not in self._placed or self._placed[cell][0] is not totals.units:
            return None
        return self._units.again(cell, units)

    def _at(self, cell: int, totals: Totals, units: Hashes) -> Ints:
        if totals.folded:
            return totals.buckets(units)
        again = self._again(cell, totals, units)
        if again is not None:
            return self._placed[cell][1][again]
        at = places(units, totals.units)
        if self._units.keep(cell, units.copy()):
            self._placed[cell] = totals.units, at
        return at


class Placed:
    """Runs of rows with a place for each unit of each run.

    Attributes
    ----------
    runs: of the rows. of: what each run is of. at: for each run, the places (n,) of its units in its totals.
    """

    def __init__(self, runs: Runs, of: Sequence[Run], at: Sequence[Ints]) -> None:
        self.runs, self.of, self.at = runs, of, at
        ends = np.cumsum([len(run.totals.units) for run in of])
        first = np.append(0, ends[:-1])
        self.place = np.concatenate(at) + np.repeat(first, runs.sizes)
        self.rows: Ints = np.bincount(self.place, minlength=int(ends[-1]))
        self._units: list[Ints | slice] = [slice(None)] * len(of)
        if ends[-1] > _SPARSE * len(self.place):
            some = np.flatnonzero(self.rows)
            index = np.empty(len(self.rows), dtype=np.int64)
            index[some] = np.arange(len(some))
            self.place, self.rows = index[self.place], self.rows[some]
            ends = np.searchsorted(some, ends)
            self._units = np.split(some - np.repeat(first, np.diff(ends, prepend=0)), ends[:-1])
        self._cuts = [slice(a, b) for a, b in zip(np.append(0, ends[:-1]), ends, strict=True)]

    def sums(self, parts: Floats, quantum: float, kept: Ints | None) -> Ints:
        """Sums of multiples of a quantum (n,) over each unit of each run, in quanta.

        Parameters: kept: the rows that they are of, None for all.
        """
        place = self.place if kept is None else self.place[kept]
        sums: Floats = np.asarray(np.bincount(place, parts, len(self.rows)), dtype=np.float64)
        sums *= 1 / quantum
        return sums.astype(np.int64)

    def put(self, run: int, into: Ints, sums: Ints) -> None:
        """Add a run's part of such sums to a table (U,) of its totals."""
        units, part = self._units[run], sums[self._cuts[run]]
        if isinstance(units, slice):
            np.add(into, part, out=into)
        else:
            into[units] += part

    def part(self, run: int, sums: Ints) -> Ints:
        """A run's part of such sums."""
        return sums[self._cuts[run]]


def _count(rows: Placed, answers: Answers) -> None:
    """The rows of each unit and epoch, and the fingerprints of their items."""
    starts = rows.runs.starts
    alone = np.logical_and.reduceat(answers.items == answers.units, starts)
    for number, run in enumerate(rows.of):
        rows.put(number, run.totals.rows[run.model], rows.rows)
        run.totals.alone[run.model] &= alone[number]
    epochs, prints = answers.epochs, spread(answers.items)
    some = epochs[:1] if (epochs == epochs[0]).all() else np.unique(epochs)
    for epoch in some.tolist():
        mine = epochs == epoch
        counts = np.add.reduceat(mine, starts, dtype=np.int64)
        sums = np.add.reduceat(np.where(mine, prints, np.uint64(0)), starts)
        for number in np.flatnonzero(counts).tolist():
            run = rows.of[number]
            run.totals.meet_epochs(np.array([epoch]))
            there = int(np.searchsorted(run.totals.epochs, epoch))
            run.totals.answers[run.model, there] += counts[number]
            # Of a slice, since sums of hashes go beyond 64 bits.
            run.totals.prints[run.model, there : there + 1] += sums[number]


def _sum(name: str, table: Floats, rows: Placed) -> None:
    """The sums of one metric."""
    runs, kept = rows.runs, None
    size = table.shape[1]
    into = [run.totals.metric(name, size) for run in rows.of]
    for run, one, n in zip(rows.of, into, runs.sizes.tolist(), strict=True):
        one.have[run.model] += n
    if not (table.min() > -exact.LIMIT and table.max() < exact.LIMIT):
        kept = _usable(table, rows, into)
        if not kept.size:
            return
        table, runs = table[kept], runs.among(kept)
    if size > _FEW:
        _sum_filled(table, rows, runs, kept, into)
        return
    for c in range(size):
        column = np.ascontiguousarray(table[:, c])
        low, high = runs.bounds(column)
        exponent = exact.exponents(np.maximum(np.abs(low), np.abs(high)))
        for at, number in enumerate(runs.numbers.tolist()):
            into[number].widen(rows.of[number].model, c, low[at], high[at], exponent[at])
        if size == 1:
            binary = runs.binary(column, low, high)
            for number in runs.numbers[~binary].tolist():
                into[number].binary[rows.of[number].model] = False
            _sum_squares(column, rows, runs, exponent, into)
        last = exact.lowest(exponent)
        for level, part in exact.parts(column, exponent):
            sums = rows.sums(part, exact.quantum(level), kept)
            for number in runs.numbers[last <= level].tolist():
                run, one = rows.of[number], into[number]
                if level in one.parts or rows.part(number, sums).any():
                    rows.put(number, run.totals.plane(one, level)[run.model, :, c], sums)


def _sum_squares(column: Floats, rows: Placed, runs: Runs, exponent: Exponents, into: Sequence[Sums]) -> None:
    """The sums of the squared scores, of the totals that keep them."""
    wanted = np.array([rows.of[number].totals.squared for number in runs.numbers])
    wanted &= exponent <= exact.SQUARED
    if not wanted.any():
        return
    if (exponent > exact.SQUARED).any():
        column = np.where(np.repeat(wanted, runs.sizes), column, 0.0)
    last = exact.lowest(2 * exponent)
    for level, part in exact.parts(column * column, 2 * exponent[wanted]):
        sums = runs.sums(part, exact.quantum(level))
        for at in np.flatnonzero(wanted & (last <= level)).tolist():
            number = int(runs.numbers[at])
            run, one = rows.of[number], into[number]
            run.totals.square(one, level)[run.model] += sums[at]


def _sum_filled(table: Floats, rows: Placed, runs: Runs, kept: Ints | None, into: Sequence[Sums]) -> None:
    """The sums of a metric most of whose components are 0 in a row, as those of a histogram are."""
    n, size = table.shape
    filled = np.flatnonzero((table != 0).reshape(-1))
    row, component = np.divmod(filled, size)
    values = table.reshape(-1)[filled]
    bins = np.repeat(np.arange(len(runs.starts)), runs.sizes)[row] * size + component
    shape = (len(runs.starts), size)
    low, high = np.full(shape, np.inf), np.full(shape, -np.inf)
    np.minimum.at(low.reshape(-1), bins, values)
    np.maximum.at(high.reshape(-1), bins, values)
    empty = np.bincount(bins, minlength=low.size).reshape(shape) < runs.sizes[:, None]
    low[empty], high[empty] = np.minimum(low[empty], 0.0), np.maximum(high[empty], 0.0)
    exponent = exact.exponents(np.maximum(np.abs(low), np.abs(high)))
    at = np.concatenate(rows.at)
    unit = (at if kept is None else at[kept])[row]
    cuts = np.searchsorted(row, np.append(runs.starts, n))
    for one, number in enumerate(runs.numbers.tolist()):
        for c in range(size):
            into[number].widen(rows.of[number].model, c, low[one, c], high[one, c], exponent[one, c])
    for level, part in exact.parts(values, exponent):
        for one, number in enumerate(runs.numbers.tolist()):
            run, cut = rows.of[number], slice(cuts[one], cuts[one + 1])
            if cut.start < cut.stop:
                plane = run.totals.plane(into[number], level)[run.model]
                width = plane.shape[1]
                scatter(plane, unit[cut] * width + component[cut], part[cut], exact.quantum(level))


def _usable(table: Floats, rows: Placed, into: Sequence[Sums]) -> Ints:
    """Count rows without a score, and infinite ones; which rows are neither."""
    missing: Bools = np.asarray(np.isnan(table).any(axis=1))
    infinite: Bools = np.asarray((np.abs(table) >= exact.LIMIT).any(axis=1) & ~missing)
    for flags, kind in ((missing, "missing"), (infinite, "infinite")):
        counts = np.add.reduceat(flags, rows.runs.starts, dtype=np.int64)
        for number in np.flatnonzero(counts).tolist():
            one, model = into[number], rows.of[number].model
            if kind == "missing":
                one.have[model] -= counts[number]
            else:
                one.infinite[model] += counts[number]
    return np.flatnonzero(~(missing | infinite))
