"""Figure 4: the same accuracy on log-log axes, and what test sets of a given size would have shown of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from unmirage.counts import size_label
from unmirage.paper import published
from unmirage.paper.drawing import Layer, Panel, bars, grid, level, line, points, sizes_between
from unmirage.paper.family import LENGTHS, PAPER_TASKS, Arithmetic, mean_over_models
from unmirage.paper.fig2 import RANGE, values
from unmirage.paper.fig3 import (
    GPT3_RANGE,
    SERIES,
    family_title,
    gpt3_layers,
    measured_rows,
    model_layers,
    size_range,
)
from unmirage.paper.figure import Figure, numbers
from unmirage.theory.model import no_success

TEST_SETS = (100, 1_000, 10_000, 100_000)
FLOOR = 1e-6  # of the log axis; the model's smallest value that the paper draws is above it
BLIND = 0.5  # a scale is said to read zero where that is at least this likely


def reads_zero(right: npt.ArrayLike, n: npt.ArrayLike, draw: int) -> npt.NDArray[np.float64]:
    """The chance that `draw` of n items, drawn without replacement, hold none of those that are right.

    C(n - right, draw) / C(n, draw), the hypergeometric probability of no success, exactly. Half an item that
    is right (an item with several answers) counts as half through the gamma function.

    Parameters: right in [0, n]; n >= draw >= 0. Arrays broadcast; NaN where n < draw.
    """
    from scipy.special import gammaln

    k, total = np.broadcast_arrays(np.asarray(right, dtype=float), np.asarray(n, dtype=float))
    enough = total >= draw
    possible = enough & (total - k >= draw)
    wrong = np.where(possible, total - k, draw)
    whole = np.where(enough, total, draw)
    log = gammaln(wrong + 1) - gammaln(wrong - draw + 1) - gammaln(whole + 1) + gammaln(whole - draw + 1)
    return np.where(enough, np.where(possible, np.exp(np.minimum(log, 0.0)), 0.0), np.nan)


def fig4(found: Arithmetic) -> Figure:
    """The figure; panels of tasks that the family has no answers to are left out and said."""
    tasks = [task for task in PAPER_TASKS if found.has(task)]
    chance = published.chance()
    unit = (FLOOR, 1.3)
    top = [Panel(("Model of section 2",), model_layers("exact_match", RANGE), "accuracy", RANGE, unit, True)]
    bottom = [Panel(("5 tokens",), _zero_layers(_model_zero()), "reads zero", RANGE, (-0.03, 1.05))]
    rows: list[dict[str, Any]] = _zero_rows("model, 5 tokens", _model_zero())
    for task in PAPER_TASKS:
        layers = [*level(chance[task], "chance"), *gpt3_layers(task, "accuracy", positive=True)]
        top.append(Panel((f"GPT-3, {task} (digitised)",), layers, "accuracy", GPT3_RANGE, unit, True))
        zero = _gpt3_zero(task)
        title = (f"{LENGTHS[task]} digits, T=0",)
        bottom.append(Panel(title, _zero_layers(zero), "reads zero", GPT3_RANGE, (-0.03, 1.05)))
        rows += _zero_rows(f"GPT-3 {task}, {LENGTHS[task]} digits", zero)
    says = [_below_chance(), _not_straight()]
    for task in tasks:
        own = size_range(found.table)
        layers = [*level(chance[task], "chance"), *_measured(found, task)]
        top.append(Panel((f"{family_title(found)}, {task}",), layers, "accuracy", own, unit, True))
        zero, longest = _trained_zero(found, task)
        bottom.append(
            Panel((f"{longest} digits, T=0",), _zero_layers(zero), "reads zero", own, (-0.03, 1.05))
        )
        rows += _zero_rows(f"trained {task}, {longest} digits", zero)
        says.append(_believed(found, task, longest, zero))
    series = [*SERIES, *(_label(n) for n in TEST_SETS)]
    chart = grid(
        [*top, *bottom],
        columns=len(top),
        title="Figure 4. Accuracy on log-log axes (top), and how likely a test set shows none of it (bottom)",
        subtitle=(
            "Solid: temperature 0. Dashed: temperature 1. Bars: 95% exact interval of each model. "
            "Triangles: no right "
            "answer, drawn at the upper bound.",
            "Bottom: probability that so many items of the longest answers are all wrong.",
        ),
        series=series,
        legend="Digits (tokens) of the answer; items of a test set",
        colours=(
            "#d9820b",
            "#c4452f",
            "#8f2a6b",
            "#50329b",
            "#101a4d",
            "#7fb7d9",
            "#4a90b8",
            "#2b6a92",
            "#0f4266",
        ),
    )
    measured = measured_rows(found, [("exact_match", "", "accuracy", 1.0, "")])
    return Figure(
        "fig4",
        "Accuracy on log-log axes, with its resolution",
        {"fig4": chart},
        numbers([*measured, *rows]),
        tuple(says),
        (
            "Erratum E2: n sequences give exact match a resolution of 1/n, not of 1/(n L).",
            "The paper does not say how many items it scored.",
            *found.notes,
        ),
    )


Zero = list[tuple[float, int, float]]  # size, items of the test set, probability


def _label(n: int) -> str:
    return f"{n:,} items"


def _zero_layers(zero: Zero) -> list[Layer]:
    return [line([{"x": x, "y": p, "series": _label(n)} for x, n, p in zero])]


def _zero_rows(panel: str, zero: Zero) -> list[dict[str, Any]]:
    return [
        {"group": "reads zero", "panel": panel, "series": _label(n), "n_params": x, "n": n, "ours": p}
        for x, n, p in zero
    ]


def _model_zero() -> Zero:
    sizes = sizes_between(*RANGE)
    rates = values("exact_match", sizes, 5)
    return [(x, n, float(p)) for n in TEST_SETS for x, p in zip(sizes, no_success(rates, n), strict=True)]


def _gpt3_zero(task: str) -> Zero:
    rows = published.gpt3().filter(
        pl.col("task") == task, pl.col("temperature") == 0, pl.col("length") == LENGTHS[task]
    )
    return [
        (x, n, float(no_success(rate, n)))
        for n in TEST_SETS
        for x, rate in rows.select("n_params", "accuracy").iter_rows()
    ]


def _trained_zero(found: Arithmetic, task: str) -> tuple[Zero, int]:
    """The probabilities, a mean over the models of a size, and the longest length there is."""
    table = found.of(task)
    longest = int(table["length"].max())  # type: ignore[arg-type]
    table = table.filter(pl.col("length") == longest)
    most = int(table["n"].max())  # type: ignore[arg-type]
    zero: Zero = []
    for n in (n for n in TEST_SETS if n <= most):
        shown = table.with_columns(zero=pl.Series(reads_zero(table["right"], table["n"], n))).filter(
            pl.col("zero").is_not_nan()
        )
        zero += [(x, n, p) for _, x, p in mean_over_models(shown, "zero").iter_rows()]
    return zero, longest


def _measured(found: Arithmetic, task: str) -> list[Layer]:
    layers = []
    for temperature in (1, 0):
        table = found.of(task, temperature)
        means = mean_over_models(table, "accuracy").filter(pl.col("accuracy") > 0)
        rows = [{"x": x, "y": y, "series": str(length)} for length, x, y in means.iter_rows()]
        layers.append(line(rows, dashed=temperature == 1, faint=temperature == 1))
    table = found.of(task)
    some, none = table.filter(pl.col("right") > 0), table.filter(pl.col("right") == 0)
    layers.append(
        bars(
            [
                {
                    "x": row["n_params"],
                    "low": max(row["low"], FLOOR),
                    "high": row["high"],
                    "series": str(row["length"]),
                }
                for row in some.iter_rows(named=True)
            ]
        )
    )
    layers.append(points(_rows(some, "accuracy"), size=12))
    layers.append(points(_rows(none, "high"), shape="triangle-down", filled=False, size=22))
    return layers


def _rows(table: pl.DataFrame, column: str) -> list[dict[str, Any]]:
    return [
        {"x": x, "y": y, "series": str(length)}
        for length, x, y in table.select("length", "n_params", column).iter_rows()
    ]


def _below_chance() -> str:
    chance = published.chance()
    below = [
        f"{row['task']} of length {row['length']} with {size_label(row['n_params'])} parameters at "
        f"T={row['temperature']} ({row['accuracy']:.2g}, chance {chance[row['task']]:.0e})"
        for row in published.gpt3().iter_rows(named=True)
        if row["length"] == LENGTHS[row["task"]] and row["accuracy"] < chance[row["task"]]
    ]
    return (
        f"The paper says that all models are above chance; as drawn GPT-3 is below it in {'; '.join(below)}."
    )


def _not_straight() -> str:
    rows = published.gpt3().filter(
        pl.col("task") == "addition", pl.col("temperature") == 0, pl.col("length") == LENGTHS["addition"]
    )
    x, y = rows["n_params"].to_list(), rows["accuracy"].to_list()
    before = math.log(y[2] / y[0]) / math.log(x[2] / x[0])
    after = math.log(y[3] / y[2]) / math.log(x[3] / x[2])
    return (
        f"Even so GPT-3's addition of length {LENGTHS['addition']} is no straight line: its slope is "
        f"{before:.2f} up to "
        f"the third model and {after:.2f} in the last step (accuracy times {y[3] / y[2]:,.0f} for "
        f"{x[3] / x[2]:.0f} times "
        "the parameters)."
    )


def _believed(found: Arithmetic, task: str, longest: int, zero: Sequence[tuple[float, int, float]]) -> str:
    """From which size on a test set of each number of items would likely have shown anything."""
    parts = []
    for n in dict.fromkeys(n for _, n, _ in zero):
        seen = [x for x, items, p in zero if items == n and p < BLIND]
        parts.append(f"{n:,} items: {f'{min(seen):,.0f}' if seen else 'none'}")
    rows = found.of(task).filter(pl.col("length") == longest, pl.col("right") > 0)
    smallest = f"{min(rows['n_params'].to_list()):,.0f}" if rows.height else "none"
    items = max(found.of(task).filter(pl.col("length") == longest)["n"].to_list())
    return (
        f"{family_title(found)}, {task} of length {longest}: the smallest size that more likely than not "
        "shows a right "
        f"answer is, with {'; with '.join([*parts, f'all {items:,} items: {smallest}'])} (parameters)."
    )
