"""From cells to curves: one row a metric and model, with interval, chance and resolution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from unmirage import statistics, tables
from unmirage.cells import Cell, Floats
from unmirage.measured import Mask, Measured, combined, is_rate, measured, resampled
from unmirage.result import Settings
from unmirage.summary import summarise


def curve_rows(cell: Cell, settings: Settings, rng: np.random.Generator) -> list[dict[str, object]]:
    """The rows of the curves table for a cell. One set of item resamples serves all its metrics and models.

    Parameters
    ----------
    cell: scores of one task of one family.
    settings: axis, confidence, interval, replicates.
    rng: the cell's own generator.
    """
    replicates = _replicates(cell, settings, rng)
    found = {name: measured(cell, layer) for name, layer in cell.layers.items()}
    return rows_of(cell.family, cell.task, cell.models, cell.axis_values, found, settings, replicates)


def rows_of(
    family: str,
    task: str,
    models: Sequence[str],
    axis_values: Floats,
    metrics: Mapping[str, Measured],
    settings: Settings,
    replicates: Mapping[str, Floats],
) -> list[dict[str, object]]:
    """The rows of the curves table for one task of one family.

    Parameters
    ----------
    models, axis_values: (M,) in the order of the arrays of `metrics` and `replicates`.
    metrics: metric -> what was measured of it.
    replicates: metric -> (replicates, M) over resampled items, for those that are `resampled` and have a
        model with finite scores.
    """
    rows: list[dict[str, object]] = []
    for name, one in metrics.items():
        summary = summarise(one, settings, replicates.get(name))
        floors = floor_of(one, settings.alpha, scales_of(axis_values, one.present))
        for m, model in enumerate(models):
            if not one.present[m]:
                continue
            rows.append(
                {
                    "family": family,
                    "task": task,
                    "metric": name,
                    "model": model,
                    "axis": settings.axis,
                    "axis_value": axis_values[m],
                    "n": one.items,
                    "mean": _number(summary.mean[m]),
                    "stderr": _number(summary.stderr[m]),
                    "low": _number(summary.low[m]),
                    "high": _number(summary.high[m]),
                    "chance": one.chance,
                    "resolution": _number(floors[m]),
                    "method": summary.method[m],
                    "note": summary.note[m] or None,
                }
            )
    return rows


def curves_frame(rows: Sequence[dict[str, object]]) -> pl.DataFrame:
    """Rows of curves as a frame, ordered by family, task, metric and scale."""
    frame = pl.DataFrame(list(rows), schema=dict(tables.CURVES))
    return frame.sort("family", "task", "metric", "axis_value", "model")


def scales_of(axis_values: Floats, present: Mask, more: Sequence[float] = ()) -> int:
    """How many scales a curve has, `more` being those of models whose items are not in the logs."""
    return len({*axis_values[present].tolist(), *more})


def floor_of(one: Measured, alpha: float, scales: int) -> Floats:
    """(models,) the smallest mean told from zero or from chance by these items; NaN where it is no rate.

    Against chance at alpha over the number of scales, as the verdict's test is.
    """
    if one.chance is None or not is_rate(one):
        return np.full(len(one.mean), np.nan)
    level = alpha / scales if one.chance > 0 else alpha
    floors = statistics.floor(np.maximum(one.effective, 1.0), one.chance, level)
    return np.where(one.present, floors, np.nan)


def _replicates(cell: Cell, settings: Settings, rng: np.random.Generator) -> dict[str, Floats]:
    """Metric -> (replicates, models) of those that need resampling, all from the same resamples."""
    wanted = {
        name: layer for name, layer in cell.layers.items() if resampled(layer.metric) and layer.finite.any()
    }
    if not wanted:
        return {}
    blocks = [layer.components[:, layer.finite].reshape(len(cell.items), -1) for layer in wanted.values()]
    means = statistics.resample_means(np.hstack(blocks), cell.clusters, settings.replicates, rng)
    out: dict[str, Floats] = {}
    start = 0
    for (name, layer), block in zip(wanted.items(), blocks, strict=True):
        part = means[:, start : start + block.shape[1]].reshape(len(means), int(layer.finite.sum()), -1)
        start += block.shape[1]
        full = np.full((len(means), len(cell.models)), np.nan)
        full[:, layer.finite] = combined(layer.metric, part, len(cell.items))
        out[name] = full
    return out


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
