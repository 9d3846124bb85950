"""The metric swap on choice tasks: the grade against Brier score, probabilities and log-probabilities.

What the paper's figure 6 shows, with what it does not draw: the score of a uniform forecast and the skill
against it. Scores and intervals of single metrics are the audit's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from unmirage import statistics
from unmirage.aggregate import curve_rows
from unmirage.cells import Cell
from unmirage.counts import size_label
from unmirage.judge import prepare
from unmirage.measured import means_of
from unmirage.predictions.choice_tasks import (
    HEADLINE,
    ChoiceTask,
    bounds,
    metrics_of,
    scale_places,
)
from unmirage.result import Settings
from unmirage.steps import generator
from unmirage.verdict.decide import looks_sharp
from unmirage.verdict.sharpness import Sharpness
from unmirage.verdict.thresholds import Thresholds

Floats = npt.NDArray[np.float64]

SKILL = "skill"


@dataclass(frozen=True)
class Swap:
    """One metric of a choice task; NaN where a number cannot be had.

    Attributes
    ----------
    metric: its name. shape: its sharpness, higher being better; None where a mean is infinite or there is
        one scale.
    sharp: by the rule of the verdicts; None where there are too few scales to say.
    jump: (axis value before, after) of the largest step of the headline between neighbouring scales; None
        where it never rises.
    change, low, high: how much the metric improves there, in its own unit.
    """

    metric: str
    shape: Sharpness | None
    sharp: bool | None
    jump: tuple[float, float] | None
    change: float
    low: float
    high: float

    @property
    def emergence_score(self) -> float:
        """Of the means by scale, higher being better; NaN where there is none."""
        return self.shape.emergence_score if self.shape else float("nan")


@dataclass(frozen=True)
class Skill:
    """The Brier skill score 1 - B / B of a uniform forecast, each (models,); NaN where it cannot be had."""

    mean: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True)
class Swapped:
    """A choice task under all its metrics.

    Attributes
    ----------
    swaps: one a metric that the items allow, the headline first. skill: of the Brier score, if it is there.
    missing: metrics that cannot be computed.
    """

    swaps: tuple[Swap, ...]
    skill: Skill | None
    missing: tuple[str, ...]


def swapped(task: ChoiceTask, settings: Settings, brier: str) -> Swapped:
    """A task under the grade and each continuous metric; one resample of the items serves all.

    Parameters
    ----------
    task: with the grade among its layers.
    settings: seed, replicates, confidence.
    brier: which Brier score.
    """
    cell = task.cell
    there = [name for name in metrics_of(brier) if name in cell.layers and cell.layers[name].present.all()]
    blocks = {name: cell.layers[name].scores for name in there if cell.layers[name].finite.all()}
    uniform = cell.layers[brier].chance if brier in there else None
    columns = [*blocks.values(), *([] if uniform is None else [uniform[:, None]])]
    drawn = None
    if columns and cell.units > 1:
        drawn = statistics.resample_means(
            np.hstack(columns), cell.clusters, settings.replicates, generator(cell, settings)
        )
    m = len(cell.models)
    replicates = {
        name: None if drawn is None else drawn[:, k * m : (k + 1) * m] for k, name in enumerate(blocks)
    }
    jump = _jump(cell) if HEADLINE in there else None
    swaps = [_swap(cell, name, settings, replicates.get(name), jump) for name in there]
    skill = None
    if uniform is not None and brier in blocks:
        last = None if drawn is None else drawn[:, -1:]
        skill = _skill(blocks[brier], uniform, replicates[brier], last, settings, cell.units)
    missing = tuple(name for name in metrics_of(brier) if name not in there)
    return Swapped(tuple(swaps), skill, missing)


def _jump(cell: Cell) -> tuple[int, int] | None:
    """The places of the two neighbouring scales between which the headline rises most."""
    y = _by_scale(cell, means_of(cell.layers[HEADLINE])[None])[0]
    steps = np.diff(y)
    if steps.size == 0 or not steps.max() > 0:
        return None
    first = int(steps.argmax())
    return first, first + 1


def _by_scale(cell: Cell, values: Floats) -> Floats:
    """(..., models) -> (..., S) means over the models of a scale."""
    scales, place = scale_places(cell)
    weights = (place[:, None] == np.arange(scales.size)).astype(float)
    return np.asarray(values @ (weights / weights.sum(axis=0)))


def _swap(
    cell: Cell,
    name: str,
    settings: Settings,
    replicates: Floats | None,
    jump: tuple[int, int] | None,
) -> Swap:
    limits = Thresholds()
    scales, _ = scale_places(cell)
    shape, sharp = None, None
    if cell.layers[name].finite.all():
        asked = replace(settings, headline=name, companion=None)
        curve = prepare(cell, [], asked, limits, None).curve
        assert curve is not None
        shape, found = looks_sharp(curve, limits)
        sharp = found if len(curve.groups()) >= limits.min_scales else None
    place = None if jump is None else (float(scales[jump[0]]), float(scales[jump[1]]))
    change, low, high = np.nan, np.nan, np.nan
    if jump is not None and cell.layers[name].finite.all():
        sign = 1.0 if cell.layers[name].metric.card.higher_is_better else -1.0
        start, end = jump
        means = _by_scale(cell, means_of(cell.layers[name])[None])
        change = sign * float(means[0, end] - means[0, start])
        if replicates is not None:
            by_scale = _by_scale(cell, replicates)
            steps = sign * (by_scale[:, end] - by_scale[:, start])
            found_low, found_high = bounds(steps[:, None], settings.confidence, cell.units)
            low, high = float(found_low[0]), float(found_high[0])
    return Swap(name, shape, sharp, place, change, low, high)


def _skill(
    scores: Floats,
    uniform: Floats,
    replicates: Floats | None,
    uniform_replicates: Floats | None,
    settings: Settings,
    units: int,
) -> Skill | None:
    level = float(uniform.mean())
    if not level > 0:
        return None
    mean = 1 - scores.mean(axis=0) / level
    nothing = np.full(mean.shape, np.nan)
    if replicates is None or uniform_replicates is None:
        return Skill(mean, nothing, nothing)
    return Skill(mean, *bounds(1 - replicates / uniform_replicates, settings.confidence, units))


def curves_of(task: ChoiceTask, found: Swapped, settings: Settings, brier: str) -> list[dict[str, Any]]:
    """Rows of the curves: the audit's own with the no-skill reference, and those of the skill score."""
    cell = task.cell
    wanted = metrics_of(brier)
    rows = task.curves.filter(pl.col("metric").is_in(wanted)).to_dicts()
    known = {row["metric"] for row in rows}
    more = {name: layer for name, layer in cell.layers.items() if name in wanted and name not in known}
    if more:
        rows += curve_rows(replace(cell, layers=more), settings, generator(cell, settings))
    place = {name: i for i, name in enumerate(wanted)}
    models = {name: i for i, name in enumerate(cell.models)}
    rows = sorted(rows, key=lambda row: (place[row["metric"]], models[row["model"]]))
    out = [{**row, "reference": row["chance"]} for row in rows]
    if found.skill is not None:
        common = {"axis": settings.axis, "n": len(cell.items), "reference": 0.0}
        bound = zip(found.skill.mean, found.skill.low, found.skill.high, strict=True)
        for model, scale, (mean, low, high) in zip(cell.models, cell.axis_values, bound, strict=True):
            known_ends = np.isfinite(low)
            out.append(
                {
                    **task.where,
                    **common,
                    "metric": f"{brier} {SKILL}",
                    "model": model,
                    "axis_value": float(scale),
                    "mean": float(mean),
                    "low": float(low) if known_ends else None,
                    "high": float(high) if known_ends else None,
                    "method": ("bootstrap over clusters" if cell.clustered else "bootstrap over items")
                    if known_ends
                    else "none",
                }
            )
    return out


