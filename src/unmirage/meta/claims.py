"""The metrics of tasks that were claimed emergent, beside those of all tasks of the source."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from unmirage import bigbench
from unmirage.errors import SourceError
from unmirage.meta.base_rate import COLUMNS, base_rates


def names(path: str | Path | None) -> frozenset[str]:
    """The claimed tasks: one a line of the file, or its column `task`; the shipped list where None.

    Raises SourceError where the file cannot be read or names nothing.
    """
    if path is None:
        return frozenset(bigbench.claimed()["task"])
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as problem:
        raise SourceError(f"cannot be read as text: {problem}", where=str(path)) from None
    lines = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    head = [cell.strip() for cell in lines[0].split(",")] if lines else []
    if "task" in head:
        found = pl.read_csv(Path(path), comment_prefix="#", infer_schema=False)["task"].drop_nulls()
        lines = [name.strip() for name in found]
    if not lines:
        raise SourceError("names no task", where=str(path), hint="Write one name a line.")
    return frozenset(lines)


def rates(cells: pl.DataFrame, claimed: frozenset[str], confidence: float) -> pl.DataFrame:
    """Each metric that tasks are judged by: its share of the claimed tasks and of all tasks of the source.

    The most frequent first. A task is counted once for each metric that a family is judged by on it.

    Parameters: cells in the schema `found.CELLS`. Returns the columns `base_rate.COLUMNS`.
    """
    judged = cells.filter("preferred").select("task", "metric").unique(maintain_order=True)
    there = judged.filter(pl.col("task").is_in(list(claimed)))
    if there.is_empty():
        return pl.DataFrame(schema=COLUMNS)
    counts = there["metric"].value_counts(sort=True).sort("count", "metric", descending=[True, False])
    everything = dict(judged["metric"].value_counts().iter_rows())
    return base_rates(
        dict(counts.iter_rows()),
        everything,
        claimed_tasks=there["task"].n_unique(),
        all_tasks=judged["task"].n_unique(),
        confidence=confidence,
    )
