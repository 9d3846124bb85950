"""Tasks whose models answered different items, or the same ones unequally often.

Their rows are written to files by the hash of the item, so that each file holds all that was answered to its
items. Then items are compared, repeats averaged and the rest added up, file by file.
"""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl

from unmirage.metrics.cards import IntArray
from unmirage.streaming.facts import asked_of
from unmirage.streaming.plain import NotPlain
from unmirage.streaming.plan import Plan
from unmirage.streaming.scoring import Batch, Scored, Scorer, batch_of
from unmirage.streaming.table import BATCH, Part, Table

_HELD = 1 << 19  # rows that wait before they are written
_MOST_FILES = 1024
_FILE = "__file"


@dataclass
class Shared:
    """Items of one cell.

    Attributes
    ----------
    answered: model -> items that it answered.
    common: items that all models answered.
    """

    answered: dict[str, int] = field(default_factory=dict)
    common: int = 0


def regroup(table: Table, plan: Plan, groups: Collection[int]) -> tuple[Scored, dict[int, Shared]]:
    """Score the rows of the items that all models of a cell answered.

    Parameters
    ----------
    groups: the rows in question, all of a task's.

    Raises NotPlain where rows that no reader has checked contradict each other.
    """
    mine = plan.groups.filter(pl.col("group").is_in(list(groups)))
    cells = mine.filter(pl.col("cell") >= 0)["cell"].unique()
    out, shared = Scored(), {int(cell): Shared() for cell in cells}
    scorer = Scorer(plan, out)
    with tempfile.TemporaryDirectory(prefix="unmirage-items-") as folder:
        for names in _spilled(table, plan, mine["group"].to_numpy(), Path(folder)):
            frame = pl.concat([pl.read_ipc(name) for name in names])
            batch = batch_of(Part(frame, 0, frame.height, 0), plan)
            if not plan.checked:
                _check(batch, plan)
            for rows in _common(batch, plan, shared):
                scorer.add_averaged(rows)
    return out, shared


def _check(batch: Batch, plan: Plan) -> None:
    """Raises NotPlain where a key stands twice, or an item was not the same for all models of a family."""
    seen = pl.DataFrame(
        {
            "group": batch.groups,
            "item": batch.answers.items,
            "epoch": batch.answers.epochs,
            "asked": asked_of(batch),
        }
    )
    if seen.select("group", "item", "epoch").is_duplicated().any():
        raise NotPlain
    named = seen.join(plan.groups.select("group", "family", "task"), on="group")
    pairs = named.select("family", "task", "item", "asked").unique()
    if pairs.height > named.select("family", "task", "item").n_unique():
        raise NotPlain


def _spilled(table: Table, plan: Plan, groups: IntArray, folder: Path) -> list[list[Path]]:
    """The files that rows of these groups went to, those of the same items together."""
    number = min(_MOST_FILES, max(1, -(-table.rows // BATCH)))
    files: list[list[Path]] = [[] for _ in range(number)]
    held: list[pl.DataFrame] = []

    def write() -> None:
        rows = pl.concat(held)
        for (file,), part in rows.partition_by(_FILE, as_dict=True, maintain_order=True).items():
            path = folder / f"{file}-{len(files[int(file)])}.arrow"
            part.drop(_FILE).write_ipc(path, compression="lz4")
            files[int(file)].append(path)
        held.clear()

    for part in table.parts:
        batch = batch_of(part, plan)
        rows = np.flatnonzero(np.isin(batch.groups, groups))
        if len(rows):
            mine = batch.take(rows)
            file = (mine.answers.items % np.uint64(number)).astype(np.int64)
            held.append(mine.frame.with_columns(pl.Series(_FILE, file)))
        if sum(frame.height for frame in held) > _HELD:
            write()
    if held:
        write()
    return [names for names in files if names]


def _common(batch: Batch, plan: Plan, shared: dict[int, Shared]) -> Iterator[Batch]:
    """The rows of items that all models of a cell answered, cell by cell, with the items counted."""
    for cell in np.unique(batch.cells[batch.cells >= 0]).tolist():
        rows = np.flatnonzero(batch.cells == cell)
        mine = batch.take(rows)
        models = plan.cells[cell].models
        seen = pl.DataFrame({"item": mine.answers.items, "model": mine.answers.models})
        pairs = seen.unique()
        for code, items in pairs.group_by("model").len().iter_rows():
            answered = shared[cell].answered
            answered[models[code]] = answered.get(models[code], 0) + items
        by = pairs.group_by("item").len()
        common = by.filter(pl.col("len") == len(models))["item"]
        shared[cell].common += len(common)
        kept = seen.select(pl.col("item").is_in(common.implode())).to_series().to_numpy()
        if kept.any():
            yield mine.take(np.flatnonzero(kept))
