"""What the meta-analysis gives back: its tables, its settings, and how to save them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from unmirage.predictions.choice_chain import ChoiceChain
from unmirage.readers.base import Input
from unmirage.result import Progress, Settings, silent

PAGE = "report.html"

CELLS: dict[str, pl.DataType | type[pl.DataType]] = {
    "family": pl.String,
    "task": pl.String,
    "shots": pl.Int64,  # null where the source does not tell several apart
    "metric": pl.String,
    "preferred": pl.Boolean,  # whether it is the metric that the task is judged by
    "scales": pl.Int64,
    "models": pl.Int64,
    "chance": pl.Float64,
    "first": pl.Float64,  # mean at the smallest and at the largest scale
    "last": pl.Float64,
    "noise": pl.String,  # where the error of a mean comes from
    "emergence_score": pl.Float64,  # infinite where half the steps or more are flat
    "breakthroughness": pl.Float64,  # BIG-bench's name of the same number
    "guarded_score": pl.Float64,  # with the smallest step that the items tell from none: this is tested
    "null_median": pl.Float64,
    "null_high": pl.Float64,  # 95% of smooth curves score less
    "p": pl.Float64,
    "p_adjusted": pl.Float64,
    "beyond": pl.Boolean,  # p <= alpha
    "adjusted": pl.Boolean,  # p_adjusted <= alpha
    "linearity": pl.Float64,
    "linearity_null_median": pl.Float64,
    "linearity_null_low": pl.Float64,  # 95% of smooth curves are more linear
    "p_linearity": pl.Float64,
    "p_linearity_adjusted": pl.Float64,
    "draws": pl.Int64,
    "law": pl.String,  # the best smooth one
    "r2": pl.Float64,
    "scatter": pl.Float64,  # of one model about it
    "shape": pl.String,
    "support": pl.Float64,
    "p_constant": pl.Float64,
    "note": pl.String,
}

SCORES: dict[str, pl.DataType | type[pl.DataType]] = {
    "score": pl.String,
    "cells": pl.Int64,
    "tested": pl.Int64,
    "beyond": pl.Int64,
    "share": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "expected": pl.Float64,  # were all curves smooth
    "adjusted": pl.Int64,
}


LAWS: dict[str, pl.DataType | type[pl.DataType]] = {
    "family": pl.String,
    "task": pl.String,
    "shots": pl.Int64,
    "metric": pl.String,
    "axis_value": pl.Float64,
    "mean": pl.Float64,
    "law": pl.Float64,
}


@dataclass(frozen=True)
class Meta:
    """The result of `unmirage.meta`.

    Attributes
    ----------
    cells: one row a family, task, number of shots and metric, in the columns `CELLS`.
    laws: the means of each tested cell and its best smooth law, in the columns `LAWS`.
    scores: of each score how many cells are beyond their null, in the columns `SCORES`.
    groups: the same by metric, task and family: `concentration.GROUPS`.
    concentration: `concentration.CONCENTRATION`.
    claims: how often a metric is the one that tasks are judged by, among those that were claimed to be
        emergent and among all of the source, in the columns `base_rate.COLUMNS`; no rows where none of the
        claimed tasks is there.
    chain: tasks with choices under other metrics, and where along the chain from log-probability to accuracy
        scale is lost: :func:`unmirage.choice_chain`; None where the source has no such items.
    curves: the means, as in an audit. warnings: as in an audit.
    says: what was found, a sentence each.
    settings: what decided the numbers. inputs: the files that were read.
    """

    cells: pl.DataFrame
    laws: pl.DataFrame
    scores: pl.DataFrame
    groups: pl.DataFrame
    concentration: pl.DataFrame
    claims: pl.DataFrame
    chain: ChoiceChain | None
    curves: pl.DataFrame
    warnings: pl.DataFrame
    says: tuple[str, ...]
    settings: Settings
    inputs: tuple[Input, ...]

    def save(
        self, directory: str | Path, *, formats: tuple[str, ...] = (), progress: Progress = silent
    ) -> Path:
        """Write the report folder, whole or not at all; returns the path of report.html.

        `formats` names image formats (png, svg, pdf) for the charts, under `charts/`.
        """
        from unmirage.meta.files import write

        return write(self, Path(directory), formats=formats, progress=progress)
