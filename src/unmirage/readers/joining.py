"""Give a generative task the log-likelihood of its targets, from a likelihood task over the same documents.

A generation carries no log-probabilities. Where the same model also ran a likelihood task on the same
documents, the items (which are document hashes) meet, and the generation rows take over `target_logprobs`
and `greedy`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from unmirage import tables
from unmirage.facts import Cells

Note = dict[str, object]
KEY = ["family", "model", "task", "item_id"]
TAKEN = ["target_logprobs", "greedy"]


@dataclass
class Partners:
    """Which likelihood task each generative task takes its log-probabilities from.

    A likelihood task is a partner where, for every model that ran both, it covers all items of the generative
    task. Of several the one with the most equal targets is taken, then the first by name.

    Parameters
    ----------
    cells: the codes of the facts.
    kinds: code of a task of a family -> the kind of its first row.
    """

    cells: Cells
    kinds: Mapping[int, str]
    _rows: Counter[int] = field(default_factory=Counter)  # cell of a generative task -> rows
    _scored: set[int] = field(default_factory=set)  # generative tasks that have log-probabilities
    _there: set[int] = field(default_factory=set)  # cells of likelihood tasks
    _met: Counter[tuple[int, int]] = field(default_factory=Counter)  # (task, partner) -> rows that met
    _equal: Counter[tuple[int, int]] = field(default_factory=Counter)  # of these, equal targets

    def add(self, facts: pl.DataFrame) -> None:
        """Take the facts of some items; all rows of an item at once."""
        generative = [code for code, kind in self.kinds.items() if kind == "generation"]
        likelihoods = [code for code, kind in self.kinds.items() if kind == "likelihood"]
        if not generative or not likelihoods:
            return
        mine = facts.filter(pl.col("task").is_in(generative))
        theirs = facts.filter(pl.col("task").is_in(likelihoods), pl.col("epoch") == 0)
        self._rows.update(dict(mine.group_by("cell").len().iter_rows()))
        self._scored |= set(mine.filter("scored")["task"].unique())
        self._there |= set(theirs["cell"].unique())
        models = pl.DataFrame(
            {"cell": range(len(self.cells.model_of)), "model": self.cells.model_of},
            schema=dict.fromkeys(("cell", "model"), pl.UInt32),
        )
        pairs = (
            mine.join(models, on="cell")
            .join(
                theirs.join(models, on="cell")
                .filter(pl.col("target").is_not_null())
                .select("model", "item", partner="task", reference="trimmed"),
                on=["model", "item"],
            )
            .group_by("task", "partner")
            .agg(met=pl.len(), equal=(pl.col("trimmed") == pl.col("reference")).sum())
        )
        for task, partner, met, equal in pairs.iter_rows():
            self._met[task, partner] += met
            self._equal[task, partner] += equal

    def chosen(self) -> tuple[dict[int, int], list[Note]]:
        """Code of a generative task -> that of its partner; and a warning that names each pair."""
        found: dict[int, int] = {}
        notes = []
        rows: dict[int, dict[str, int]] = {}
        for cell, n in self._rows.items():
            rows.setdefault(self.cells.task_of[cell], {})[self.cells.cells[cell][1]] = n
        models: dict[int, set[str]] = {}
        for cell in self._there:
            models.setdefault(self.cells.task_of[cell], set()).add(self.cells.cells[cell][1])
        for task, kind in self.kinds.items():
            if kind != "generation" or task in self._scored:
                continue
            family, name = self.cells.tasks[task]
            best: tuple[float, int] | None = None
            others = [code for code in models if self.cells.tasks[code][0] == family]
            for other in sorted(others, key=lambda code: self.cells.tasks[code][1]):
                both = sum(n for model, n in rows.get(task, {}).items() if model in models[other])
                if both == 0 or self._met[task, other] < both:
                    continue
                equal = self._equal[task, other] / both
                if best is None or equal > best[0]:
                    best = equal, other
            if best is None:
                continue
            found[task] = best[1]
            notes.append(
                tables.warning(
                    "joined-likelihood",
                    f"{name} takes the log-probability of its targets from {self.cells.tasks[best[1]][1]}, "
                    "which has the same documents"
                    + ("" if best[0] == 1 else f" (targets are the same text on {best[0]:.0%} of the items)"),
                    where=f"{family} / {name}",
                )
            )
        return found, notes


def take_over(responses: pl.DataFrame, given: pl.DataFrame) -> pl.DataFrame:
    """The rows with `target_logprobs` and `greedy` of the same family, model, task and item in `given`, where
    they have none."""
    given = given.select(*KEY, *TAKEN).unique(KEY, keep="first", maintain_order=True)
    joined = responses.join(given, on=KEY, how="left", suffix="_given", maintain_order="left")
    return joined.with_columns(pl.coalesce(name, f"{name}_given").alias(name) for name in TAKEN).drop(
        f"{name}_given" for name in TAKEN
    )
