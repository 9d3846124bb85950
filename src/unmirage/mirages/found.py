"""What `unmirage.induce` finds: the mirages, what the audit says of them, and the folder that shows them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from unmirage.result import Progress, silent
from unmirage.verdict.outcome import ARTIFACT

INDEX = "index.md"

CURVES: dict[str, pl.DataType | type[pl.DataType]] = {
    "metric": pl.String,
    "model": pl.String,
    "axis": pl.String,
    "axis_value": pl.Float64,
    "n": pl.Int64,  # items
    "value": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "method": pl.String,  # how [low, high] was made
    "drawn": pl.Float64,  # of a metric of groups: the share of groups drawn at random; else null
}


@dataclass(frozen=True)
class Mirage:
    """One made metric that a paper could have drawn, and what the audit says of it.

    Attributes
    ----------
    metric: its expression, as `unmirage audit --headline` takes it.
    companion: the metric that it is held beside, or None where there is no continuous one.
    cut: the threshold in it, or None. k: the items of a group, or None without groups.
    chance: the level that it was judged against.
    row: its row of `Induced.search`.
    verdict: the row of `Audit.verdicts` with the made metric for a headline.
    judged: items that the verdict rests on; of groups, the disjoint groups.
    responses: of groups, the table that was judged, an item a group; None for a threshold, which is judged on
        the responses as they are.
    """

    metric: str
    companion: str | None
    cut: float | None
    k: int | None
    chance: float
    row: dict[str, Any]
    verdict: dict[str, Any]
    judged: int
    responses: pl.DataFrame | None = None

    @property
    def unmasked(self) -> bool:
        """Whether the audit calls it what it is."""
        return bool(self.verdict["verdict"] == ARTIFACT)


@dataclass(frozen=True)
class Induced:
    """Mirages made from one metric of one family and task.

    Attributes
    ----------
    family, task, axis: what of.
    metric, title, higher_is_better: the metric that they are made from.
    items, scales: how many there are of each.
    seed: of every resampling and of the groups.
    least: the value that the largest scale must reach for a curve to be drawn.
    search: every made metric that was tried, in the columns `search.MADE`; the metric itself comes first.
    curves: the metric itself, the chosen ones, and the metric in the groups, in the columns `CURVES`.
    mirages: the chosen ones: by a threshold and by groups, of which either may be missing.
    says: what was found, a sentence each. notes: what to know of the data and the choices.
    source: the path that was named, for the commands that the page shows; "RESPONSES" for other sources.
    """

    family: str
    task: str
    axis: str
    metric: str
    title: str
    higher_is_better: bool
    items: int
    scales: int
    seed: int
    least: float
    search: pl.DataFrame
    curves: pl.DataFrame
    mirages: tuple[Mirage, ...]
    says: tuple[str, ...]
    notes: tuple[str, ...]
    source: str

    @property
    def sharpest(self) -> Mirage | None:
        """The mirage that looks sharpest; None where nothing could be drawn."""
        return max(self.mirages, key=lambda one: float(one.row["sharpness"]), default=None)

    def save(self, directory: str | Path, progress: Progress = silent) -> Path:
        """Write index.md, the charts as PNG and SVG, search.csv, curves.csv, verdicts.csv and, for groups,
        groups.parquet (a table for `unmirage audit`): all or none. Returns the path of index.md.

        Raises
        ------
        OutputError
            The folder cannot be made or written.
        """
        from unmirage.mirages.files import write

        return write(self, Path(directory), progress)
