"""From the sums of each task to the rows of its curves, and what is to be said of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import numpy as np
import polars as pl

from unmirage import findings, tables
from unmirage.aggregate import rows_of
from unmirage.cells import Cell, Layer
from unmirage.choosing import choose
from unmirage.metrics.cards import Metric, zero_chance
from unmirage.result import Progress, Settings
from unmirage.steps import stream_of
from unmirage.streaming.finish import Task, finish
from unmirage.streaming.lacking import has_metric
from unmirage.streaming.plan import Plan
from unmirage.streaming.scoring import ATTEMPTS, Scored
from unmirage.verdict.thresholds import Thresholds

Row = dict[str, Any]
Note = dict[str, object]


@dataclass
class Made:
    """Rows of the curves table, and warnings."""

    rows: list[Row] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)


def made_curves(
    plan: Plan,
    scored: Scored,
    there: Sequence[int],
    few: Collection[tuple[str, str]],
    settings: Settings,
    aggregated: Sequence[Row],
    progress: Progress,
) -> Made:
    """The curves of the cells that are there, and of aggregates of other tasks.

    Parameters
    ----------
    few: (family, task) with items of too few models, which are drawn from their aggregates.
    aggregated: curve rows of the aggregates that the logs hold.
    """
    made = Made()
    judged = [cell for cell in there if (plan.cells[cell].family, plan.cells[cell].task) not in few]
    tasks = {plan.cells[cell].task for cell in judged} | {str(row["task"]) for row in aggregated}
    made.notes += findings.unused_chance(settings, tasks)
    ordered: list[Cell] = []
    for done, cell in enumerate(judged):
        progress("averaging", done, len(judged))
        one = plan.cells[cell]
        metrics = plan.metrics(one.kind, one.recorded)
        measured, replicates = finish(
            _task(plan, scored, cell, metrics, settings), settings, stream_of(one.family, one.task, settings)
        )
        values = np.array(one.axis_values)
        mine = rows_of(one.family, one.task, one.models, values, measured, settings, replicates)
        without_items, notes = findings.aggregates_only(one, mine, aggregated)
        made.rows += [*mine, *without_items]
        made.notes += notes
        if one.kind == "count":
            made.notes += findings.unequal_attempts(one, mine)
        in_order = _in_order(plan, scored, cell, metrics, settings)
        if in_order is not None:
            ordered.append(in_order)
    progress("averaging", len(judged), len(judged))
    for (family, task), message in findings.dependent_items(ordered, settings, Thresholds()).items():
        where = f"{family} / {task}"
        made.notes.append(tables.warning("dependent-items", f"{task}: {message}", where=where))
    itemised = {(plan.cells[cell].family, plan.cells[cell].task) for cell in judged}
    made.rows += [row for row in aggregated if (row["family"], row["task"]) not in itemised]
    return made


def _task(plan: Plan, scored: Scored, cell: int, metrics: Mapping[str, Metric], settings: Settings) -> Task:
    one = plan.cells[cell]
    given = settings.chance.get(one.task, settings.chance.get("*"))
    totals = scored.totals[cell]
    totals.trim()
    choices = scored.facts.choices.get(min(plan.members[cell]), {})
    present = {
        name: np.array(list(has_metric(plan, scored, cell, metric).values()))
        for name, metric in metrics.items()
        if name in totals.scores
    }
    repeats = [scored.repeats.get((cell, model)) for model in one.models]
    asked = None if repeats[0] is None else np.array(repeats, dtype=np.float64)
    return Task(
        totals=totals,
        models=one.models,
        metrics={name: metrics[name] for name, there in present.items() if there.any()},
        present=present,
        chance={name: _chance(metrics[name], choices, given) for name in present},
        attempts=ATTEMPTS if one.kind == "count" else None,
        asked=asked,
    )


def _chance(metric: Metric, choices: Mapping[int, int], given: float | None) -> float | None:
    """Mean over the items of the score of a model without skill; choices -> items that have so many."""
    if given is not None and (metric.card.binary or metric.card.name == "pass_rate"):
        return given
    if metric.chance is None or metric.combine is not None:
        return None
    if metric.chance is zero_chance:
        return 0.0
    numbers = sorted(choices) or [1]
    counts = np.array([choices.get(number, 1) for number in numbers])
    return float(metric.chance(_items_of(tuple(numbers))) @ counts / counts.sum())


@lru_cache(maxsize=256)
def _items_of(choices: tuple[int, ...]) -> pl.DataFrame:
    """Items with so many choices."""
    return pl.DataFrame({"choice_logprobs": [[0.0] * number for number in choices]})


def _in_order(
    plan: Plan, scored: Scored, cell: int, metrics: Mapping[str, Metric], settings: Settings
) -> Cell | None:
    """The scores that a task is judged by in the order of the log, where the sums still hold them one by one.

    Of other metrics it is only told which models have them.
    """
    totals, order = scored.totals[cell], scored.facts.order.get(cell)
    once = len(totals.epochs) == 1 and not any(key[0] == cell for key in scored.repeats)
    if order is None or totals.folded or not totals.alone.all() or not once:
        return None
    one = plan.cells[cell]
    items, first = order
    place = np.searchsorted(totals.units, items[np.argsort(first)])
    index = [totals.models.index(model) for model in one.models]
    unknown = np.broadcast_to(np.nan, (len(place), len(index), 1))
    layers = {
        name: Layer(metric, unknown, np.array(list(has_metric(plan, scored, cell, metric).values())), None)
        for name, metric in metrics.items()
        if metric.combine is None and name in totals.scores
    }
    found = Cell(
        family=one.family,
        task=one.task,
        kind=one.kind,
        models=one.models,
        axis_values=np.array(one.axis_values),
        items=tuple(f"{item:x}" for item in totals.units[place].tolist()),
        clusters=np.arange(len(place)),
        clustered=False,
        layers=layers,
    )
    choice = choose(found, settings)
    name = choice.companion or choice.headline
    if name is None or totals.scores[name].infinite.any():
        return None
    scores = totals.unit_sums(name)[index][:, place].transpose(1, 0, 2)
    layers[name] = replace(layers[name], components=scores)
    return found
