"""How far apart neighbouring scales are: paired differences over the same items, and their p-values.

They speak of these models: the scatter of models about their curve is the break test's business.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from unmirage import statistics
from unmirage.cells import Cell
from unmirage.result import Settings

DIFFERENCES: dict[str, pl.DataType | type[pl.DataType]] = {
    "family": pl.String,
    "task": pl.String,
    "metric": pl.String,
    "model_from": pl.String,
    "model_to": pl.String,
    "axis_from": pl.Float64,
    "axis_to": pl.Float64,
    "difference": pl.Float64,
    "stderr": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "p_value": pl.Float64,
    "p_adjusted": pl.Float64,
    "method": pl.String,
}


def difference_rows(cell: Cell, name: str, settings: Settings) -> list[dict[str, object]]:
    """Paired differences of an item-level metric between neighbouring scales, on the same items.

    Models that share a scale are averaged, item by item; `model_from` and `model_to` then name them all.
    Empty for an aggregate metric, and where fewer than two scales have finite scores.
    """
    layer = cell.layers.get(name)
    if layer is None or layer.metric.combine is not None:
        return []
    there = np.flatnonzero(layer.finite)
    values = list(dict.fromkeys(cell.axis_values[there].tolist()))
    if len(values) < 2:
        return []
    groups = [[int(j) for j in there if cell.axis_values[j] == value] for value in values]
    scores = np.column_stack([layer.scores[:, group].mean(axis=1) for group in groups])
    found = statistics.neighbour_differences(scores, cell.clusters, settings.confidence)
    names = [", ".join(cell.models[j] for j in group) for group in groups]
    return [
        {
            "family": cell.family,
            "task": cell.task,
            "metric": name,
            "model_from": names[j],
            "model_to": names[j + 1],
            "axis_from": values[j],
            "axis_to": values[j + 1],
            "difference": one.difference,
            "stderr": _number(one.stderr),
            "low": _number(one.low),
            "high": _number(one.high),
            "p_value": _number(one.p_value),
            "p_adjusted": None,
            "method": one.method,
        }
        for j, one in enumerate(found)
    ]


def differences_frame(rows: Sequence[dict[str, object]], method: str) -> pl.DataFrame:
    """All differences of an audit, with p-values adjusted over them together."""
    frame = pl.DataFrame(list(rows), schema=DIFFERENCES)
    if frame.height == 0:
        return frame
    p = frame["p_value"].cast(pl.Float64).fill_null(float("nan")).to_numpy()
    adjusted = statistics.adjust(p, method)
    return frame.with_columns(p_adjusted=pl.Series(adjusted).fill_nan(None))


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
