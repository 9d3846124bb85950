"""Do the rows of all sources contradict each other? Rules that need no knowledge of the tool that wrote them.

Each gives a warning; docs/checks.md lists them. Rows are seen part by part, as facts (:mod:`unmirage.facts`),
so that memory does not grow with the logs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import polars as pl

from unmirage import tables
from unmirage.consistency import TELLING, Note, Setup
from unmirage.counts import listed
from unmirage.facts import Cells, facts_of

# Of an item, between the models of a family: what may not differ, and its warning.
DIFFERING = {
    "different-targets": "another target text",
    "different-answers": "another right choice",
    "different-choices": "another number of choices",
}


def check_rows(
    responses: pl.DataFrame | None, results: pl.DataFrame | None, setups: Sequence[Setup]
) -> list[Note]:
    """Warnings on rows in memory.

    Parameters: frames in the schemas of `unmirage.tables`, or None; how the models were asked.
    """
    cells = Cells()
    checks = RowChecks(cells)
    if responses is not None and responses.height:
        _, facts = facts_of(responses, cells, 0, rest=False)
        checks.add(facts)
    return checks.notes(results, setups)


@dataclass
class _Same:
    """The log-probabilities of one model's task: what tells whether another model has the same."""

    place: int  # of its first row
    digest: int = 0
    items: int = 0
    values: set[float | None] = field(default_factory=set)  # TELLING of them at most


@dataclass
class RowChecks:
    """What contradicts in the rows that were added; all rows of an item are added at once.

    Parameters
    ----------
    cells: the codes of the facts.
    """

    cells: Cells
    _broken: dict[tuple[str, int], tuple[int, int, str]] = field(default_factory=dict)
    _choices: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    _same: dict[int, _Same] = field(default_factory=dict)
    _tasks: set[int] = field(default_factory=set)

    def add(self, facts: pl.DataFrame) -> None:
        """Take the facts of some items, in the order of their places."""
        self._tasks |= set(facts["task"].unique())
        self._differing(facts)
        self._counts(facts)
        self._log_probabilities(facts)

    def notes(self, results: pl.DataFrame | None, setups: Sequence[Setup]) -> list[Note]:
        """The warnings.

        Parameters: the aggregates, or None; how the models were asked.
        """
        if not self._tasks:
            return []
        nearest = {(one.family, one.task) for one in setups if one.nearest}
        notes = self._differing_notes(nearest) + self._counts_notes() + self._one_model()
        return notes + ([] if results is None else self._without_items(results))

    def _differing(self, facts: pl.DataFrame) -> None:
        """One item with several targets, right choices or numbers of choices."""
        if _once(facts):
            return
        seen = facts.group_by("task", "item", maintain_order=True).agg(
            pl.col("at").first(),
            choice=pl.col("kind").first() == "choice",
            **{name: pl.col(name).min() != pl.col(name).max() for name in ("target", "answer", "choices")},
        )
        choice = pl.col("choice")
        broken = (~choice & pl.col("target"), choice & pl.col("answer"), choice & pl.col("choices"))
        for code, test in zip(DIFFERING, broken, strict=True):
            rows = seen.filter(test).group_by("task", maintain_order=True)
            for task, place, item, n in rows.agg(
                pl.col("at", "item").first(), pl.len().alias("n")
            ).iter_rows():
                before = self._broken.get((code, task), (place, 0, item))
                first = min(before, (place, 0, item), key=lambda one: one[0])
                self._broken[code, task] = first[0], before[1] + n, first[2]

    def _differing_notes(self, nearest: set[tuple[str, str]]) -> list[Note]:
        notes = []
        for code, what in DIFFERING.items():
            mine = sorted((found, task) for (word, task), found in self._broken.items() if word == code)
            for (_, n, first), code_of_task in mine:
                family, task = self.cells.tasks[code_of_task]
                if code == "different-targets" and (family, task) in nearest:
                    continue
                message = (
                    f"{task}: {n} items have {what} for some models (first: {first}): they are not "
                    "the same items, or their ids were given anew"
                )
                notes.append(tables.warning(code, message, where=f"{family} / {task}", count=n))
        return notes

    def _counts(self, facts: pl.DataFrame) -> None:
        rows = facts.filter(pl.col("kind") == "choice").group_by("task", maintain_order=True)
        for code, place, low, high in rows.agg(
            pl.col("at").min(), low=pl.col("choices").min(), high=pl.col("choices").max()
        ).iter_rows():
            task = self.cells.tasks[code][1]
            place_before, low_before, high_before = self._choices.get(task, (place, low, high))
            self._choices[task] = min(place, place_before), min(low, low_before), max(high, high_before)

    def _counts_notes(self) -> list[Note]:
        """Tasks whose items have different numbers of choices: one warning for all of them."""
        found = sorted((place, task, low, high) for task, (place, low, high) in self._choices.items())
        names = [f"{task} ({low} to {high})" for _, task, low, high in found if low < high]
        if not names:
            return []
        message = (
            f"items differ in their number of choices, so chance is taken item by item: {listed(names, 8)}"
        )
        return [tables.warning("choice-counts", message, count=len(names))]

    def _log_probabilities(self, facts: pl.DataFrame) -> None:
        rows = facts.filter(pl.col("epoch") == 0, pl.col("kind").is_in(["choice", "likelihood"]))
        rows = rows.with_columns(row=rows.select("item", "sums").hash_rows(seed=0))
        for code, place, digest, items, values in (
            rows.group_by("cell")
            .agg(
                pl.col("at").min(),
                digest=pl.col("row").bitwise_xor(),
                items=pl.len(),
                values=pl.col("sums").unique().head(TELLING),
            )
            .iter_rows()
        ):
            one = self._same.setdefault(code, _Same(place))
            one.place = min(one.place, place)
            one.digest ^= digest
            one.items += items
            if len(one.values) < TELLING:
                one.values |= set(values)

    def _one_model(self) -> list[Note]:
        """Models of a family with the same log-probabilities to the last digit: one model under several
        names."""
        alike: dict[tuple[int, int, int], tuple[int, list[str]]] = {}
        for code, one in sorted(self._same.items(), key=lambda pair: pair[1].place):
            if one.items >= TELLING and len(one.values) >= TELLING:
                group = alike.setdefault((self.cells.task_of[code], one.digest, one.items), (one.place, []))
                group[1].append(self.cells.cells[code][1])
        found: dict[tuple[str, tuple[str, ...]], list[str]] = {}
        for (code, _, _), (_, models) in sorted(alike.items(), key=lambda pair: pair[1][0]):
            if len(models) > 1:
                family, task = self.cells.tasks[code]
                found.setdefault((family, tuple(sorted(models))), []).append(task)
        return [
            tables.warning(
                "identical-models",
                f"{listed(models, 8)} have the same log-probabilities to the last digit on every item of "
                f"{listed(tasks)}: one model under {len(models)} names, as when a revision was asked for and "
                "not loaded, or a log was copied",
                where=family,
                count=len(models),
            )
            for (family, models), tasks in found.items()
        ]

    def _without_items(self, results: pl.DataFrame) -> list[Note]:
        """Tasks of which there are scores and no items, where other tasks have items: one warning a
        family."""
        have = {self.cells.tasks[code] for code in self._tasks}
        missing: dict[str, list[str]] = {}
        for family, task in results.select("family", "task").unique(maintain_order=True).iter_rows():
            if (family, task) not in have:
                missing.setdefault(family, []).append(task)
        return [
            tables.warning(
                "results-without-items",
                f"{family}: {len(tasks)} tasks have scores and no items in the logs, and are judged from "
                f"their aggregates: {listed(sorted(tasks), 8)}",
                where=family,
                count=len(tasks),
            )
            for family, tasks in missing.items()
        ]