def swap_rows(task: ChoiceTask, found: Swapped) -> list[dict[str, Any]]:
    """Rows of the swaps, one a metric."""
    rows = []
    for one in found.swaps:
        row: dict[str, Any] = {**task.where, "metric": one.metric, "sharp": one.sharp}
        if one.shape is not None:
            for name in ("emergence_score", "linearity", "width", "t10", "t90"):
                row[name] = _number(getattr(one.shape, name), infinite=True)
        if one.jump is not None:
            row |= {"jump_from": one.jump[0], "jump_to": one.jump[1]}
        row |= {name: _number(getattr(one, name)) for name in ("change", "low", "high")}
        rows.append(row)
    return rows


def _number(value: float, *, infinite: bool = False) -> float | None:
    return None if np.isnan(value) or (np.isinf(value) and not infinite) else float(value)


def worse_where_it_rises(head: Swap, other: Swap) -> bool:
    """Whether a metric gets worse in the largest step of the headline: both intervals leave 0 out."""
    return bool(head.low > 0 and other.high < 0)


def swap_words(head: Swap, others: Sequence[Swap], scales: int) -> str:
    """Does the sharpness disappear when the grade is swapped? One sentence."""
    scores = ", ".join(f"{one.metric} {score_text(one.emergence_score)}" for one in (head, *others))
    told = f"emergence scores: {scores}"
    if head.sharp is None:
        fewest = Thresholds().min_scales
        return f"With {scales} scales sharpness cannot be judged ({fewest} are needed); {told}."
    if not head.sharp:
        return f"{head.metric} is not sharp by the rule of the verdicts, so none can disappear; {told}."
    stays = [one.metric for one in others if one.sharp]
    goes = [one.metric for one in others if one.sharp is False]
    parts = []
    if goes:
        parts.append(f"under {', '.join(goes)} the sharpness disappears")
    if stays:
        parts.append(f"under {', '.join(stays)} it stays")
    return f"{head.metric} is sharp by the rule of the verdicts; {'; '.join(parts)}; {told}."


