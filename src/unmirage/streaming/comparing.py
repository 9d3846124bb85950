"""Recorded scores against ours, batch by batch: counts and a bound a task, metric and recorded name."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from unmirage.metrics.cards import FloatArray, IntArray
from unmirage.recorded import COMPARED, counterpart, entries
from unmirage.streaming.plan import CellPlan

Key = tuple[int, str, str]  # cell, our metric, the recorded name


@dataclass
class Compared:
    """How many recorded scores are equal to ours.

    Attributes
    ----------
    found: (cell, metric, recorded name) -> [scores, equal ones, largest difference].
    """

    found: dict[Key, tuple[int, int, float]] = field(default_factory=dict)

    def add(self, frame: pl.DataFrame, cells: IntArray, scores: Mapping[str, FloatArray]) -> None:
        """Compare the rows of a batch.

        Parameters
        ----------
        frame: (n,) rows with kind, length_unit and recorded.
        cells: (n,) the cell of each row.
        scores: our metric -> (n, d), NaN where a row has none.
        """
        if not {"recorded", "length_unit"} <= set(frame.columns):
            return
        if frame["recorded"].null_count() == frame.height:
            return
        rows = entries(frame.select("kind", "length_unit", "recorded").with_row_index("row"))
        for (kind, name), part in rows.group_by("kind", "recorded_as"):
            ours, tolerance = counterpart(str(name), str(kind))
            if ours is None or ours not in scores or scores[ours].shape[1] != 1:
                continue
            at = part["row"].cast(pl.Int64).to_numpy()
            score, value = scores[ours][at, 0], part["value"].to_numpy()
            there = ~np.isnan(score)
            with np.errstate(invalid="ignore"):
                difference = np.where(score == value, 0.0, np.abs(score - value))
            same = (difference <= tolerance) | (score == value)
            for cell in np.unique(cells[at[there]]).tolist():
                mine = there & (cells[at] == cell)
                largest = float(np.fmax.reduce(difference[mine], initial=-np.inf))
                self._put((cell, ours, str(name)), (int(mine.sum()), int(same[mine].sum()), largest))

    def merge(self, other: Compared) -> None:
        """Add what other rows gave."""
        for key, values in other.found.items():
            self._put(key, values)

    def replace(self, other: Compared, cells: Collection[int]) -> None:
        """Take what some cells come to from `other`."""
        self.found = {key: one for key, one in self.found.items() if key[0] not in cells} | other.found

    def frame(self, cells: Sequence[CellPlan]) -> pl.DataFrame:
        """As `unmirage.recorded.compare_items` gives it."""
        rows = [
            (cells[cell].family, cells[cell].task, metric, name, "item", n, equal, largest)
            for (cell, metric, name), (n, equal, largest) in self.found.items()
        ]
        return pl.DataFrame(rows, schema=dict(COMPARED), orient="row").sort("family", "task", "recorded_as")

    def _put(self, key: Key, values: tuple[int, int, float]) -> None:
        n, equal, largest = self.found.get(key, (0, 0, -np.inf))
        self.found[key] = (n + values[0], equal + values[1], max(largest, values[2]))
