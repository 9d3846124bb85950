"""Rows to sums: a batch is scored by the metrics' own functions and added to the totals of its tasks at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import polars as pl

from unmirage import tables
from unmirage.engine import say
from unmirage.metrics import tokenise
from unmirage.metrics.cards import FloatArray, IntArray, Metric
from unmirage.metrics.inputs import missing
from unmirage.rules import kept, response_rules
from unmirage.streaming.comparing import Compared
from unmirage.streaming.facts import Facts, facts_of
from unmirage.streaming.hashing import Hashes, hash_names, joined
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
    compared: recorded scores against ours.
    repeats: (cell, model) -> rows, where repeats of items were averaged before they were added.
    keys: hashes of the keys that have to be unique for all to be.
    broken: whether a row breaks a rule of the table.
    """

    totals: dict[int, Totals] = field(default_factory=dict)
    lacking: set[tuple[int, str]] = field(default_factory=set)
    facts: Facts = field(default_factory=Facts)
    compared: Compared = field(default_factory=Compared)
    repeats: dict[tuple[int, str], int] = field(default_factory=dict)
    keys: list[Hashes] = field(default_factory=list)
    broken: bool = False

    def merge(self, other: Scored) -> None:
        """Add what other parts come to."""
        for cell, totals in other.totals.items():
            if cell in self.totals:
                self.totals[cell].merge(totals)
            else:
                self.totals[cell] = totals
        self.lacking |= other.lacking
        self.facts.merge(other.facts)
        self.compared.merge(other.compared)
        for key, rows in other.repeats.items():
            self.repeats[key] = self.repeats.get(key, 0) + rows
        self.keys += other.keys
        self.broken |= other.broken


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
    """Score rows and add them up, part by part; says how many rows are done.

    Raises UnmirageError where rows cannot be read.
    """
    out = Scored()
    scorer = Scorer(plan)
    for part in parts:
        batch = batch_of(part, plan)
        if not plan.checked:
            out.broken |= not keeps_rules(batch.frame)
            if out.broken:
                return out
            out.keys.append(keys_of(batch, plan))
        scorer.add(out, batch)
        say(part.rows)
    return out


def keeps_rules(frame: pl.DataFrame) -> bool:
    """Whether no row breaks a rule of `tables.check_responses`, as far as the columns go that were read."""
    absent = [pl.lit(None, dtype=kind).alias(name) for name, kind in tables.RESPONSES.items() if name not in frame.columns]
    return all(kept(frame.with_columns(absent), [broken for _, broken, _ in response_rules()]))


def keys_of(batch: Batch, plan: Plan) -> Hashes:
    """Hashes of the keys of rows that have no curve, and of one model of each cell.

    The others' fingerprints of items are compared with that model's: equal ones have no key twice either.
    """
    rows = np.flatnonzero(batch.models <= 0)
    return joined(batch.groups[rows], batch.items[rows], batch.epochs[rows])


