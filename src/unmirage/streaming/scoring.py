"""Rows to sums: a batch is scored by the metrics' own functions and added to the totals of its tasks at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt
import polars as pl

from unmirage.engine import say
from unmirage.metrics import tokenise
from unmirage.metrics.cards import FloatArray, IntArray, Metric
from unmirage.metrics.inputs import missing
from unmirage.streaming.facts import Facts, facts_of
from unmirage.streaming.hashing import Hashes, hash_names
from unmirage.streaming.plan import Plan, metrics_of
from unmirage.streaming.survey import KEYS, runs
from unmirage.streaming.table import Part, conformed
from unmirage.streaming.totals import Totals

# Attempts behind a row of kind count, and one over them, are kept beside the scores under this name.
ATTEMPTS = "attempts of a row"


@dataclass
class Scored:
    """What some parts of a table come to.

    Attributes
    ----------
    totals: cell -> the totals of its rows.
    lacking: (group, metric) of rows that do not allow it.
    facts: what the rows say beside their scores.
    """

    totals: dict[int, Totals] = field(default_factory=dict)
    lacking: set[tuple[int, str]] = field(default_factory=set)
    facts: Facts = field(default_factory=Facts)

    def merge(self, other: Scored) -> None:
        """Add what other parts come to."""
        for cell, totals in other.totals.items():
            if cell in self.totals:
                self.totals[cell].merge(totals)
            else:
                self.totals[cell] = totals
        self.lacking |= other.lacking
        self.facts.merge(other.facts)


@dataclass(frozen=True)
class Batch:
    """Rows that were read, and what they are in a plan.

    Attributes
    ----------
    frame: the rows, in the types of `unmirage.tables`.
    first: the number of the first row in the table.
    groups, cells, models: (n,) as in `Plan.groups`.
    """

    frame: pl.DataFrame
    first: int
    groups: IntArray
    cells: IntArray
    models: IntArray

    @cached_property
    def items(self) -> Hashes:
        """(n,) hashes of the items' names."""
        return hash_names(self.frame["item_id"])

    @cached_property
    def units(self) -> Hashes:
        """(n,) hashes of the clusters' names, of the item's where there is none."""
        if "cluster" not in self.frame.columns or self.frame["cluster"].null_count() == self.frame.height:
            return self.items
        named = self.frame["cluster"].is_not_null()
        units = self.items.copy()
        units[named.to_numpy()] = hash_names(self.frame["cluster"].filter(named))
        return units

    @cached_property
    def epochs(self) -> IntArray:
        """(n,) epochs."""
        if "epoch" not in self.frame.columns:
            return np.zeros(self.frame.height, dtype=np.int64)
        return self.frame["epoch"].cast(pl.Int64).fill_null(-1).to_numpy()

    def take(self, rows: npt.NDArray[np.int64] | slice) -> Batch:
        """Some of the rows."""
        frame = self.frame[rows.start : rows.stop] if isinstance(rows, slice) else self.frame[rows]
        taken = Batch(frame, self.first, self.groups[rows], self.cells[rows], self.models[rows])
        for name in ("items", "units", "epochs"):
            if name in self.__dict__:
                taken.__dict__[name] = self.__dict__[name][rows]
        return taken


def score_parts(parts: Sequence[Part], plan: Plan) -> Scored:
    """Score rows and add them up, part by part; tells how many rows are done.

    Raises UnmirageError where rows cannot be read or break a rule.
    """
    out = Scored()
    scorer = Scorer(plan)
    for part in parts:
        scorer.add(out, batch_of(part, plan))
        say(part.rows)
    return out


def batch_of(part: Part, plan: Plan) -> Batch:
    """A part's rows with their place in the plan."""
    frame = conformed(part.read(plan.columns), part.where)
    starts, heads = runs(frame, KEYS)
    places = heads.join(plan.groups, on=list(KEYS), how="left", maintain_order="left")
    lengths = np.diff(np.append(starts, frame.height))
    group, cell, model = (
        np.repeat(places[name].to_numpy(), lengths) for name in ("group", "cell", "model_code")
    )
    return Batch(frame, part.first, group, cell, model)


