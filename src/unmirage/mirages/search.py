"""The sharp curves that thresholds and groups make of one metric's item scores, and how sharp they look.

Not for judging: what is found here is a description of made curves, from the same scores each time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from unmirage.metrics import Metric
from unmirage.metrics.combinators import all_of, threshold
from unmirage.verdict.sharpness import sharpness
from unmirage.verdict.thresholds import Thresholds

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# Reconstruction_.003, the sharpest metric that the paper draws (its Fig. 7), reaches .32 at the largest size.
LEAST = 0.3
# Below so much of a curve's largest value a point lies on the axis of a chart.
UNSEEN = 0.01
# Groups are made at a cut that nearly all items of the largest models pass, this share of them, and nearly
# none of the smallest models'.
EASY = 0.9
# Fewer disjoint groups than these know a rate of a half to no better than a tenth.
FEWEST_GROUPS = 100
MOST_IN_GROUP = 100
MOST_CUTS = 240
QUANTILES = np.linspace(0.05, 0.95, 19)

AS_IT_IS, THRESHOLD, GROUPS = "as it is", "threshold", "groups"

MADE: dict[str, pl.DataType | type[pl.DataType]] = {
    "made": pl.String,  # "as it is", "threshold" or "groups"
    "metric": pl.String,
    "cut": pl.Float64,  # of the threshold, null without one
    "k": pl.Int64,  # items in a group, null without groups
    "first": pl.Float64,  # mean over the models of the smallest scale
    "last": pl.Float64,  # and of the largest
    "sharpness": pl.Float64,  # t10 / width: decades of flat start for a decade of rise
    "emergence_score": pl.Float64,  # infinite where half of the steps or more are flat
    "last_step": pl.Float64,  # share of the curve's range in the step to the largest scale
    "width": pl.Float64,  # share of the log range that 10% to 90% of the rise take
    "decades": pl.Float64,  # the same in decades
    "t10": pl.Float64,  # places on the log range, 0 to 1, where a tenth and nine tenths are made
    "t90": pl.Float64,
    "zeros": pl.Int64,  # smallest scales that read zero: below a hundredth of the largest value
    "looks_sharp": pl.Boolean,  # narrow or late, out of a flat start, as the verdict's tree has it
    "drawable": pl.Boolean,  # whether the largest scale reaches the least that one would draw
    "chosen": pl.Boolean,
}


@dataclass(frozen=True)
class Scored:
    """The item scores of one metric for models in order of scale.

    Attributes
    ----------
    metric: what the scores are of.
    models, axis_values: (M,) names and scales as the axis has them.
    scales: (S,) increasing, above 0; on an axis that falls as models grow, the reciprocals.
    place: (M,) the scale of each model, 0..S-1.
    rows: (M,) arrays of scores, one an item and epoch; `weights` likewise, each adding up to 1.
    items: how many items there are.
    """

    metric: Metric
    models: tuple[str, ...]
    axis_values: Floats
    scales: Floats
    place: Ints
    rows: tuple[Floats, ...]
    weights: tuple[Floats, ...]
    items: int

    def by_scale(self, values: Floats) -> Floats:
        """Means over the models of each scale: (..., M) -> (..., S)."""
        member = self.place[:, None] == np.arange(self.scales.size)
        return np.asarray(values @ (member / member.sum(axis=0)), dtype=np.float64)

    def means(self) -> Floats:
        """(M,) the metric of each model."""
        return np.array([float(w @ x) for x, w in zip(self.rows, self.weights, strict=True)])


def scored(metric: Metric, scores: pl.DataFrame, models: Mapping[str, float], *, falling: bool) -> Scored:
    """The scores of a metric as arrays; epochs of an item share its weight.

    Parameters
    ----------
    scores: rows of one task in the schema `tables.SCORES`, of this metric.
    models: name -> axis value; others are left out.
    falling: whether scale grows as the axis value falls.
    """
    names = sorted(models, key=lambda name: (-models[name] if falling else models[name], name))
    values = np.array([models[name] for name in names])
    size = 1 / values if falling else values
    scales, place = np.unique(size, return_inverse=True)
    parts = {str(name): part for (name,), part in scores.group_by(["model"], maintain_order=True)}
    rows, weights = [], []
    for name in names:
        part = parts[name].with_columns(
            weight=1 / (pl.len().over("item_id") * pl.col("item_id").n_unique()).cast(pl.Float64)
        )
        rows.append(part["score"].to_numpy())
        weights.append(part["weight"].to_numpy())
    items = scores["item_id"].n_unique()
    return Scored(metric, tuple(names), values, scales, place, tuple(rows), tuple(weights), items)


def cuts_of(found: Scored) -> Floats:
    """Thresholds to try: quantiles of the scores at each scale, in as few digits as keep them apart."""
    pools = [
        np.concatenate([rows for rows, at in zip(found.rows, found.place, strict=True) if at == s])
        for s in range(found.scales.size)
    ]
    values = [np.quantile(pool[np.isfinite(pool)], QUANTILES, method="inverted_cdf") for pool in pools]
    exact = np.unique(np.concatenate(values))
    for digits in range(3, 18):
        cuts = np.unique([float(f"{value:.{digits}g}") for value in exact])
        if cuts.size >= 0.9 * min(exact.size, MOST_CUTS):
            break
    kept = np.linspace(0, cuts.size - 1, min(cuts.size, MOST_CUTS)).round().astype(int)
    return np.asarray(cuts[kept], dtype=np.float64)


def shares(found: Scored, cuts: Floats) -> Floats:
    """(cuts, M) share of a model's items that score strictly better than the cut: threshold(metric, c)."""
    sign = 1.0 if found.metric.card.higher_is_better else -1.0
    out = np.empty((cuts.size, len(found.models)))
    for m, (rows, weights) in enumerate(zip(found.rows, found.weights, strict=True)):
        order = np.argsort(sign * rows, kind="stable")
        better = np.append(np.cumsum(weights[order][::-1])[::-1], 0.0)
        out[:, m] = better[np.searchsorted(sign * rows[order], sign * cuts, side="right")]
    return np.clip(out.round(12), 0.0, 1.0)


