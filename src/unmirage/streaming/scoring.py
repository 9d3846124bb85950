"""Rows to sums: a batch is scored by the metrics' own functions and added to the totals of its tasks."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import polars as pl

from unmirage import tables
from unmirage.engine import say
from unmirage.metrics import tokenise
from unmirage.metrics.cards import FloatArray, IntArray, Metric
from unmirage.metrics.inputs import Inputs, missing
from unmirage.metrics.shared import item_scores
from unmirage.rules import kept, response_rules
from unmirage.streaming.adding import Adder
from unmirage.streaming.comparing import Compared
from unmirage.streaming.facts import Facts, facts_of
from unmirage.streaming.grouping import Answers, Lately
from unmirage.streaming.hashing import Hashes, joined
from unmirage.streaming.naming import Names
from unmirage.streaming.plan import Plan
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

    def replace(self, other: Scored, cells: Collection[int], groups: Collection[int]) -> None:
        """Take what some cells and groups come to from `other`, and nothing of them from here."""
        for cell in cells:
            self.totals.pop(cell, None)
        self.totals |= other.totals
        self.lacking = {one for one in self.lacking if one[0] not in groups} | other.lacking
        self.compared.replace(other.compared, cells)
        self.facts.replace(other.facts, cells, groups)
        self.repeats |= other.repeats


@dataclass(frozen=True)
class Batch:
    """Rows that were read, and what they are in a plan.

    Attributes
    ----------
    frame: the rows, in the types of `unmirage.tables`.
    first: the number of the first row in the table.
    groups, cells: (n,) as in `Plan.groups`.
    answers: of each row.
    """

    frame: pl.DataFrame
    first: int
    groups: IntArray
    cells: IntArray
    answers: Answers

    def take(self, rows: npt.NDArray[np.int64]) -> Batch:
        """Some of the rows."""
        return Batch(
            self.frame[rows], self.first, self.groups[rows], self.cells[rows], self.answers.take(rows)
        )


def score_parts(parts: Sequence[Part], plan: Plan, before: Scored | None = None) -> Scored:
    """Score rows and add them up, part by part, to what others came to before; says how many rows are done.

    Raises UnmirageError where rows cannot be read.
    """
    out = Scored() if before is None else before
    scorer, names = Scorer(plan, out), Names()
    for part in parts:
        batch = batch_of(part, plan, names)
        if not plan.checked:
            out.broken |= not keeps_rules(batch.frame)
            if out.broken:
                return out
            out.keys.append(keys_of(batch))
        scorer.add(batch)
        say(part.rows)
    return out


def tokenised(frame: pl.DataFrame, plan: Plan) -> pl.DataFrame:
    """The rows with their texts cut into tokens, if the plan says how."""
    if not plan.tokens:
        return frame
    rules = {task: plan.tokens[task] for task in frame["task"].unique().to_list()}
    return tokenise(with_columns(frame, ("target_tokens", "output_tokens", "target_logprobs")), rules)


def with_columns(frame: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """The rows with these columns of `tables.RESPONSES`, null where they were not read."""
    absent = [name for name in names if name not in frame.columns]
    return frame.with_columns(pl.lit(None, dtype=tables.RESPONSES[name]).alias(name) for name in absent)


def keeps_rules(frame: pl.DataFrame) -> bool:
    """Whether no row breaks a rule of `tables.check_responses`, as far as the columns go that were read."""
    rows = with_columns(frame, tuple(tables.RESPONSES))
    return all(kept(rows, [broken for _, broken, _ in response_rules(rows)]))


def keys_of(batch: Batch) -> Hashes:
    """Hashes of the keys of rows that have no curve, and of one model of each cell.

    The others' fingerprints of items are compared with that model's: equal ones have no key twice either.
    """
    rows = np.flatnonzero(batch.answers.models <= 0)
    return joined(batch.groups[rows], batch.answers.items[rows], batch.answers.epochs[rows])


def batch_of(part: Part, plan: Plan, names: Names | None = None) -> Batch:
    """A part's rows with their place in the plan.

    Parameters: names: those of the rows before.
    """
    frame = conformed(part.read(plan.columns), part.where)
    starts, heads = runs(frame, KEYS)
    places = heads.join(plan.groups, on=list(KEYS), how="left", maintain_order="left")
    lengths = np.diff(starts, append=frame.height)
    of_runs = [places[name].fill_null(-1).to_numpy() for name in ("group", "cell", "model_code")]
    group, cell, model = (np.repeat(values, lengths) for values in of_runs)
    items, units = (names or Names()).hashes(frame, starts, of_runs[1])
    epochs = np.zeros(frame.height, dtype=np.int64)
    if "epoch" in frame.columns:
        epochs = frame["epoch"].cast(pl.Int64).fill_null(-1).to_numpy()
    return Batch(frame, part.first, group, cell, Answers(model, items, units, epochs))


class Scorer:
    """Scores batches by a plan, and adds them to what others came to."""

    def __init__(self, plan: Plan, out: Scored) -> None:
        self.plan, self.out = plan, out
        self._metrics: dict[tuple[str, int], dict[str, Metric]] = {}
        self._seen = Lately[Hashes](np.array_equal)
        self._adder = Adder(self._totals, lambda cell: plan.cells[cell].models)

    def add(self, batch: Batch) -> None:
        """Add a batch."""
        self.out.facts.merge(facts_of(batch, self.plan, self.out.facts, self._seen))
        for part, scores in self.scores(batch):
            self._adder.add(part.cells, part.answers, scores)

    def add_averaged(self, batch: Batch) -> None:
        """The same for a batch that holds all rows of its items; repeats of an item are averaged first."""
        self.out.facts.merge(facts_of(batch, self.plan, self.out.facts, self._seen))
        for part, all_scores in self.scores(batch):
            for cell, at in by_cell(part.cells):
                self._add_averaged(
                    cell, part.answers.take(at), {name: one[at] for name, one in all_scores.items()}
                )

    def _add_averaged(self, cell: int, them: Answers, scores: dict[str, FloatArray]) -> None:
        models, repeats = self.plan.cells[cell].models, self.out.repeats
        for code, rows in zip(*np.unique(them.models, return_counts=True), strict=True):
            key = (cell, models[code])
            repeats[key] = repeats.get(key, 0) + int(rows)
        first, starts, order = together(them)
        sizes = np.diff(np.append(starts, len(order))).astype(np.float64)[:, None]
        means = {name: np.add.reduceat(values[order], starts) / sizes for name, values in scores.items()}
        if ATTEMPTS in means:
            tried = means[ATTEMPTS][:, :1] * sizes
            means[ATTEMPTS] = np.hstack([tried, 1.0 / tried])
        _, of_item, at = np.unique(them.items, return_index=True, return_inverse=True)
        units = them.units[of_item][at]
        zeros = np.zeros(len(first), dtype=np.int64)
        once = Answers(them.models[first], them.items[first], units[first], zeros)
        self._adder.add(zeros + cell, once, means)

    def scores(self, batch: Batch) -> Iterator[tuple[Batch, dict[str, FloatArray]]]:
        """(rows, metric -> their (n, d) components), part by part, of all rows that have a curve."""
        for kind, rows in by_kind(batch):
            apart = [rows.take(_numbers(at)) for _, at in by_cell(rows.cells)] if kind == "score" else [rows]
            for part in apart:
                yield part, self._scores(kind, part)

    def _scores(self, kind: str, batch: Batch) -> dict[str, FloatArray]:
        frame = batch.frame
        if self.plan.tokens and kind != "score":
            frame = tokenised(frame, self.plan)
        scores: dict[str, FloatArray] = {}
        wanted = self.metrics(kind, int(batch.cells[0]))
        inputs = Inputs(frame)
        whole = [one for one in wanted.values() if inputs.missing(replace(one, items=1)) is None]
        alone = [one for one in whole if one.combine is None]
        for one, values in zip(alone, item_scores(alone, frame), strict=True):
            scores[one.card.name] = values[:, None]
        for name, one in wanted.items():
            if name in scores:
                continue
            found, without = scored(one, frame, batch.groups)
            self.out.lacking |= {(group, name) for group in without}
            if found is not None:
                scores[name] = found
        if self.plan.compared:
            self.out.compared.add(frame, batch.cells, scores)
        if kind == "count":
            attempts = frame["n_samples"].cast(pl.Float64).to_numpy()
            scores[ATTEMPTS] = np.column_stack([attempts, 1.0 / attempts])
        return scores

    def _totals(self, cell: int) -> Totals:
        """The totals of a cell; at first of no rows, with room for all models where all rows are added to
        the same ones."""
        if cell in self.out.totals:
            return self.out.totals[cell]
        squared = cell in self.plan.large
        totals = Totals(squared=squared)
        if self.plan.at_once:
            models = tuple(sorted(self.plan.cells[cell].models))
            none = np.zeros((len(models), 0), dtype=np.int64)
            alone = np.ones(len(models), dtype=np.bool_)
            totals = Totals(
                models, rows=none, answers=none, prints=none.astype(np.uint64), alone=alone, squared=squared
            )
        self.out.totals[cell] = totals
        return totals

    def metrics(self, kind: str, cell: int) -> dict[str, Metric]:
        """The metrics of a kind; of rows of kind score, those that the task of the cell recorded."""
        key = (kind, cell if kind == "score" else -1)
        if key not in self._metrics:
            sample = self.plan.cells[cell].recorded if kind == "score" else None
            self._metrics[key] = self.plan.metrics(kind, sample)
        return self._metrics[key]


def scored(one: Metric, frame: pl.DataFrame, groups: IntArray) -> tuple[FloatArray | None, list[int]]:
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


def together(answers: Answers) -> tuple[IntArray, IntArray, IntArray]:
    """The first row of each (model, item); where its rows begin in an order that puts them together; that."""
    order = np.lexsort((answers.items, answers.models))
    items, models = answers.items[order], answers.models[order]
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


def _numbers(rows: npt.NDArray[np.int64] | slice) -> npt.NDArray[np.int64]:
    return np.arange(rows.start, rows.stop) if isinstance(rows, slice) else rows