def score_text(value: float) -> str:
    """An emergence score in words."""
    if np.isnan(value):
        return "none"
    return f"{'-' if value < 0 else ''}infinite" if np.isinf(value) else f"{value:.1f}"


def skill_words(brier: str, models: Sequence[str], skill: Skill) -> str:
    """Where the Brier skill is positive, one sentence."""
    above = [m for m, low in zip(models, skill.low, strict=True) if low > 0]
    below = [m for m, high in zip(models, skill.high, strict=True) if high < 0]
    parts = [f"its interval is above 0 at {', '.join(above)}" if above else "its interval is nowhere above 0"]
    if below:
        parts.append(f"and below 0, worse than a uniform forecast, at {', '.join(below)}")
    values = ", ".join(f"{m} {v:+.3f}" for m, v in zip(models, skill.mean, strict=True))
    return f"Skill of {brier} against a uniform forecast: {values}; {' '.join(parts)}."


def worse_words(head: Swap, others: Sequence[Swap]) -> str | None:
    """Whether a continuous metric gets worse where the grade rises most, one sentence; None if none does."""
    worse = [one for one in others if worse_where_it_rises(head, one)]
    if not worse or head.jump is None:
        return None
    parts = [f"{one.metric} by {-one.change:.3g} [{-one.high:.3g}, {-one.low:.3g}]" for one in worse]
    return (
        f"Where {head.metric} rises most, from {_scale(head.jump[0])} to {_scale(head.jump[1])} (by "
        f"{head.change:.3g} [{head.low:.3g}, {head.high:.3g}]), other metrics of the same outputs get "
        f"worse: {', '.join(parts)}."
    )


def _scale(value: float) -> str:
    """A value of the axis: counts with K, M, B or T."""
    return size_label(value) if value >= 1000 else f"{value:.3g}"
