"""Figure 5: emergence scores by metric, and the metrics of claimed tasks; with the base rate, the null and
the dependence on the grid of sizes that the paper leaves out."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from unmirage.paper import fig5_charts as charts
from unmirage.paper import fig5_claims as claims
from unmirage.paper import fig5_scores as scored
from unmirage.paper.fig2 import values
from unmirage.paper.figure import Figure, numbers
from unmirage.report.words import number
from unmirage.result import Progress, silent
from unmirage.theory.model import PAPER_SIZES
from unmirage.verdict.sharpness import emergence_score

GRIDS = (4, 8, 12, 25, 50)
SPAN = (1e8, 1e12)
# What is drawn -> quantity of the model, tokens, direction.
SMOOTH = {
    "accuracy, 1 token": ("exact_match", 1, 1.0),
    "accuracy, 5 tokens": ("exact_match", 5, 1.0),
    "minus cross-entropy": ("cross_entropy", 1, -1.0),
}


def fig5(scores: pl.DataFrame | None = None, seed: int = 0, progress: Progress = silent) -> Figure:
    """The figure.

    Parameters
    ----------
    scores: aggregates of tasks and metrics in the schema `tables.RESULTS`, or None: panel A is left out and
        said.
    seed: of the draws at random, and of the null.
    progress: see :class:`unmirage.result.Progress`.

    Raises
    ------
    UnmirageError
        Scores without a family of known sizes.
    """
    found = None if scores is None else scored.analysed(scores, seed, progress)
    cells = None if found is None else scored.tested(found)
    raw = [] if cells is None else scored.by_metric(cells)
    dense = grid_scores()
    spread = claims.spread(seed)
    drawn = {"fig5": charts.overview(claims.rates(), spread, dense, raw)}
    rows = [*claims.numbers_of(seed), *_dense_rows(dense)]
    says = [*claims.says(seed), scored.cut_says(raw)]
    notes = [*claims.notes(), NOT_THERE]
    if found is None or cells is None:
        notes.append(WITHOUT)
    else:
        says += scored.says(found, cells, raw)
        notes += scored.notes(found, cells)
        rows += scored.numbers_of(cells, raw)
        if cells.is_empty():
            notes.append(
                "A is not drawn: no curve of the scores has five scales whose means are known and differ."
            )
        else:
            drawn["fig5a"] = charts.by_metric(cells, raw)
    return Figure(
        "fig5",
        "Emergence scores by metric, and the metrics of the tasks that were claimed emergent",
        drawn,
        numbers(rows),
        (*says, _dense_says(dense)),
        tuple(notes),
    )


NOT_THERE = (
    "The paper's own panel A cannot be redone: it is drawn from the results of some 220 tasks by 39 metrics "
    "in the BIG-bench repository, which are not in the bigbench package. Of its scores only the highest of "
    "nine metrics were read off, by eye."
)
WITHOUT = (
    "Panel A, emergence scores by metric, is not drawn: it needs scores of models. Give them with --scores "
    "PATH, as often as you like: a clone of the BIG-bench repository (bigbench/benchmark_tasks), results of "
    "lm-evaluation-harness or HELM, or a table with family, model, n_params, task, metric and value."
)


def grid_scores() -> dict[str, list[tuple[int, float]]]:
    """Emergence scores of the paper's own model on grids of so many sizes, evenly spaced in the logarithm.

    Returns, for each name of `SMOOTH`, (sizes, score) by sizes.
    """
    return {name: [(n, _score(name, np.geomspace(*SPAN, n))) for n in GRIDS] for name in SMOOTH}


def _score(name: str, sizes: Any) -> float:
    quantity, length, sign = SMOOTH[name]
    return emergence_score(sign * values(quantity, sizes, length))


def _dense_rows(dense: dict[str, list[tuple[int, float]]]) -> list[dict[str, Any]]:
    rows = [
        {
            "group": "emergence score of the model",
            "panel": f"{n} sizes from {SPAN[0]:g} to {SPAN[1]:g}",
            "series": name,
            "ours": score,
        }
        for name, points in dense.items()
        for n, score in points
    ]
    return rows + [
        {
            "group": "emergence score of the model",
            "panel": f"the paper's {len(PAPER_SIZES)} sizes",
            "series": name,
            "ours": _score(name, PAPER_SIZES),
        }
        for name in SMOOTH
    ]


def _dense_says(dense: dict[str, list[tuple[int, float]]]) -> str:
    few, many = (
        ", ".join(f"{name} {number(points[k][1])}" for name, points in dense.items()) for k in (0, -1)
    )
    own = ", ".join(f"{name} {number(_score(name, PAPER_SIZES))}" for name in SMOOTH)
    return (
        "The emergence score grows with the number of sizes although the curve is the same smooth one. The "
        f"paper's model, on {GRIDS[0]} sizes evenly spaced from {SPAN[0]:g} to {SPAN[1]:g}: {few}; on "
        f"{GRIDS[-1]}: {many}. On the paper's own {len(PAPER_SIZES)} sizes: {own}. So one cut-off for all "
        "families means nothing."
    )
