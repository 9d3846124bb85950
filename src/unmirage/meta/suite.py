"""From rows of curves to the curves of a suite: one a family, task, number of shots and metric."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from unmirage.meta.smooth import Floats, Points
from unmirage.metrics import Card
from unmirage.metrics.recorded import aggregate_card
from unmirage.scales import FALLING
from unmirage.verdict.library import MIN_SCALES

# How readers mark the number of examples in the prompt where a task was run with several.
SHOTS = re.compile(r"^(.*) \((\d+)-shot\)$")


@dataclass(frozen=True)
class Series:
    """One curve.

    Attributes
    ----------
    family, task, shots, metric: whose it is; `label` is the task as the source has it, with its shots.
    card: what is known of the metric.
    values: (S,) the scales as the axis has them, from small models to large; `scales` (S,) increasing.
    models: how many models there are. chance: its level, or None.
    points: the curve turned so that up is better; None where it cannot be tested.
    noise: where its error comes from, in words. why_not: why it cannot be tested, or "".
    """

    family: str
    task: str
    shots: int | None
    label: str
    metric: str
    card: Card
    values: Floats
    models: int
    chance: float | None
    points: Points | None
    noise: str
    why_not: str = ""

    @property
    def scales(self) -> Floats:
        """Increasing with the size of the models, on any axis."""
        return 1 / self.values if self.values.size > 1 and self.values[0] > self.values[-1] else self.values


def suite(curves: pl.DataFrame, axis: str) -> list[Series]:
    """The curves of a suite, in the order of the rows.

    Parameters
    ----------
    curves: rows in the schema `tables.CURVES`, of one axis.
    axis: its name; on "loss" curves run from large to small values.
    """
    cards = {
        str(name): aggregate_card(str(name), part["mean"].drop_nulls().to_numpy())
        for (name,), part in curves.group_by(["metric"], maintain_order=True)
    }
    key = ["family", "task", "metric"]
    scales = curves.group_by([*key, "axis_value"], maintain_order=True).agg(
        pl.col("mean").mean(),
        whole=pl.col("mean").is_not_null().all(),
        variance=(pl.col("stderr") ** 2).sum() / pl.len() ** 2,
        known=pl.col("stderr").is_not_null().any(),
        n=pl.col("n").sum(),
        models=pl.len(),
        chance=pl.col("chance").max(),
    )
    scales = scales.sort("axis_value", descending=axis in FALLING, maintain_order=True)
    found = scales.group_by(key, maintain_order=True).agg(pl.all())
    order = curves.select(key).unique(maintain_order=True)
    found = order.join(found, on=key, how="left", maintain_order="left")
    return [_series(row, cards[row["metric"]]) for row in found.iter_rows(named=True)]


def _series(row: Mapping[str, object], card: Card) -> Series:
    label = str(row["task"])
    cut = SHOTS.match(label)
    task, shots = (cut[1], int(cut[2])) if cut else (label, None)
    values = _column(row, "axis_value")
    models = _column(row, "models")
    chance = _column(row, "chance")
    level = None if np.isnan(chance).all() else float(np.nanmax(chance))
    whole = np.array(row["whole"], dtype=bool)
    points, noise, why = None, "", ""
    if values.size < MIN_SCALES:
        why = f"{values.size} scale{'' if values.size == 1 else 's'}: the shape of a curve needs {MIN_SCALES}"
    elif not whole.all():
        why = "the mean of a model is infinite or not known"
    else:
        points, noise = _points(row, card, models)
        if np.ptp(points.y) == 0:
            points, why = None, "the mean is the same at every scale"
    return Series(
        str(row["family"]),
        task,
        shots,
        label,
        str(row["metric"]),
        card,
        values,
        int(models.sum()),
        level,
        points,
        noise,
        why,
    )


def _points(row: Mapping[str, object], card: Card, models: Floats) -> tuple[Points, str]:
    sign = 1.0 if card.higher_is_better else -1.0
    mean, n, variance = _column(row, "mean"), _column(row, "n"), _column(row, "variance")
    known = np.array(row["known"], dtype=bool)
    low, high = (card.low, card.high) if sign > 0 else (-card.high, -card.low)
    low, high = min(low, float((sign * mean).min())), max(high, float((sign * mean).max()))
    none = np.zeros(mean.size)
    worth = none
    if card.binary and card.group != "count":
        worth = _worth(mean, np.where(known, variance, np.nan), np.nan_to_num(n))
    noise = "items" if worth.any() else "reported standard errors" if known.any() else "none known"
    points = Points(
        sign * mean,
        none if worth.any() else np.nan_to_num(np.where(known, variance, 0.0)),
        worth,
        models,
        low,
        high,
        turned=sign < 0,
    )
    return points, noise


def _worth(share: Floats, variance: Floats, n: Floats) -> Floats:
    """(S,) independent items that a share of right answers is worth, by its errors where they are known."""
    inside = (share > 0) & (share < 1) & (variance > 0)
    if not inside.any():
        return n
    said = share[inside] * (1 - share[inside]) / variance[inside]
    counted = n[inside] > 0
    if not counted.all() or not (n > 0).all():
        return np.full(share.size, max(float(np.median(said)), 1.0))
    return np.maximum(n * float(np.median(said / n[inside])), 1.0)


def _column(row: Mapping[str, object], name: str) -> Floats:
    return np.array(row[name], dtype=np.float64)