class Scorer:
    """Scores batches by a plan."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._metrics: dict[tuple[str, int], dict[str, Metric]] = {}

    def add(self, out: Scored, batch: Batch) -> None:
        """Score a batch and add it to what others came to."""
        out.facts.merge(facts_of(batch, self.plan))
        for kind, rows in by_kind(batch):
            for cell, part in by_cell(rows) if kind == "score" else [(-1, rows)]:
                self._add(out, kind, cell, part)

    def metrics(self, kind: str, cell: int) -> dict[str, Metric]:
        """The metrics of a kind, or of one task of recorded scores."""
        if (kind, cell) not in self._metrics:
            sample = self.plan.cells[cell].recorded if kind == "score" else None
            known = frozenset(self.plan.columns) | {"target_tokens", "output_tokens"}
            found, _ = metrics_of(kind, self.plan.asked, self.plan.aggregates, sample)
            if self.plan.extra:
                found = {**metrics_of(kind, self.plan.extra, (), sample)[0], **found}
            self._metrics[kind, cell] = {
                name: one for name, one in found.items() if set(one.card.inputs) <= known
            }
        return self._metrics[kind, cell]

    def _add(self, out: Scored, kind: str, cell: int, batch: Batch) -> None:
        if self.plan.tokens and kind != "score":
            tasks = batch.frame["task"].unique().to_list()
            rules = {task: self.plan.tokens[task] for task in tasks if task in self.plan.tokens}
            batch = _with_frame(batch, tokenise(batch.frame, rules))
        scores: dict[str, FloatArray] = {}
        for name, one in self.metrics(kind, cell).items():
            values, without = scored(one, batch)
            out.lacking |= {(group, name) for group in without}
            if values is not None:
                scores[name] = values
        if kind == "count":
            attempts = batch.frame["n_samples"].cast(pl.Float64).to_numpy()
            scores[ATTEMPTS] = np.column_stack([attempts, 1.0 / attempts])
        for at, rows in by_cell_rows(batch.cells):
            part = batch if isinstance(rows, slice) and rows == slice(0, len(batch.cells)) else None
            totals = out.totals.setdefault(at, Totals())
            cut: slice | npt.NDArray[np.int64] = slice(None) if part is not None else rows
            totals.add(
                self.plan.cells[at].models,
                batch.models[cut],
                batch.items[cut],
                batch.units[cut],
                batch.epochs[cut],
                {name: values[cut] for name, values in scores.items()},
            )


def scored(one: Metric, batch: Batch) -> tuple[FloatArray | None, list[int]]:
    """(n, d) components of a metric, NaN on rows of models that lack it here, and those groups.

    None where no row allows it.
    """
    frame = batch.frame
    if any(name not in frame.columns or frame[name].null_count() == frame.height for name in one.card.inputs):
        return None, np.unique(batch.groups).tolist()
    check = one if one.check is not None else one
    if missing(check, frame) is None:
        return one.components(frame), []
    order = np.argsort(batch.groups, kind="stable")
    starts = np.flatnonzero(np.diff(batch.groups[order], prepend=-2))
    able: list[npt.NDArray[np.int64]] = []
    without: list[int] = []
    for rows in np.split(order, starts[1:]):
        if missing(one, frame[rows]) is None:
            able.append(rows)
        else:
            without.append(int(batch.groups[rows[0]]))
    if not able:
        return None, without
    kept = np.sort(np.concatenate(able))
    values = one.components(frame[kept])
    out = np.full((frame.height, values.shape[1]), np.nan)
    out[kept] = values
    return out, without


def by_kind(batch: Batch) -> Iterator[tuple[str, Batch]]:
    """The rows that have a curve, kind by kind."""
    kinds = batch.frame["kind"].unique().drop_nulls().to_list()
    wanted = batch.cells >= 0
    if len(kinds) == 1 and wanted.all():
        yield str(kinds[0]), batch
        return
    for kind in kinds:
        rows = np.flatnonzero(wanted & (batch.frame["kind"] == kind).fill_null(value=False).to_numpy())
        if len(rows):
            yield str(kind), batch.take(rows)


def by_cell(batch: Batch) -> Iterator[tuple[int, Batch]]:
    """The rows of each cell."""
    for cell, rows in by_cell_rows(batch.cells):
        yield cell, batch.take(rows)


def by_cell_rows(cells: IntArray) -> Iterator[tuple[int, npt.NDArray[np.int64] | slice]]:
    """(cell, its rows); a slice where they lie together."""
    starts = np.flatnonzero(np.diff(cells, prepend=-2))
    if len(set(cells[starts].tolist())) == len(starts):
        for start, end in zip(starts, [*starts[1:], len(cells)], strict=True):
            yield int(cells[start]), slice(int(start), int(end))
        return
    order = np.argsort(cells, kind="stable")
    starts = np.flatnonzero(np.diff(cells[order], prepend=-2))
    for rows in np.split(order, starts[1:]):
        yield int(cells[rows[0]]), rows


def _with_frame(batch: Batch, frame: pl.DataFrame) -> Batch:
    other = Batch(frame, batch.first, batch.groups, batch.cells, batch.models)
    for name in ("items", "units", "epochs"):
        if name in batch.__dict__:
            other.__dict__[name] = batch.__dict__[name]
    return other
