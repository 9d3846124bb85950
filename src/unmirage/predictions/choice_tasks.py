"""The choice tasks of an audit as cells of the metrics that the swap and the chain look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from unmirage.cells import Cell, cells
from unmirage.errors import SettingsError
from unmirage.metrics import score
from unmirage.result import Audit
from unmirage.scales import FALLING

HEADLINE = "multiple_choice_grade"
BRIERS = ("brier_mean", "brier_sum", "brier_one_sided")
FEWEST_SCALES = 3  # with two every correlation is 1 or -1


@dataclass(frozen=True)
class ChoiceTask:
    """One choice task of one family.

    Attributes
    ----------
    cell: the scores of its items.
    curves: rows of the audit's curves of the task, which may lack metrics.
    dependent: what the audit says of items that depend on each other, or None.
    """

    cell: Cell
    curves: pl.DataFrame
    dependent: str | None

    @property
    def where(self) -> dict[str, str]:
        """The first columns of every table."""
        return {"family": self.cell.family, "task": self.cell.task}


def metrics_of(brier: str) -> tuple[str, ...]:
    """The metrics that are swapped, the headline first.

    Raises SettingsError for a Brier score that is not there.
    """
    if brier not in BRIERS:
        raise SettingsError(
            f"there is no Brier score {brier!r}", where="brier", hint=f"There are: {', '.join(BRIERS)}."
        )
    return (HEADLINE, brier, "choice_prob", "choice_logprob", "vocab_logprob", "vocab_prob")


def choice_tasks(audit: Audit, brier: str) -> list[ChoiceTask]:
    """The tasks of kind choice, families in the order of the audit; metrics that it lacks are scored here.

    Raises SettingsError for a Brier score that is not there.
    """
    names = [*metrics_of(brier), "margin"]
    scales = audit.curves.select("family", "model", "axis_value").unique()
    rows = audit.responses.filter(pl.col("kind") == "choice")
    if rows.is_empty():
        return []
    there = audit.scores.join(rows.select("family", "task").unique(), on=["family", "task"], how="semi")
    known = set(there["metric"].unique()) & set(names)
    scores = there.filter(pl.col("metric").is_in(known))
    missing = [name for name in names if name not in known]
    if missing:
        scores = pl.concat([scores, _scored(rows, missing)])
    found = cells(
        rows.join(scales, on=["family", "model"], maintain_order="left"),
        scores,
        order=rows["family"].unique(maintain_order=True).to_list(),
        falling=audit.settings.axis in FALLING,
        chance=audit.settings.chance,
        wanted=[],
    )
    said = {
        str(note["where"]): str(note["message"])
        for note in audit.warnings.filter(pl.col("code") == "dependent-items").iter_rows(named=True)
    }
    return [
        ChoiceTask(
            cell,
            audit.curves.filter(
                pl.col("family") == cell.family, pl.col("task") == cell.task, pl.col("metric").is_in(names)
            ),
            said.get(f"{cell.family} / {cell.task}"),
        )
        for cell in found
    ]


def _scored(rows: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """Scores of the metrics that some task allows: one that none allows is no error here."""
    found = score(rows)
    return found.scores.filter(pl.col("metric").is_in(list(names)))


def scale_places(cell: Cell) -> tuple[np.ndarray, np.ndarray]:
    """(values (S,) of the axis from small to large models, (models,) the place of each model among them)."""
    falling = bool(cell.axis_values.size > 1 and cell.axis_values[0] > cell.axis_values[-1])
    values = np.unique(cell.axis_values)
    values = values[::-1] if falling else values
    place = np.array([int(np.flatnonzero(values == v)[0]) for v in cell.axis_values], dtype=np.int64)
    return values, place


def bounds(replicates: np.ndarray, confidence: float, units: int) -> tuple[np.ndarray, np.ndarray]:
    """Percentile intervals (columns,) of replicates (B, columns).

    NaN for a column without a value, and for one whose replicates are all alike: a width of 0 would be false.
    """
    from unmirage.statistics import percentile_interval

    columns = replicates.shape[1]
    low, high = np.full(columns, np.nan), np.full(columns, np.nan)
    if units < 2:
        return low, high
    able = np.isfinite(replicates).all(axis=0)
    able[able] = np.ptp(replicates[:, able], axis=0) > 0
    if able.any():
        low[able], high[able] = percentile_interval(replicates[:, able], confidence, units)
    return low, high
