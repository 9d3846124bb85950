"""Tasks whose models answered different items, or the same ones unequally often.

Their rows are written to files by the hash of the item, so that each file holds all that was answered to its
items. Then items are compared, repeats averaged and the rest added up, file by file.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl

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


def regroup(table: Table, plan: Plan) -> tuple[Scored, dict[int, Shared]]:
    """Score the rows of the items that all models of a cell answered.

    Parameters
    ----------
    plan: in whose groups only the rows in question have a cell.
    """
    groups = plan.groups.filter(pl.col("cell") >= 0)
    out, shared = Scored(), {int(cell): Shared() for cell in groups["cell"].unique()}
    scorer = Scorer(plan)
    with tempfile.TemporaryDirectory(prefix="unmirage-items-") as folder:
        files = _spilled(table, plan, Path(folder))
        for names in files:
            frame = pl.concat([pl.read_ipc(name, memory_map=False) for name in names])
            for batch in _common(batch_of(Part(frame, 0, frame.height, 0), plan), plan, shared):
                scorer.add_averaged(out, batch)
    return out, shared


def _spilled(table: Table, plan: Plan, folder: Path) -> list[list[Path]]:
    """The files that rows with a cell went to, those of the same items together."""
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
        rows = np.flatnonzero(batch.cells >= 0)
        if len(rows):
            mine = batch.take(rows)
            file = (mine.items % np.uint64(number)).astype(np.int64)
            held.append(mine.frame.with_columns(pl.Series(_FILE, file)))
        if sum(frame.height for frame in held) > _HELD:
            write()
    if held:
        write()
    return [names for names in files if names]


def _common(batch: Batch, plan: Plan, shared: dict[int, Shared]) -> Iterator[Batch]:
    """The rows of items that all models of a cell answered, cell by cell, with the items counted."""
    for cell in np.unique(batch.cells).tolist():
        rows = np.flatnonzero(batch.cells == cell)
        mine = batch.take(rows)
        models = plan.cells[cell].models
        seen = pl.DataFrame({"item": mine.items, "model": mine.models})
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
