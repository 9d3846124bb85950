"""From a survey to what is compared: models on the axis, one kind a task; decided without the rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from unmirage import scales, tables
from unmirage.readers.base import Options
from unmirage.readers.tabular_meaning import STEPS, fill_scales
from unmirage.result import Settings
from unmirage.streaming.survey import HIGH, LOW

Note = dict[str, object]


@dataclass(frozen=True)
class Chosen:
    """What is compared.

    Attributes
    ----------
    kept: one row a (family, model, task) with a curve: `family` of the curve, `source` the family that the
        rows name, model, task, kind, axis_value, first.
    results: aggregates of models on the axis, with `axis_value`, or None.
    families: the curves' families in order.
    notes: warnings.
    """

    kept: pl.DataFrame
    results: pl.DataFrame | None
    families: list[str]
    notes: list[Note]


def scales_of(survey: pl.DataFrame, axes: Sequence[str]) -> pl.DataFrame:
    """The models' scales: family, model, task, kind and the axes; two rows where a column is not constant."""
    names = ["family", "model", "task", "kind"]
    missing = [pl.lit(None, dtype=pl.Float64).alias(name) for name in tables.AXES if name not in axes]
    ends = [
        survey.select(*names, *(pl.col(f"{mark}{name}").alias(name) for name in axes)).with_columns(missing)
        for mark in (LOW, HIGH)
    ]
    return pl.concat(ends).unique(maintain_order=True)


def known_scales(
    survey: pl.DataFrame, axes: Sequence[str], options: Options, where: str
) -> tuple[pl.DataFrame, list[Note]] | None:
    """:func:`scales_of`, with what is known of models whose scales the rows do not give.

    None where checkpoints share a model's name, so that they have to be told apart.
    """
    for name in STEPS:
        if name in axes:
            spread = survey.group_by("family", "model").agg(
                low=pl.col(LOW + name).min(), high=pl.col(HIGH + name).max()
            )
            if spread.filter(pl.col("low") != pl.col("high")).height:
                return None
    absent = [name for name in tables.AXES if name not in axes]
    plain = scales_of(survey, axes).drop(absent)
    filled, notes = fill_scales(plain, options, where)
    return filled.with_columns(
        pl.lit(None, dtype=pl.Float64).alias(name) for name in tables.AXES if name not in filled.columns
    ), notes


def choose(
    survey: pl.DataFrame, plain: pl.DataFrame, results: pl.DataFrame | None, settings: Settings
) -> Chosen:
    """The models on the axis, and the kind that most of them have of each task.

    Parameters: plain as of :func:`scales_of`. Errors as :func:`unmirage.scales.select`.
    """
    frames = [plain.drop("task", "kind")] if plain.height else []
    frames += [results] if results is not None and results.height else []
    models, notes = scales.select(scales.models_of(frames), settings.axis, settings.checkpoint)
    named = survey.select("family", "model", "task", "kind", "first", source="family")
    kept = scales.on_axis(named, models)
    kept, more = scales.one_kind(kept)
    return Chosen(
        kept=kept,
        results=None if results is None else scales.on_axis(results, models),
        families=models["family"].unique(maintain_order=True).to_list(),
        notes=[*notes, *more],
    )
