"""Whether the rows of a file can be taken as they lie, and what is to be said of them.

What is asked here can be told from sums. Where the answer is no, a reader takes the rows instead: it mends
what can be mended, and says what is wrong, and where.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from unmirage import tables
from unmirage.consistency import TELLING
from unmirage.counts import listed
from unmirage.streaming.facts import Facts
from unmirage.streaming.plan import Plan
from unmirage.streaming.survey import HIGH, LOW

TASK = ["family", "task"]


class NotPlain(Exception):
    """A table has to go through a reader: something about its rows has to be mended, or to be said."""


def check_survey(survey: pl.DataFrame, axes: Sequence[str]) -> None:
    """Raises NotPlain where names are missing, a model's task is of two kinds, a scale is out of range, or
    generations may take over the log-probabilities of a likelihood task."""
    names = ["family", "model", "task", "kind"]
    ends = [pl.col(f"{mark}{name}") for name in axes for mark in (LOW, HIGH)]
    bounded = [pl.col(LOW + name) < 0 for name in axes if name in ("n_params", "n_tokens", "flops")]
    broken = pl.any_horizontal(
        *(pl.col(name).is_null() for name in names),
        *(end.is_infinite() for end in ends),
        *bounded,
        pl.struct("family", "model", "task").is_duplicated(),
    )
    kinds = survey.group_by("family").agg(pl.col("kind"))
    joined = kinds.filter(
        pl.col("kind").list.contains(pl.lit("generation", survey.schema["kind"]))
        & pl.col("kind").list.contains(pl.lit("likelihood", survey.schema["kind"]))
    )
    if survey.height == 0 or survey.select(broken.any()).item() or joined.height:
        raise NotPlain


def choice_counts(facts: Facts, plan: Plan) -> list[dict[str, object]]:
    """A warning of the tasks whose items differ in their number of choices."""
    bounds: dict[str, tuple[int, int]] = {}
    for group, task in plan.groups.select("group", "task").iter_rows():
        counts = facts.choices.get(group)
        if counts:
            low, high = bounds.get(task, (min(counts), max(counts)))
            bounds[task] = min(low, *counts), max(high, *counts)
    names = [f"{task} ({low} to {high})" for task, (low, high) in bounds.items() if low < high]
    if not names:
        return []
    message = f"items differ in their number of choices, so chance is taken item by item: {listed(names, 8)}"
    return [tables.warning("choice-counts", message, count=len(names))]


def suspects(facts: Facts, plan: Plan) -> set[int]:
    """The groups of tasks whose models were not all asked the same."""
    tasks: dict[tuple[str, str], dict[int, int]] = {}
    for group, family, task in plan.groups.select("group", "family", "task").iter_rows():
        if group in facts.asked:
            tasks.setdefault((family, task), {})[group] = facts.asked[group]
    return {group for asked in tasks.values() if len(set(asked.values())) > 1 for group in asked}


def check_models(facts: Facts, plan: Plan) -> None:
    """Raises NotPlain where two models of a family have the same log-probabilities on a task."""
    seen: set[tuple[str, str, int, int]] = set()
    for group, family, task in plan.groups.select("group", "family", "task").iter_rows():
        rows, print_ = facts.told.get(group, [0, 0])
        if rows < TELLING or len(facts.values[group]) < TELLING:
            continue
        if (family, task, rows, print_) in seen:
            raise NotPlain
        seen.add((family, task, rows, print_))
