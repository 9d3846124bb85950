"""What a figure is: its charts, its numbers beside the paper's, and what it shows in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

NUMBERS: dict[str, pl.DataType | type[pl.DataType]] = {
    "group": pl.String,  # whose numbers: "model", "GPT-3", "trained", "as published", ...
    "panel": pl.String,  # as in the chart, or a quantity that is not drawn
    "series": pl.String,
    "model": pl.String,  # of a trained family; null elsewhere
    "n_params": pl.Float64,
    "n": pl.Int64,  # items that a measured rate is of
    "ours": pl.Float64,
    "low": pl.Float64,  # 95%, of a measured or sampled value
    "high": pl.Float64,
    "paper": pl.Float64,  # null where the paper has no such point
    "difference": pl.Float64,  # ours - paper
}


@dataclass(frozen=True)
class Figure:
    """One figure, drawn again.

    Attributes
    ----------
    name: "fig2", ...; also the start of its files' names.
    title: one line.
    charts: file name without ending -> Vega-Lite definition, its data inside.
    numbers: what is drawn as a tidy table in the schema `NUMBERS`.
    says: what it shows, a sentence each, with computed numbers.
    notes: what is not as in the paper: errata that are not copied, panels that the data do not allow.
    """

    name: str
    title: str
    charts: Mapping[str, dict[str, Any]]
    numbers: pl.DataFrame
    says: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def compared(self) -> pl.DataFrame:
        """One row a group of numbers: group, numbers, compared (those beside one of the paper's), largest.

        `largest` is the largest absolute difference from the paper, null where nothing is compared.
        """
        return self.numbers.group_by("group", maintain_order=True).agg(
            numbers=pl.len(),
            compared=pl.col("difference").count(),
            largest=pl.col("difference").abs().max(),
        )


def numbers(rows: Iterable[Mapping[str, Any]]) -> pl.DataFrame:
    """Rows of the table of numbers; the difference is filled in where both values are there."""
    frame = pl.DataFrame(list(rows), schema=dict(NUMBERS))
    return frame.with_columns(difference=pl.col("ours") - pl.col("paper"))
