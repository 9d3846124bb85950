"""Where the cells beyond their null are: shares by metric, task and family, and how concentrated they are."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from unmirage import statistics
from unmirage.meta.shapes import RULES

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

GROUPINGS = ("metric", "task", "family")
RESAMPLES = 2000
# Fewer cells than these are nowhere in particular.
LEAST = 5

GROUPS: dict[str, pl.DataType | type[pl.DataType]] = {
    "by": pl.String,
    "group": pl.String,
    "cells": pl.Int64,
    "tested": pl.Int64,
    "beyond": pl.Int64,
    "share": pl.Float64,  # of the tested
    "low": pl.Float64,
    "high": pl.Float64,
    "adjusted": pl.Int64,  # beyond after adjustment
    "of_tested": pl.Float64,  # the base rate: share of all tested cells that are of the group
    "of_beyond": pl.Float64,  # share of all cells beyond that are of the group
    "enrichment": pl.Float64,
    **dict.fromkeys(RULES, pl.Int64),
}

CONCENTRATION: dict[str, pl.DataType | type[pl.DataType]] = {
    "by": pl.String,
    "counted": pl.String,  # which cells: "beyond" or "adjusted"
    "measure": pl.String,
    "cells": pl.Int64,
    "value": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "base": pl.Float64,  # the same of all tested cells
    "by_chance": pl.Float64,  # mean where as many cells are drawn from the tested ones
    "p": pl.Float64,
    "note": pl.String,
}

MEASURES = {
    "effective number": "1 / sum of squared shares: as many groups of equal share would be as concentrated",
    "largest share": "share of the group that has most",
    "two largest shares": "share of the two groups that have most",
}


def groups(cells: pl.DataFrame, by: str, confidence: float) -> pl.DataFrame:
    """One row a group, in the schema `GROUPS`, in the order of the share beyond.

    The interval of the share counts that curves of one task go together: Korn and Graubard's, with tasks for
    clusters.

    Parameters: cells in the schema of `Meta.cells`; by, one of `GROUPINGS`.
    """
    tested = cells.filter(pl.col("p").is_not_null())
    total, all_beyond = tested.height, int(tested["beyond"].sum())
    rows = []
    for (name,), part in cells.group_by([by], maintain_order=True):
        mine = part.filter(pl.col("p").is_not_null())
        n, k = mine.height, int(mine["beyond"].sum())
        low, high = _interval(mine, confidence) if n else (None, None)
        base, got = n / total if total else None, k / all_beyond if all_beyond else None
        rows.append(
            {
                "by": by,
                "group": name,
                "cells": part.height,
                "tested": n,
                "beyond": k,
                "share": k / n if n else None,
                "low": low,
                "high": high,
                "adjusted": int(mine["adjusted"].sum()),
                "of_tested": base,
                "of_beyond": got,
                "enrichment": got / base if base and got is not None else None,
                **{shape: int((part["shape"] == shape).sum()) for shape in RULES},
            }
        )
    frame = pl.DataFrame(rows, schema=GROUPS)
    return frame.sort("adjusted", "share", "tested", descending=True, nulls_last=True, maintain_order=True)


def concentration(cells: pl.DataFrame, confidence: float, seed: int) -> pl.DataFrame:
    """How concentrated the cells beyond their null are, in the schema `CONCENTRATION`.

    For each grouping and each measure of `MEASURES`: its value, a percentile interval over resampled tasks
    (families, where the grouping is by task), the same measure of all tested cells (an uneven base makes an
    uneven rest), its mean where as many cells are drawn from the tested ones without regard to the group, and
    how often such a draw is as concentrated. Nothing is said of fewer than five cells.
    """
    tested = cells.filter(pl.col("p").is_not_null())
    rng = np.random.default_rng(seed)
    rows = []
    for by in GROUPINGS:
        codes = _codes(tested[by])
        units = _codes(tested["family" if by == "task" else "task"])
        for counted in ("beyond", "adjusted"):
            flags = tested[counted].to_numpy().astype(bool)
            rows += _measured(by, counted, codes, units, flags, confidence, rng)
    return pl.DataFrame(rows, schema=CONCENTRATION)


def _measured(
    by: str,
    counted: str,
    codes: npt.NDArray[np.int64],
    units: npt.NDArray[np.int64],
    flags: Bools,
    confidence: float,
    rng: np.random.Generator,
) -> list[dict[str, object]]:
    size = int(codes.max(initial=-1)) + 1
    found = int(flags.sum())
    rows: list[dict[str, object]] = []
    if found < LEAST or size < 2:
        note = f"{found} cells" if found < LEAST else "there is one group"
        note += ": nothing can be said of where they are"
        return [
            {"by": by, "counted": counted, "measure": name, "cells": found, "note": note} for name in MEASURES
        ]
    value = _measures(np.bincount(codes[flags], minlength=size)[None])
    base = _measures(np.bincount(codes, minlength=size)[None])
    drawn = np.stack(
        [np.bincount(rng.choice(codes, found, replace=False), minlength=size) for _ in range(RESAMPLES)]
    )
    chance = _measures(drawn)
    table = np.zeros((int(units.max()) + 1, size))
    np.add.at(table, (units[flags], codes[flags]), 1.0)
    low = high = np.full(len(MEASURES), np.nan)
    if len(table) > 1:
        counts = statistics.resample_weights(np.arange(len(table)), RESAMPLES, rng) @ table
        again = _measures(counts[counts.sum(axis=1) > 0])
        low, high = statistics.percentile_interval(again, confidence)
    for i, name in enumerate(MEASURES):
        fewer = name == "effective number"
        as_much = chance[:, i] <= value[0, i] if fewer else chance[:, i] >= value[0, i]
        rows.append(
            {
                "by": by,
                "counted": counted,
                "measure": name,
                "cells": found,
                "value": float(value[0, i]),
                "low": None if np.isnan(low[i]) else float(low[i]),
                "high": None if np.isnan(high[i]) else float(high[i]),
                "base": float(base[0, i]),
                "by_chance": float(chance[:, i].mean()),
                "p": (1 + int(as_much.sum())) / (RESAMPLES + 1),
                "note": None,
            }
        )
    return rows


def _measures(counts: npt.NDArray[np.generic]) -> Floats:
    """(B, 3) of counts (B, groups), in the order of `MEASURES`."""
    shares = counts / counts.sum(axis=1, keepdims=True)
    ranked = np.sort(shares, axis=1)
    return np.stack([1 / (shares**2).sum(axis=1), ranked[:, -1], ranked[:, -2:].sum(axis=1)], axis=1)


def _interval(tested: pl.DataFrame, confidence: float) -> tuple[float, float]:
    flags = tested["beyond"].to_numpy().astype(np.float64)[:, None]
    units = _codes(tested["task"])
    count = int(units.max()) + 1
    stderr = statistics.clustered_stderr(flags, units)
    low, high = statistics.korn_graubard(
        flags.mean(axis=0), stderr, np.array([len(flags)]), np.array([count]), confidence
    )
    return float(low[0]), float(high[0])


def _codes(names: pl.Series) -> npt.NDArray[np.int64]:
    order = {name: i for i, name in enumerate(names.unique(maintain_order=True))}
    return np.array([order[name] for name in names], dtype=np.int64)