def batch_of(part: Part, plan: Plan) -> Batch:
    """A part's rows with their place in the plan."""
    frame = conformed(part.read(plan.columns), part.where)
    starts, heads = runs(frame, KEYS)
    places = heads.join(plan.groups, on=list(KEYS), how="left", maintain_order="left")
    lengths = np.diff(np.append(starts, frame.height))
    group, cell, model = (
        np.repeat(places[name].fill_null(-1).to_numpy(), lengths)
        for name in ("group", "cell", "model_code")
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
        for cell, part, scores in self.scores(out, batch):
            out.totals.setdefault(cell, Totals()).add(
                self.plan.cells[cell].models, part.models, part.items, part.units, part.epochs, scores
            )

    def add_averaged(self, out: Scored, batch: Batch) -> None:
        """The same for a batch that holds all rows of its items; repeats of an item are averaged first."""
        out.facts.merge(facts_of(batch, self.plan))
        for cell, part, scores in self.scores(out, batch):
            models = self.plan.cells[cell].models
            for code, rows in zip(*np.unique(part.models, return_counts=True), strict=True):
                key = (cell, models[code])
                out.repeats[key] = out.repeats.get(key, 0) + int(rows)
            totals = out.totals.setdefault(cell, Totals())
            first, starts, order = answers_of(part)
            sizes = np.diff(np.append(starts, len(order))).astype(np.float64)[:, None]
            means = {name: np.add.reduceat(values[order], starts) / sizes for name, values in scores.items()}
            if ATTEMPTS in means:
                tried = means[ATTEMPTS][:, :1] * sizes
                means[ATTEMPTS] = np.hstack([tried, 1.0 / tried])
            _, of_item, at = np.unique(part.items, return_index=True, return_inverse=True)
            units = part.units[of_item][at]
            once = np.zeros(len(first), dtype=np.int64)
            totals.add(models, part.models[first], part.items[first], units[first], once, means)

    def scores(self, out: Scored, batch: Batch) -> Iterator[tuple[int, Batch, dict[str, FloatArray]]]:
        """(cell, its rows, metric -> their (n, d) components), of all rows that have a curve."""
        for kind, rows in by_kind(batch):
            for part in [rows] if kind != "score" else [rows.take(at) for _, at in by_cell(rows.cells)]:
                scores = self._scores(out, kind, part)
                for cell, at in by_cell(part.cells):
                    yield cell, part.take(at), {name: values[at] for name, values in scores.items()}

    def _scores(self, out: Scored, kind: str, batch: Batch) -> dict[str, FloatArray]:
        frame = batch.frame
        if self.plan.tokens and kind != "score":
            tasks = frame["task"].unique().to_list()
            frame = tokenise(frame, {task: self.plan.tokens[task] for task in tasks})
        scores: dict[str, FloatArray] = {}
        for name, one in self.metrics(kind, int(batch.cells[0])).items():
            values, without = scored(one, frame, batch.groups)
            out.lacking |= {(group, name) for group in without}
            if values is not None:
                scores[name] = values
        if self.plan.compared:
            out.compared.add(frame, batch.cells, scores)
        if kind == "count":
            attempts = frame["n_samples"].cast(pl.Float64).to_numpy()
            scores[ATTEMPTS] = np.column_stack([attempts, 1.0 / attempts])
        return scores

    def metrics(self, kind: str, cell: int) -> dict[str, Metric]:
        """The metrics of a kind; of rows of kind score, those that the task of the cell recorded."""
        key = (kind, cell if kind == "score" else -1)
        if key not in self._metrics:
            sample = self.plan.cells[cell].recorded if kind == "score" else None
            self._metrics[key] = self.plan.metrics(kind, sample)
        return self._metrics[key]


def scored(
    one: Metric, frame: pl.DataFrame, groups: IntArray
) -> tuple[FloatArray | None, list[int]]:
    """(n, d) components of a metric, NaN on rows of groups that lack it here, and those groups.

    None where no row allows it. Whether there are enough items is not asked: these are some of them.
    """
    if any(name not in frame.columns or frame[name].null_count() == frame.height for name in one.card.inputs):
        return None, np.unique(groups).tolist()
    able = replace(one, items=1)
    if missing(able, frame) is None:
        return one.components(frame), []
    rows_of = [rows for _, rows in by_cell(groups)]
    allowed = [missing(able, frame[rows]) is None for rows in rows_of]
    without = [int(groups[rows][0]) for rows, there in zip(rows_of, allowed, strict=True) if not there]
    if not any(allowed):
        return None, without
    mask = np.zeros(frame.height, dtype=np.bool_)
    for rows, there in zip(rows_of, allowed, strict=True):
        mask[rows] = there
    values = one.components(frame.filter(pl.Series(mask)))
    out = np.full((frame.height, values.shape[1]), np.nan)
    out[mask] = values
    return out, without


def answers_of(batch: Batch) -> tuple[IntArray, IntArray, IntArray]:
    """The first row of each (model, item); where its rows begin in an order that puts them together; that."""
    order = np.lexsort((batch.items, batch.models))
    items, models = batch.items[order], batch.models[order]
    new = np.append(True, (items[1:] != items[:-1]) | (models[1:] != models[:-1]))
    starts = np.flatnonzero(new)
    return order[starts], starts, order


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


def by_cell(cells: IntArray) -> Iterator[tuple[int, npt.NDArray[np.int64] | slice]]:
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