@dataclass
class ItemCounts:
    """How many items the models' tasks have; all rows of an item are added at once.

    Parameters
    ----------
    cells: the codes of the facts.
    """

    cells: Cells
    _models: dict[int, set[int]] = field(default_factory=dict)
    _shared: dict[tuple[int, int], int] = field(default_factory=dict)  # task, models -> items
    _epochs: dict[int, int] = field(default_factory=dict)

    def add(self, facts: pl.DataFrame) -> None:
        """Take the facts of some items."""
        if _once(facts):
            items = facts.select("task", models=1, epochs=1)
        else:
            asked = facts.group_by("task", "item", "cell").agg(epochs=pl.col("epoch").n_unique())
            items = asked.group_by("task", "item").agg(models=pl.len(), epochs=pl.col("epochs").max())
        for task, models, n in items.group_by("task", "models").len().iter_rows():
            self._shared[task, models] = self._shared.get((task, models), 0) + n
        for task, epochs in items.group_by("task").agg(pl.col("epochs").max()).iter_rows():
            self._epochs[task] = max(self._epochs.get(task, 0), epochs)
        for task, cell in facts.select("task", "cell").unique().iter_rows():
            self._models.setdefault(task, set()).add(cell)

    @property
    def items(self) -> dict[int, tuple[int, int, int]]:
        """Code of a task -> (items, items that all its models answered, the most epochs of an item)."""
        found = {}
        for task, cells in self._models.items():
            counts = {models: n for (other, models), n in self._shared.items() if other == task}
            found[task] = sum(counts.values()), counts.get(len(cells), 0), self._epochs[task]
        return found


def _once(facts: pl.DataFrame) -> bool:
    """Whether no two rows are of one item, which is told far faster than its rows are grouped."""
    return facts["item"].n_unique() == facts.height
