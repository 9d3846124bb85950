"""From a cell or from aggregates to a verdict row: which metric is the headline, and what its points are.

The decision itself is in `verdict.decide`; here its inputs are taken from the scores and its answer is put
into the table's words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from unmirage import statistics
from unmirage.cells import Cell, Floats, Layer
from unmirage.choosing import Choice, choose
from unmirage.errors import MetricError
from unmirage.metrics import Card, metric
from unmirage.result import Settings
from unmirage.scales import FALLING
from unmirage.verdict.decide import Curve, Verdict, decide
from unmirage.verdict.points import Point, rate_point
from unmirage.verdict.thresholds import Thresholds

AGGREGATES = ("exact_match", "multiple_choice_grade", "greedy_match", "pass_rate", "accuracy", "acc")

Row = dict[str, Any]


def points_of(cell: Cell, layer: Layer, settings: Settings, limits: Thresholds) -> list[Point]:
    """The headline at each model that has it."""
    there = np.flatnonzero(layer.present)
    scales = len(set(cell.axis_values[there].tolist()))
    means = layer.scores[:, there].mean(axis=0)
    errors = _errors(layer.scores[:, there], cell)
    rate = layer.chance is not None and (layer.metric.card.binary or cell.attempts is not None)
    points = []
    for j, m in enumerate(there):
        model, value, mean, error = (
            cell.models[m],
            float(cell.axis_values[m]),
            float(means[j]),
            float(errors[j]),
        )
        if not rate or layer.chance is None:
            points.append(Point(model, value, mean, error, n=len(cell.items)))
            continue
        common: dict[str, Any] = {
            "scales": scales,
            "alpha": settings.alpha,
            "min_successes": limits.min_successes,
        }
        if cell.attempts is not None and cell.passes is not None:
            tried, passed = int(cell.attempts[:, m].sum()), float(cell.passes[:, m].sum())
            chance = float(layer.chance.mean())
            points.append(rate_point(model, value, mean, error, tried, chance, successes=passed, **common))
            continue
        worth = None
        if not layer.exact or cell.clustered:
            clusters = int(cell.clusters.max()) + 1
            worth = float(statistics.effective_items(mean, np.nan_to_num(error), len(cell.items), clusters))
        points.append(
            rate_point(model, value, mean, error, len(cell.items), layer.chance, effective_n=worth, **common)
        )
    return points


def _errors(scores: Floats, cell: Cell) -> Floats:
    """Clustered standard errors (models,); NaN where the scores do not vary or are not all finite."""
    known = np.isfinite(scores).all(axis=0) & (scores.max(axis=0) > scores.min(axis=0))
    errors = np.full(scores.shape[1], np.nan)
    if known.any():
        errors[known] = statistics.clustered_stderr(scores[:, known], cell.clusters)
    return errors


def judge_cell(
    cell: Cell, extra: Sequence[Row], settings: Settings, limits: Thresholds, dependent: str | None
) -> Row:
    """The verdict row of a cell.

    Parameters
    ----------
    extra: curve rows of the same task whose models have aggregates only; those of the headline join the
        curve.
    dependent: what `dependence_message` says of the items, or None.
    """
    choice = choose(cell, settings)
    if choice.headline is None:
        return _row(cell.family, cell.task, settings, choice, None, _nothing(choice))
    layer = cell.layers[choice.headline]
    points = points_of(cell, layer, settings, limits)
    level = None if layer.chance is None else float(layer.chance.mean())
    more = [row for row in extra if row["metric"] == choice.headline]
    points += _result_points(
        more, level, settings, limits, scales=len({*cell.axis_values, *(r["axis_value"] for r in more)})
    )
    card = layer.metric.card
    curve = Curve(
        tuple(points),
        choice.headline,
        choice.companion,
        card.higher_is_better,
        _bounded(card),
        "attempts" if cell.attempts is not None else "items",
        len(cell.items) if cell.attempts is not None else None,
        settings.axis in FALLING,
    )
    verdict = _decide(curve, limits)
    if dependent is not None:
        verdict.reasons[0] += "; and its items depend on each other"
        verdict.reasons.append(dependent)
        verdict.would_settle.append("a `cluster` column that names the template or passage of each item")
    return _row(cell.family, cell.task, settings, choice, curve, verdict)


def judge_results(rows: Sequence[Row], settings: Settings, limits: Thresholds) -> Row:
    """The verdict row of a task that has aggregates only; `rows` are its curve rows."""
    metrics = sorted({str(row["metric"]) for row in rows})
    wanted = (settings.headline,) if settings.headline else (*AGGREGATES, *metrics)
    headline = next((name for name in wanted if name in metrics), None)
    family, task = str(rows[0]["family"]), str(rows[0]["task"])
    if headline is None:
        choice = Choice(None, None, f"{settings.headline} is not among the aggregates: {', '.join(metrics)}")
        return _row(family, task, settings, choice, None, _nothing(choice))
    mine = [row for row in rows if row["metric"] == headline]
    points = _result_points(mine, None, settings, limits, scales=len({row["axis_value"] for row in mine}))
    known = known_card(headline)
    bounded = _bounded(known) if known else all(0 <= p.mean <= 1 for p in points)
    curve = Curve(
        tuple(points),
        headline,
        None,
        known.higher_is_better if known else True,
        bounded,
        falling=settings.axis in FALLING,
    )
    return _row(family, task, settings, Choice(headline, None), curve, _decide(curve, limits))


def known_card(name: str) -> Card | None:
    """The card of a metric, or None for a name that only the log knows."""
    try:
        return metric(name).card
    except MetricError:
        return None


def _result_points(
    rows: Sequence[Mapping[str, Any]],
    chance: float | None,
    settings: Settings,
    limits: Thresholds,
    *,
    scales: int,
) -> list[Point]:
    points = []
    for row in rows:
        level = row["chance"] if row["chance"] is not None else chance
        error = float("nan") if row["stderr"] is None else float(row["stderr"])
        whole = row["method"].endswith("of the aggregate")
        if whole and level is not None:
            points.append(
                rate_point(
                    row["model"],
                    row["axis_value"],
                    row["mean"],
                    error,
                    row["n"],
                    level,
                    scales=scales,
                    alpha=settings.alpha,
                    min_successes=limits.min_successes,
                )
            )
        else:
            points.append(Point(row["model"], row["axis_value"], row["mean"], error, n=row["n"]))
    return points


def _decide(curve: Curve, limits: Thresholds) -> Verdict:
    bad = [point.model for point in curve.points if not np.isfinite(point.mean)]
    if bad:
        return Verdict(
            "cannot-tell",
            None,
            [
                f"the mean of {curve.headline} is infinite for {', '.join(bad)}: an item has probability 0 "
                "there"
            ],
            ["a headline metric that stays finite, such as target_prob or token_prob (--headline)"],
        )
    return decide(curve, limits)


def _nothing(choice: Choice) -> Verdict:
    return Verdict("cannot-tell", None, [choice.why_not or "there is no metric to judge by"])


def _bounded(card: Card) -> bool:
    return card.low == 0 and card.high == 1


def _row(
    family: str, task: str, settings: Settings, choice: Choice, curve: Curve | None, verdict: Verdict
) -> Row:
    shape = verdict.sharpness
    names = ("width", "t10", "t90", "emergence_score", "breakthroughness", "linearity")
    numbers = {name: _number(getattr(shape, name)) if shape else None for name in names}
    reasons = list(verdict.reasons)
    if shape is not None:
        reasons += [note for note in shape.notes if "width" not in note or verdict.verdict != "smooth"]
    return {
        "family": family,
        "task": task,
        "axis": settings.axis,
        "headline": choice.headline,
        "companion": choice.companion,
        "verdict": verdict.verdict,
        "p_break": None,
        "p_break_adjusted": None,
        "step": None,
        "sharpness": numbers,
        "link": {"r2_held_out": None, "r2_smooth": None},
        "resolution": [point.as_dict() for point in curve.points] if curve else [],
        "reasons": reasons,
        "would_settle": verdict.would_settle,
    }


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
