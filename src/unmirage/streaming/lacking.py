"""Metrics that some models lack, or all, and why. Rows are read again only where something is to be said."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from unmirage.errors import MetricError
from unmirage.metrics.cards import Metric
from unmirage.metrics.inputs import missing, too_few
from unmirage.metrics.scoring import _PARTIAL as PARTIAL
from unmirage.metrics.scoring import _nowhere as nowhere
from unmirage.result import Settings
from unmirage.streaming.plan import Plan, metrics_of, names_of
from unmirage.streaming.scoring import Scored, batch_of, tokenised
from unmirage.streaming.table import Table


def has_metric(plan: Plan, scored: Scored, cell: int, one: Metric) -> dict[str, bool]:
    """model -> whether all its rows allow a metric, for the models of a cell."""
    units = scored.facts.units
    few = too_few(one, items_of(scored, cell)) is not None
    there = one.card.name in scored.totals[cell].scores and not few
    by_length = "length_unit" in one.card.inputs
    return {
        model: there
        and (group, one.card.name) not in scored.lacking
        and not (by_length and len(units.get(group, ())) > 1)
        for group, model in zip(plan.members[cell], plan.cells[cell].models, strict=True)
    }


def items_of(scored: Scored, cell: int) -> int:
    """How many items the models of a cell were compared on."""
    return int(scored.totals[cell].answers.max())


def partial(
    table: Table, plan: Plan, scored: Scored, looked: pl.DataFrame, cells: Collection[int]
) -> pl.DataFrame:
    """As `ScoreResult.partial`: a row a model that lacks a metric which others have on the task."""
    gaps: list[tuple[int, Metric, list[str]]] = []
    for cell in _by_first(plan, looked, cells):
        one = plan.cells[cell]
        for metric in plan.metrics(one.kind, one.recorded).values():
            has = has_metric(plan, scored, cell, metric)
            if any(has.values()) and not all(has.values()):
                gaps.append((cell, metric, [model for model, there in has.items() if not there]))
    rows = _rows_of(table, plan, {(cell, model) for cell, _, models in gaps for model in models})
    found = [
        (plan.cells[cell].family, plan.cells[cell].task, metric.card.name, model, reason)
        for cell, metric, models in gaps
        for model in models
        for reason in [missing(metric, rows[cell, model]) or ""]
    ]
    return pl.DataFrame(found, schema=PARTIAL, orient="row")


def asked_everywhere(
    table: Table, plan: Plan, scored: Scored, settings: Settings, cells: Sequence[int]
) -> None:
    """Raises MetricError for a metric that was asked for by name and can be computed nowhere."""
    asked, _ = names_of(settings)
    names = list(asked if asked is not None else plan.extra)
    computed: set[str] = set()
    unknown: dict[str, MetricError] = {}
    canonical: dict[str, str] = {}
    known: dict[tuple[str, str], tuple[dict[str, Metric], dict[str, MetricError]]] = {}
    for cell in cells:
        one = plan.cells[cell]
        for name in names:
            if one.recorded is not None or (one.kind, name) not in known:
                known[one.kind, name] = metrics_of(one.kind, [name], [name], one.recorded)
            found, why = known[one.kind, name]
            unknown |= why
            for metric in found.values():
                canonical[name] = metric.card.name
                if metric.combine is not None or any(has_metric(plan, scored, cell, metric).values()):
                    computed.add(metric.card.name)
    for name in names if cells else ():
        if canonical.get(name) in computed:
            continue
        if name not in canonical:
            raise unknown[name]
        one = plan.cells[cells[0]]
        metric = metrics_of(one.kind, [name], [name], one.recorded)[0][canonical[name]]
        rows = _rows_of(table, plan, {(cells[0], model) for model in one.models}, metric.card.inputs)
        reason = missing(metric, pl.concat(rows.values()))
        raise nowhere(canonical[name], [(one.task, canonical[name], reason or "has no rows")])


def _by_first(plan: Plan, looked: pl.DataFrame, cells: Collection[int]) -> list[int]:
    """The cells in the order in which their rows are met."""
    first = looked.select("first").with_columns(cell=plan.groups["cell"])
    order = first.group_by("cell").agg(pl.col("first").min()).sort("first")["cell"].to_list()
    return [cell for cell in order if cell in cells]


def _rows_of(
    table: Table, plan: Plan, wanted: Collection[tuple[int, str]], more: Sequence[str] = ()
) -> Mapping[tuple[int, str], pl.DataFrame]:
    """(cell, model) -> all its rows, for a few of them; `more` names columns that the plan does not read."""
    if not wanted:
        return {}
    columns = (*plan.columns, *(name for name in more if name not in plan.columns))
    wider = replace(plan, columns=columns)
    parts: dict[tuple[int, str], list[pl.DataFrame]] = {key: [] for key in wanted}
    for part in table.parts:
        batch = batch_of(part, wider)
        for cell, model in wanted:
            code = plan.cells[cell].models.index(model)
            rows = np.flatnonzero((batch.cells == cell) & (batch.answers.models == code))
            if len(rows):
                parts[cell, model].append(batch.frame[rows])
    found = {key: pl.concat(frames) for key, frames in parts.items()}
    return {
        key: tokenised(rows, plan) if plan.cells[key[0]].kind != "score" else rows
        for key, rows in found.items()
    }
