"""From cells to curves: one row a metric and model, with interval, chance and resolution."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from unmirage import statistics, tables
from unmirage.cells import Cell, Floats, Layer
from unmirage.result import Settings
from unmirage.summary import combined, effective, resampled, summarise


def curve_rows(cell: Cell, settings: Settings, rng: np.random.Generator) -> list[dict[str, object]]:
    """The rows of the curves table for a cell. One set of item resamples serves all its metrics and models.

    Parameters
    ----------
    cell: scores of one task of one family.
    settings: axis, confidence, interval, replicates.
    rng: the cell's own generator.
    """
    replicates = _replicates(cell, settings, rng)
    rows: list[dict[str, object]] = []
    for name, layer in cell.layers.items():
        summary = summarise(cell, layer, settings, replicates.get(name))
        floors = floor_of(cell, layer, settings.alpha, scales_of(cell, layer))
        for m, model in enumerate(cell.models):
            if not layer.present[m]:
                continue
            rows.append(
                {
                    "family": cell.family,
                    "task": cell.task,
                    "metric": name,
                    "model": model,
                    "axis": settings.axis,
                    "axis_value": cell.axis_values[m],
                    "n": len(cell.items),
                    "mean": _number(summary.mean[m]),
                    "stderr": _number(summary.stderr[m]),
                    "low": _number(summary.low[m]),
                    "high": _number(summary.high[m]),
                    "chance": None if layer.chance is None else float(layer.chance.mean()),
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


def scales_of(cell: Cell, layer: Layer, more: Sequence[float] = ()) -> int:
    """How many scales a curve has, `more` being those of models whose items are not in the logs."""
    return len({*cell.axis_values[layer.present].tolist(), *more})


def is_rate(layer: Layer) -> bool:
    """Whether a score can be told from zero or from chance by counting."""
    return layer.chance is not None and (layer.trials is not None or layer.metric.card.group == "count")


def floor_of(cell: Cell, layer: Layer, alpha: float, scales: int) -> Floats:
    """(models,) the smallest mean told from zero or from chance by these items; NaN where it is no rate.

    Against chance at alpha over the number of scales, as the verdict's test is.
    """
    m = len(cell.models)
    if layer.chance is None or not is_rate(layer):
        return np.full(m, np.nan)
    chance = float(layer.chance.mean())
    level = alpha / scales if chance > 0 else alpha
    floors = statistics.floor(np.maximum(effective(cell, layer), 1.0), chance, level)
    return np.where(layer.present, floors, np.nan)


def _replicates(cell: Cell, settings: Settings, rng: np.random.Generator) -> dict[str, Floats]:
    """Metric -> (replicates, models) of those that need resampling, all from the same resamples."""
    wanted = {name: layer for name, layer in cell.layers.items() if resampled(layer) and layer.finite.any()}
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
        full[:, layer.finite] = combined(layer, part)
        out[name] = full
    return out


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
