"""The curves of a suite, from items and from aggregates, and which of them tasks are judged by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import polars as pl

from unmirage import findings, tables
from unmirage.aggregate import curve_rows, curves_frame
from unmirage.choosing import choose, choose_reported
from unmirage.errors import MetricError
from unmirage.meta.suite import SHOTS
from unmirage.metrics.recorded import aggregate_card
from unmirage.reported import result_rows
from unmirage.result import Progress, Settings
from unmirage.selection import Kept
from unmirage.steps import gathered, generator, scored

Key = tuple[str, str, str]


def gathered_curves(
    kept: Kept, settings: Settings, progress: Progress
) -> tuple[pl.DataFrame, set[Key], list[dict[str, object]]]:
    """Rows of all curves; (family, task, metric) of those that tasks are judged by; warnings."""
    scores = scored(kept.responses, settings)
    notes = findings.partial_metrics(scores.partial)
    reported = [] if kept.results is None else result_rows(kept.results, settings)
    if settings.metrics is not None:
        reported = _asked(reported, settings.metrics, alone=kept.responses.is_empty())
    rows: list[dict[str, object]] = []
    preferred: set[Key] = set()
    itemised = set()
    gathering = list(gathered(kept, scores, settings)) if kept.responses.height else []
    for done, cell in enumerate(gathering):
        progress("averaging", done, len(gathering))
        mine = curve_rows(cell, settings, generator(cell, settings))
        more, said = findings.aggregates_only(cell, mine, reported)
        rows += [*mine, *more]
        notes += said
        itemised.add((cell.family, cell.task))
        headline = choose(cell, settings).headline
        preferred |= {(cell.family, cell.task, headline)} if headline else set()
    rest = [row for row in reported if (row["family"], row["task"]) not in itemised]
    frame = curves_frame([*rows, *rest])
    return frame, preferred | _preferred(kept.results, rest, settings), notes


def _asked(rows: Sequence[dict[str, Any]], metrics: Sequence[str], *, alone: bool) -> list[dict[str, Any]]:
    """The aggregates of the metrics that are asked for, by the source's own names.

    Raises MetricError for a name that none has, where there is nothing else (`alone`).
    """
    there = sorted({str(row["metric"]) for row in rows})
    for name in metrics if alone else ():
        if name not in there:
            close = get_close_matches(name, there, 5, 0)
            raise MetricError(
                f"no aggregate here is called {name!r}",
                where="--metric",
                hint=f"{'Some' if len(there) > len(close) else 'All'} names: {', '.join(close)}.",
            )
    return [row for row in rows if row["metric"] in metrics]


def whole_tasks(curves: pl.DataFrame) -> tuple[pl.DataFrame, list[dict[str, object]]]:
    """The curves without the parts of tasks that are there as a whole, and a warning."""
    tasks = set(curves["task"].unique())
    cut = {task: SHOTS.match(task) for task in tasks}
    plain = {task: found[1] if found else task for task, found in cut.items()}
    whole = set(plain.values())
    parts = [task for task, name in plain.items() if ":" in name and name.split(":", 1)[0] in whole]
    if not parts:
        return curves, []
    return curves.filter(~pl.col("task").is_in(parts)), [
        tables.warning(
            "parts-left-out",
            f"{len(parts)} parts of tasks that are there as a whole are left out (--subtasks keeps them)",
            count=len(parts),
        )
    ]


def _preferred(
    results: pl.DataFrame | None, rows: Sequence[Mapping[str, object]], settings: Settings
) -> set[Key]:
    """What the source says that its tasks are judged by, else the first known share of right answers."""
    if results is None or not rows:
        return set()
    said: set[Key] = set()
    if "preferred" in results.columns:
        said = set(results.filter(pl.col("preferred") == 1).select("family", "task", "metric").rows())
    told = {(family, task) for family, task, _ in said}
    values: dict[str, list[float]] = {}
    names: dict[tuple[str, str], set[str]] = {}
    for row in rows:
        if row["mean"] is not None:
            values.setdefault(str(row["metric"]), []).append(float(str(row["mean"])))
        names.setdefault((str(row["family"]), str(row["task"])), set()).add(str(row["metric"]))
    cards = {name: aggregate_card(name, group) for name, group in values.items()}
    for (family, task), mine in names.items():
        if (family, task) not in told:
            chosen = choose_reported(
                {name: cards[name] for name in sorted(mine) if name in cards}, settings
            ).headline
            said |= {(family, task, chosen)} if chosen else set()
    return said
