"""The rows of a table by their names. Rows that stand together, as most logs have them, are not copied."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl


def parts(frame: pl.DataFrame, names: Sequence[str]) -> dict[tuple[str, ...], pl.DataFrame]:
    """Values of the columns `names` -> their rows, both in the order of the frame."""
    if frame.height == 0:
        return {}
    first = frame.select(pl.any_horizontal(pl.col(name) != pl.col(name).shift() for name in names))
    starts = [0, *first.to_series().arg_true()]
    keys = frame.select(names)[starts].rows()
    if len(set(keys)) < len(keys):
        return frame.partition_by(names, maintain_order=True, as_dict=True)
    ends = [*starts[1:], frame.height]
    return {key: frame.slice(start, end - start) for key, start, end in zip(keys, starts, ends, strict=True)}
