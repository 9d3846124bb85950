"""What is to be said of a cell beside its verdict.

Items that depend on each other, attempts that differ in number, models whose items are not in the logs.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Protocol

import numpy as np
import polars as pl

from unmirage import statistics, tables
from unmirage.cells import Cell
from unmirage.choosing import choose
from unmirage.counts import listed
from unmirage.result import Settings
from unmirage.verdict.thresholds import Thresholds

Row = dict[str, Any]
Note = dict[str, object]


class Named(Protocol):
    """A task of a family, by its names; see :class:`unmirage.cells.Cell`."""

    @property
    def family(self) -> str: ...

    @property
    def task(self) -> str: ...

    @property
    def kind(self) -> str: ...

    @property
    def models(self) -> tuple[str, ...]: ...


# Expected successes below this at every scale: sampled answers would show none.
NEVER = 0.05
# Ratios closer to 1 than this are rounding and chance, not another quantity.
SAME_RATE = 0.01


def dependent_items(
    cells: Sequence[Cell], settings: Settings, limits: Thresholds
) -> dict[tuple[str, str], str]:
    """(family, task) -> what to say of items that depend on each other.

    That is a property of the items, so what one family shows serves all that were asked the same ones.
    """
    strongest: dict[tuple[str, tuple[str, ...]], tuple[float, str]] = {}
    for cell in cells:
        one = _dependence(cell, settings, limits)
        key = (cell.task, cell.items)
        if one is not None and abs(one.correlation) > strongest.get(key, (0.0, ""))[0]:
            strongest[key] = (abs(one.correlation), _message(one, cell.family))
    return {
        (cell.family, cell.task): strongest[cell.task, cell.items][1]
        for cell in cells
        if (cell.task, cell.items) in strongest
    }


def _dependence(cell: Cell, settings: Settings, limits: Thresholds) -> statistics.SerialDependence | None:
    """How the items depend on each other, if they do: in the order of the log they should be exchangeable.

    A test written from a few templates in turn is not, and intervals over its items are too narrow. Not asked
    where clusters are given, or of fewer than 50 items.
    """
    choice = choose(cell, settings)
    layer = cell.layers.get(choice.companion or choice.headline or "")
    if layer is None or cell.clustered or len(cell.items) < 50:
        return None
    scores = layer.scores[:, layer.present]
    scores = scores[:, np.isfinite(scores).all(axis=0)]
    if scores.shape[1] == 0:
        return None
    if abs(statistics.serial_dependence(scores, permutations=1).correlation) < limits.dependence:
        return None
    # 199 permutations can reach the p-value that the threshold asks for.
    found = statistics.serial_dependence(scores, permutations=199, seed=settings.seed)
    if abs(found.correlation) >= limits.dependence and found.p_value <= limits.dependence_p:
        return found
    return None


def _message(found: statistics.SerialDependence, family: str) -> str:
    """One sentence for the reasons and warnings; `family` is where it was found."""
    apart = "next to each other" if found.lag == 1 else f"{found.lag} items apart"
    return (
        f"the items depend on each other: scores {apart} correlate by {found.correlation:.2f} (p = "
        f"{found.p_value:.2g}, in {family}), as when few distinct items are written from a template; "
        "intervals over items are far too narrow"
    )


def never_exact(cell: Cell) -> list[str]:
    """What exact reproduction of the targets would show, where log-probabilities say that it is nothing."""
    layer = cell.layers.get("target_prob")
    if (
        layer is None
        or "greedy_match" in cell.layers
        or "exact_match" in cell.layers
        or not layer.finite.any()
    ):
        return []
    means = np.where(layer.finite, layer.scores.mean(axis=0), 0.0)
    best, n = int(means.argmax()), len(cell.items)
    rarest = float(-np.log10(means[best])) if means[best] > 0 else np.inf
    if means[best] * n >= NEVER:
        return []
    many = f"one success in 10^{rarest:.0f} samples" if np.isfinite(rarest) else "no success in any number"
    return [
        f"exact reproduction of the target would read 0 at every scale: even {cell.models[best]} would need "
        f"{many}, and there are {n:,} items"
    ]


def partial_metrics(partial: pl.DataFrame) -> list[Note]:
    """Warnings of metrics that some models of a task lack; one for all metrics with the same gap.

    Parameters: partial as in :class:`unmirage.metrics.ScoreResult`.
    """
    gaps: dict[tuple[str, str, tuple[str, ...], str], list[str]] = {}
    groups = partial.group_by("family", "task", "metric", maintain_order=True).agg("model", "reason")
    for row in groups.iter_rows(named=True):
        gaps.setdefault((row["family"], row["task"], tuple(row["model"]), row["reason"][0]), []).append(
            row["metric"]
        )
    return [
        tables.warning(
            "partial-metric",
            f"{task}: {listed(metrics)} cannot be computed for {listed(models)}, which "
            f"{'have' if len(models) > 1 else 'has'} no point there ({models[0]} {reason})",
            where=f"{family} / {task}",
            count=len(models),
        )
        for (family, task, models, reason), metrics in gaps.items()
    ]


def unused_chance(settings: Settings, tasks: Collection[str]) -> list[Note]:
    """A warning for every chance level whose task is not there."""
    return [
        tables.warning("unused-chance", f"a chance level is given for {name}, which is no task of these logs")
        for name in settings.chance
        if name != "*" and name not in tasks
    ]


def unequal_attempts(cell: Named, rows: Sequence[Row]) -> list[Note]:
    """A warning where the mean over items and the pooled ratio of passes differ; both are in the curves."""
    if cell.kind != "count":
        return []
    value = {(row["metric"], row["model"]): float(row["mean"] or 0.0) for row in rows}
    ratios = {
        model: value["pooled_rate", model] / value["pass_rate", model]
        for model in cell.models
        if value.get(("pass_rate", model)) and ("pooled_rate", model) in value
    }
    apart = {model: ratio for model, ratio in ratios.items() if abs(ratio - 1) > SAME_RATE}
    if not apart:
        return []
    most = max(apart, key=lambda model: abs(np.log(apart[model])) if apart[model] > 0 else np.inf)
    return [
        tables.warning(
            "unequal-attempts",
            f"{cell.task}: items had different numbers of attempts, so the pooled ratio (pooled_rate in the "
            f"curves) is not the mean over items (pass_rate, which is judged): for {most} "
            f"{value['pooled_rate', most]:.3g} against {value['pass_rate', most]:.3g}",
            where=f"{cell.family} / {cell.task}",
            count=len(apart),
        )
    ]


def aggregates_only(
    cell: Named, mine: Sequence[Row], aggregated: Sequence[Row]
) -> tuple[list[Row], list[Note]]:
    """Curve rows of models whose items are not in the logs, for the cell's metrics, and a warning."""
    there = {(row["metric"], row["model"]) for row in mine}
    known = {row["metric"]: row["chance"] for row in mine}
    extra = [
        {**row, "chance": row["chance"] if row["chance"] is not None else known[row["metric"]]}
        for row in aggregated
        if (row["family"], row["task"]) == (cell.family, cell.task)
        and row["metric"] in known
        and row["model"] not in cell.models
        and (row["metric"], row["model"]) not in there
    ]
    if not extra:
        return [], []
    models = sorted({str(row["model"]) for row in extra})
    return extra, [
        tables.warning(
            "aggregates-only",
            f"{cell.task}: the items of "
            f"{listed(models)} are not in the logs; their aggregate scores are used, without a companion",
            where=f"{cell.family} / {cell.task}",
            count=len(models),
        )
    ]
