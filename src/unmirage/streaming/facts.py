"""What the rows of a table say beside their scores, so that it can be told at the end without them.

One entry a group (the rows of one kind that a model has on a task). Each is a sum, a bound or a set, so that
no order and no split changes what comes out.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import polars as pl

from unmirage.consistency import TELLING
from unmirage.metrics.cards import IntArray
from unmirage.streaming.grouping import Lately, changes, stretches
from unmirage.streaming.hashing import Hashes, hash_names, joined
from unmirage.streaming.totals import MOST

if TYPE_CHECKING:
    from unmirage.streaming.plan import Plan
    from unmirage.streaming.scoring import Batch

_NOTHING = np.uint64(0)


@dataclass
class Facts:
    """Facts of some rows.

    Attributes
    ----------
    choices: group -> number of choices -> rows.
    asked: group -> fingerprint of each row's item, target, right choice and number of choices.
    told: group -> [rows of epoch 0, fingerprint of each one's item and summed log-probabilities].
    values: group -> some of these sums, `TELLING` different ones at most.
    units: group -> the units of length of its choices.
    order: cell -> (hashes of its items, number of the first row of each), None where there are more than the
        totals keep apart.
    """

    choices: dict[int, dict[int, int]] = field(default_factory=dict)
    asked: dict[int, int] = field(default_factory=dict)
    told: dict[int, list[int]] = field(default_factory=dict)
    values: dict[int, set[float]] = field(default_factory=dict)
    units: dict[int, set[str]] = field(default_factory=dict)
    order: dict[int, tuple[Hashes, IntArray] | None] = field(default_factory=dict)

    def merge(self, other: Facts) -> None:
        """Add the facts of other rows."""
        for group, counts in other.choices.items():
            mine = self.choices.setdefault(group, {})
            for number, rows in counts.items():
                mine[number] = mine.get(number, 0) + rows
        for group, print_ in other.asked.items():
            self.asked[group] = (self.asked.get(group, 0) + print_) % 2**64
        for group, (rows, print_) in other.told.items():
            before = self.told.get(group, [0, 0])
            self.told[group] = [before[0] + rows, (before[1] + print_) % 2**64]
        for group, values in other.values.items():
            both = self.values.get(group, set()) | values
            self.values[group] = set(sorted(both)[:TELLING])
        for group, units in other.units.items():
            self.units[group] = self.units.get(group, set()) | units
        for cell, order in other.order.items():
            self.order[cell] = first_rows(self.order[cell], order) if cell in self.order else order

    def replace(self, other: Facts, cells: Collection[int], groups: Collection[int]) -> None:
        """Take the facts of some cells and groups from `other`; what only a check asks for stays."""
        self.choices = {g: one for g, one in self.choices.items() if g not in groups} | other.choices
        self.units = {g: one for g, one in self.units.items() if g not in groups} | other.units
        self.order = {c: one for c, one in self.order.items() if c not in cells} | other.order


def facts_of(batch: Batch, plan: Plan, known: Facts, seen: Lately[Hashes]) -> Facts:
    """The facts of a batch, as far as `known`, the facts of the rows before, does not hold them.

    Those that are asked of rows which no reader has checked are left out for others, and the order of items
    where there are too many.

    Parameters: seen: the items of the rows before.
    """
    facts = Facts()
    starts, groups, order = _sorted(batch.groups)
    frame = batch.frame
    if "choice_logprobs" in frame.columns:
        numbers = frame["choice_logprobs"].list.len()
        if numbers.null_count() < frame.height:
            _count(facts, batch, numbers)
    if "choice_lengths" in frame.columns and "length_unit" in frame.columns:
        _units(facts, batch)
    if not plan.checked:
        prints = asked_of(batch)
        for group, print_ in zip(groups, np.add.reduceat(_by(prints, order), starts), strict=True):
            facts.asked[group] = int(print_)
        _told(facts, batch, known)
    _order(facts, batch, known, seen)
    return facts


def first_rows(
    one: tuple[Hashes, IntArray] | None, other: tuple[Hashes, IntArray] | None
) -> tuple[Hashes, IntArray] | None:
    """The items of both with their first rows, or None where they are too many."""
    if one is None or other is None:
        return None
    items, rows = np.concatenate([one[0], other[0]]), np.concatenate([one[1], other[1]])
    order = np.lexsort((rows, items))
    items, rows = items[order], rows[order]
    new = np.append(True, items[1:] != items[:-1])
    return None if int(new.sum()) > MOST else (items[new], rows[new])


def _sorted(groups: IntArray) -> tuple[IntArray, list[int], IntArray | None]:
    """Where the rows of each group begin, the groups, and the order that puts them together (None: as is)."""
    starts = np.flatnonzero(np.diff(groups, prepend=-2))
    if len(set(groups[starts].tolist())) == len(starts):
        return starts, groups[starts].tolist(), None
    order = np.argsort(groups, kind="stable")
    together = groups[order]
    starts = np.flatnonzero(np.diff(together, prepend=-2))
    return starts, together[starts].tolist(), order


def _by(values: npt.NDArray[np.uint64], order: IntArray | None) -> npt.NDArray[np.uint64]:
    return values if order is None else values[order]


def _count(facts: Facts, batch: Batch, numbers: pl.Series) -> None:
    """How many rows of each group have how many choices."""
    there = numbers.is_not_null() & (batch.frame["kind"] == "choice").fill_null(value=False)
    counts = numbers.filter(there).cast(pl.Int64).to_numpy()
    groups = batch.groups if there.all() else batch.groups[there.to_numpy()]
    if not len(counts):
        return
    width = int(counts.max()) + 1
    table = np.bincount(groups * width + counts)
    for at in np.flatnonzero(table):
        group, number = divmod(int(at), width)
        facts.choices.setdefault(group, {})[number] = int(table[at])


def _units(facts: Facts, batch: Batch) -> None:
    units = batch.frame["length_unit"]
    if units.null_count() == len(units):
        return
    changes = np.flatnonzero(
        np.append(True, np.diff(batch.groups) != 0) | units.ne_missing(units.shift()).to_numpy()
    )
    named = zip(batch.groups[changes].tolist(), units.gather(changes).to_list(), strict=True)
    for group, unit in set(named):
        if unit is not None:
            facts.units.setdefault(group, set()).add(unit)


def asked_of(batch: Batch) -> Hashes:
    """(n,) hashes of the item with what was asked: target text, or right choice and number of choices."""
    frame, n = batch.frame, batch.frame.height
    choice = (frame["kind"] == "choice").fill_null(value=False).to_numpy()
    answers = np.zeros(n, dtype=np.int64)
    if choice.any() and {"answer", "choice_logprobs"} <= set(frame.columns):
        numbers = frame["choice_logprobs"].list.len().cast(pl.Int64).fill_null(-1).to_numpy()
        answers = frame["answer"].cast(pl.Int64).fill_null(-1).to_numpy() * 65536 + numbers
    targets = np.zeros(n, dtype=np.uint64)
    if not choice.all() and "target" in frame.columns:
        there = frame["target"].is_not_null()
        targets[there.to_numpy()] = hash_names(frame["target"].filter(there))
    asked = np.where(choice, answers.astype(np.uint64), targets)
    return joined(batch.answers.items, asked)


def _told(facts: Facts, batch: Batch, known: Facts) -> None:
    """Fingerprints of the log-probabilities, by which one model under two names is seen."""
    frame = batch.frame
    lists = [name for name in ("choice_logprobs", "target_logprobs") if name in frame.columns]
    kinds = frame["kind"].is_in(["choice", "likelihood"]).fill_null(value=False).to_numpy()
    wanted = kinds & (batch.answers.epochs == 0)
    if not lists or not wanted.any():
        return
    part = batch if wanted.all() else batch.take(np.flatnonzero(wanted))
    sums = part.frame.select(pl.coalesce(lists).list.sum().fill_null(0.0)).to_series().to_numpy()
    prints = joined(part.answers.items, (sums + 0.0).view(np.uint64))
    starts, groups, order = _sorted(part.groups)
    sizes = np.diff(np.append(starts, len(sums)))
    totals = np.add.reduceat(_by(prints, order), starts)
    ordered = sums if order is None else sums[order]
    for group, start, size, print_ in zip(groups, starts, sizes, totals, strict=True):
        facts.told[group] = [int(size), int(print_)]
        if len(known.values.get(group, ())) < TELLING:
            facts.values[group] = _some(ordered[start : start + size])


def _some(values: npt.NDArray[np.float64]) -> set[float]:
    """Some of the values, `TELLING` different ones if there are so many."""
    first = set(values[: 2 * TELLING].tolist())
    found = first if len(first) >= TELLING else set(np.unique(values)[:TELLING].tolist())
    return set(sorted(found)[:TELLING])


def _order(facts: Facts, batch: Batch, known: Facts, seen: Lately[Hashes]) -> None:
    """The first row of each item of a cell."""
    models = batch.answers.models
    starts, order = stretches(batch.cells * (int(models.max()) + 2) + models)
    if order is not None:
        order = np.argsort(batch.cells, kind="stable")
        starts = changes(batch.cells[order])
    for start, end in zip(starts.tolist(), [*starts[1:].tolist(), len(models)], strict=True):
        rows = np.arange(start, end) if order is None else order[start:end]
        cell, met = int(batch.cells[rows[0]]), batch.answers.items[rows]
        if cell < 0 or known.order.get(cell, ()) is None or seen.again(cell, met) is not None:
            continue
        seen.keep(cell, met)
        items, firsts = np.unique(met, return_index=True)
        found = None if len(items) > MOST else (items, rows[firsts] + batch.first)
        facts.order[cell] = first_rows(facts.order[cell], found) if cell in facts.order else found
