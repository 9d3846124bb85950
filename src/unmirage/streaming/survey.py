"""The first pass over a table: which models answered which tasks, with what scales. Few columns are read."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from unmirage import tables
from unmirage.engine import Engine
from unmirage.result import Progress
from unmirage.streaming.table import Part, Table, conformed

KEYS = ("family", "model", "task", "kind")
GROUP = pl.col(KEYS)
LOW, HIGH = "__low_", "__high_"
# A column that is numeric, stands beside the schema and is no scale.
NO_SCALE = frozenset(("until",))


def axes_of(table: Table) -> tuple[str, ...]:
    """The columns that can be scales: the known axes, and numbers beside the schema."""
    return tuple(
        name
        for name, kind in table.columns.items()
        if name in tables.AXES
        or (name not in tables.RESPONSES and name not in NO_SCALE and kind.is_numeric())
    )


def survey(table: Table, engine: Engine, progress: Progress) -> pl.DataFrame:
    """One row a (family, model, task, kind), in the order in which they are met.

    Returns a frame: those names, `rows`, `first` (the number of their first row), and for each column of
    :func:`axes_of` its smallest and largest value, `LOW` and `HIGH` before the column's name.
    Raises TableError where a column holds values of another type.
    """
    axes = axes_of(table)
    found: list[pl.DataFrame] = []
    done = 0
    for at, one in engine.map(_surveyed, {i: (part, axes) for i, part in enumerate(table.parts)}):
        found.append(one)
        done += table.parts[at].rows
        progress("looking", done, table.rows)
        if len(found) > 64:
            found = [merged(found)]
    return merged(found)


def merged(found: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Surveys of parts as one."""
    frame = pl.concat(found, how="diagonal")
    lows, highs = (pl.col(f"^{mark}.*$") for mark in (LOW, HIGH))
    return (
        frame.group_by(KEYS, maintain_order=True)
        .agg(pl.col("rows").sum(), pl.col("first").min(), lows.min(), highs.max())
        .sort("first", maintain_order=True)
    )


def runs(frame: pl.DataFrame, names: Sequence[str]) -> tuple[np.ndarray, pl.DataFrame]:
    """Where runs of rows that are equal in the columns begin, and the first row of each."""
    changed = pl.any_horizontal(pl.col(name).ne_missing(pl.col(name).shift()) for name in names)
    flags = frame.select(changed).to_series().to_numpy().copy()
    flags[:1] = True
    starts = np.flatnonzero(flags)
    return starts, frame.select(names)[starts]


def _surveyed(part: Part, axes: Sequence[str]) -> pl.DataFrame:
    frame = conformed(part.read([*KEYS, *axes]), part.where)
    axes = [name for name in axes if name in frame.columns]
    starts, heads = runs(frame, [*KEYS, *axes])
    lengths = np.diff(np.append(starts, frame.height))
    return (
        heads.with_columns(rows=pl.Series(lengths), first=pl.Series(starts + part.first))
        .group_by(KEYS, maintain_order=True)
        .agg(
            pl.col("rows").sum(),
            pl.col("first").min(),
            pl.col(axes).min().name.prefix(LOW),
            pl.col(axes).max().name.prefix(HIGH),
        )
    )
