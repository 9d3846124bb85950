"""Metrics that only the source can compute and writes to `recorded`, of which more is known than the name."""

from __future__ import annotations

import numpy as np
import polars as pl

from unmirage.metrics.cards import Card, FloatArray, Metric, column

NAME = "reconstruction_error"


def _values(frame: pl.DataFrame) -> FloatArray:
    rows = frame.select("recorded").with_row_index("row").explode("recorded").unnest("recorded")
    mine = rows.filter(pl.col("metric") == NAME)
    values = np.full(frame.height, np.nan)
    values[mine["row"].to_numpy()] = mine["value"].to_numpy()
    return column(values)


def _check(frame: pl.DataFrame) -> str | None:
    lacking = int(np.isnan(_values(frame)).sum())
    return f"needs a recorded {NAME}; not so on {lacking} of {frame.height} rows" if lacking else None


METRICS = (
    Metric(
        Card(
            name=NAME,
            title="Reconstruction error",
            group="score",
            inputs=("recorded",),
            low=0.0,
            high=np.inf,
            higher_is_better=False,
            binary=False,
            continuous=True,
            linear=False,
            unit="",
            definition="Mean over the pixels and channels of an image of the squared difference from its "
            "reconstruction, as the source wrote it; unmirage's autoencoders standardise pixels first.",
            source="Schaeffer et al. 2023 (arXiv 2304.15004), Sec. 5 and Fig. 7, per pixel",
        ),
        _values,
        check=_check,
    ),
)