def search_thresholds(found: Scored, least: float, *, training: bool) -> tuple[list[dict[str, Any]], Floats]:
    """Rows of `MADE` for thresholds of a continuous metric, and the made curves (rows, M)."""
    cuts = cuts_of(found)
    values = shares(found, cuts)
    names = [threshold(found.metric, float(cut)).card.name for cut in cuts]
    rows = _rows(found, values, names, least, training)
    return [row | {"made": THRESHOLD, "cut": float(c)} for row, c in zip(rows, cuts, strict=True)], values


def search_groups(
    base: Metric, cut: float | None, share: Floats, found: Scored, least: float, *, training: bool
) -> tuple[list[dict[str, Any]], Floats]:
    """Rows of `MADE` for groups of K = 1, 2, ... items that must all be right, and the made curves (rows, M).

    K goes up to what leaves `FEWEST_GROUPS` disjoint groups, and no further than to where nothing is left to
    see at the largest scale.

    Parameters: base a 0/1 metric; cut the threshold in it, or None; share (M,) its mean at each model.
    """
    most = min(found.items // FEWEST_GROUPS, MOST_IN_GROUP)
    values, names = [], []
    for k in range(1, most + 1):
        made = all_of(base, k)
        assert made.combine is not None
        value = made.combine(share[:, None], found.items)
        if k > 1 and found.by_scale(value)[-1] < UNSEEN:
            break
        values.append(value)
        names.append(made.card.name if k > 1 else base.card.name)
    curves = np.array(values).reshape(len(values), len(found.models))
    rows = _rows(found, curves, names, least, training)
    return [row | {"made": GROUPS, "cut": cut, "k": k} for k, row in enumerate(rows, start=1)], curves


def as_it_is(found: Scored, *, training: bool) -> dict[str, Any]:
    """The row of `MADE` for the metric itself."""
    card = found.metric.card
    return _row(found, found.means(), card.name, None, card.higher_is_better, training) | {"made": AS_IT_IS}


def sharpest(rows: Sequence[Mapping[str, Any]]) -> int | None:
    """The place of the drawable row of the largest sharpness, then the highest; None where none rises."""
    able = [i for i, row in enumerate(rows) if row["drawable"] and row["sharpness"] is not None]
    return max(able, key=lambda i: (round(rows[i]["sharpness"], 6), rows[i]["last"]), default=None)


def easiest(rows: Sequence[Mapping[str, Any]]) -> int | None:
    """The place of the least sharp row among those that rise from nearly nothing to nearly everything.

    Where none does, the one that rises most; None where none rises.
    """
    able = [i for i, row in enumerate(rows) if row["sharpness"] is not None]
    high = [i for i in able if rows[i]["last"] >= EASY and rows[i]["first"] <= 1 - EASY]
    if high:
        return min(high, key=lambda i: (rows[i]["sharpness"], -rows[i]["last"]))
    return max(able, key=lambda i: rows[i]["last"] - rows[i]["first"], default=None)


def _rows(
    found: Scored, values: Floats, names: Sequence[str], least: float, training: bool
) -> list[dict[str, Any]]:
    return [
        _row(found, value, name, least, True, training) for value, name in zip(values, names, strict=True)
    ]


def _row(
    found: Scored, value: Floats, name: str, least: float | None, higher: bool, training: bool
) -> dict[str, Any]:
    means = found.by_scale(value)
    # What is rounding, or some 1e-28 of a group, is no step.
    top = float(np.abs(means).max()) or 1.0
    means = (means / top).round(9) * top
    shape = sharpness(found.scales, means, higher_is_better=higher)
    size = float(np.ptp(means))
    seen = np.abs(means) >= UNSEEN * np.abs(means).max()
    up = means if higher else -means
    return {
        "metric": name,
        "cut": None,
        "k": None,
        "first": float(means[0]),
        "last": float(means[-1]),
        "sharpness": _number(shape.t10 / shape.width) if shape.width > 0 else None,
        "emergence_score": None if np.isnan(shape.emergence_score) else shape.emergence_score,
        "last_step": float(up[-1] - up[-2]) / size if size > 0 else None,
        "width": _number(shape.width),
        "decades": _number(shape.width * float(np.log10(found.scales[-1] / found.scales[0]))),
        "t10": _number(shape.t10),
        "t90": _number(shape.t90),
        "zeros": int(seen.argmax()) if size > 0 else 0,
        "looks_sharp": _looks_sharp(found.scales, shape.width, shape.t10, training),
        "drawable": None if least is None else bool(means[-1] >= least),
        "chosen": False,
    }


def _looks_sharp(scales: Floats, width: float, t10: float, training: bool) -> bool | None:
    """As `verdict.decide` has it on an axis of sizes, without its tests; None along a training run."""
    if training or np.isnan(width):
        return None
    limits, t = Thresholds(), np.log10(scales)
    flat = t10 >= (t[1] - t[0]) / (t[-1] - t[0]) - 1e-9
    return bool(flat and (width <= limits.sharp_width or t10 > limits.late_start))


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
