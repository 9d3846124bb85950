"""Hashes of the items and units of rows; names that a task's rows held before are not hashed again."""

from __future__ import annotations

import numpy as np
import polars as pl

from unmirage.streaming.exact import Ints
from unmirage.streaming.grouping import Lately, long
from unmirage.streaming.hashing import Hashes, hash_names


class Names:
    """Names that were hashed."""

    def __init__(self) -> None:
        self._names = Lately[pl.DataFrame](pl.DataFrame.equals)
        self._hashes: dict[int, tuple[Hashes, Hashes]] = {}

    def hashes(self, frame: pl.DataFrame, starts: Ints, cells: Ints) -> tuple[Hashes, Hashes]:
        """(n,) hashes of the items, and of the units: the clusters, or the items that have none.

        Parameters
        ----------
        frame: (n,) rows with `item_id`, and `cluster` if there are any; none for a frame without items.
        starts: (R,) where runs of rows of one model and task begin; cells (R,) their tasks.
        """
        if "item_id" not in frame.columns:
            return np.zeros(0, dtype=np.uint64), np.zeros(0, dtype=np.uint64)
        named = frame.select(name for name in ("item_id", "cluster") if name in frame.columns)
        if not long(starts, named.height):
            return _hashed(named)
        parts = []
        for start, end, cell in zip(starts, np.append(starts[1:], named.height), cells.tolist(), strict=True):
            parts.append(self._of_run(named[start:end], cell))
        items, units = zip(*parts, strict=True)
        return np.concatenate(items), np.concatenate(units)

    def _of_run(self, named: pl.DataFrame, cell: int) -> tuple[Hashes, Hashes]:
        again = self._names.again(cell, named)
        if again is not None:
            items, units = self._hashes[cell]
            return items[again], units[again]
        found = _hashed(named)
        if self._names.keep(cell, named):
            self._hashes[cell] = found
        return found


def _hashed(named: pl.DataFrame) -> tuple[Hashes, Hashes]:
    items = units = hash_names(named["item_id"])
    if "cluster" in named.columns and named["cluster"].null_count() < named.height:
        there = named["cluster"].is_not_null()
        units = items.copy()
        units[there.to_numpy()] = hash_names(named["cluster"].filter(there))
    return items, units
