"""Figure 3: accuracy and edit distance by length of the answer, for the model, for GPT-3 and a trained
family."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import polars as pl

from unmirage.paper import published
from unmirage.paper.drawing import Layer, Panel, grid, line, points, sizes_between
from unmirage.paper.family import LENGTHS, PAPER_TASKS, Arithmetic, mean_over_models
from unmirage.paper.fig2 import RANGE, beside_the_paper, values
from unmirage.paper.figure import Figure, numbers

SERIES = tuple(str(length) for length in range(1, 6))
GPT3_RANGE = (2.5e8, 2.5e11)
# Rows of the figure: name, y axis, column of the trained family's table and its sign, column of GPT-3's.
MEASURES = (
    ("exact_match", "accuracy", "accuracy", 1.0, "accuracy"),
    ("neg_token_edit_distance", "- edit distance", "distance", -1.0, "neg_token_edit_distance"),
)


def model_layers(quantity: str, domain: tuple[float, float]) -> list[Layer]:
    """The curves of the model of section 2, one a length, with its four sizes as points."""
    from unmirage.theory.model import PAPER_SIZES

    dense = sizes_between(*domain)
    curves: list[dict[str, Any]] = []
    four: list[dict[str, Any]] = []
    for length in range(1, 6):
        for sizes, rows in ((dense, curves), (list(PAPER_SIZES), four)):
            found = values(quantity, sizes, length)
            rows += [
                {"x": x, "y": float(v), "series": str(length)} for x, v in zip(sizes, found, strict=True)
            ]
    return [line(curves), points(four)]


def gpt3_layers(task: str, column: str, *, positive: bool = False) -> list[Layer]:
    """The paper's digitised points: temperature 0 solid with dots, temperature 1 dashed."""
    layers = []
    for temperature in (0, 1):
        rows = [
            {"x": x, "y": y, "series": str(length)}
            for length, x, y in published.gpt3()
            .filter(pl.col("task") == task, pl.col("temperature") == temperature)
            .select("length", "n_params", column)
            .iter_rows()
            if y > 0 or not positive
        ]
        layers.append(line(rows, dashed=temperature == 1, faint=temperature == 1))
        if temperature == 0:
            layers.append(points(rows))
    return layers


def trained_layers(found: Arithmetic, task: str, column: str, sign: float) -> list[Layer]:
    """A line through the mean of each size's models, and at temperature 0 a small point a model."""
    layers = []
    for temperature in (1, 0):
        table = found.of(task, temperature)
        if table.is_empty():
            continue
        means = mean_over_models(table, column)
        rows = [{"x": x, "y": sign * y, "series": str(length)} for length, x, y in means.iter_rows()]
        layers.append(line(rows, dashed=temperature == 1, faint=temperature == 1))
        if temperature == 0:
            dots = table.select("length", "n_params", column).iter_rows()
            layers.append(
                points(
                    [{"x": x, "y": sign * y, "series": str(length)} for length, x, y in dots],
                    size=12,
                    opacity=0.6,
                )
            )
    return layers


def size_range(table: pl.DataFrame) -> tuple[float, float]:
    """The sizes of a family with a little room on both sides."""
    return float(table["n_params"].min()) / 1.25, float(table["n_params"].max()) * 1.25  # type: ignore[arg-type]


def family_title(found: Arithmetic) -> str:
    """What the panels call the trained family."""
    return ", ".join(found.names) or "trained family"


def measured_rows(found: Arithmetic, measures: Sequence[Any] = MEASURES) -> list[dict[str, Any]]:
    """The trained family's values as rows of the table of numbers."""
    rows = []
    for entry in found.table.iter_rows(named=True):
        for quantity, _, column, sign, _ in measures:
            exact = quantity == "exact_match"
            rows.append(
                {
                    "group": "trained",
                    "panel": f"{entry['task']}, T={entry['temperature']}: {quantity}",
                    "series": f"length {entry['length']}",
                    "model": entry["model"],
                    "n_params": entry["n_params"],
                    "n": entry["n"],
                    "ours": sign * entry[column],
                    "low": entry["low"] if exact else None,
                    "high": entry["high"] if exact else None,
                }
            )
    return rows


def gpt3_rows() -> list[dict[str, Any]]:
    """The paper's GPT-3 values as rows of the table of numbers; there is nothing of ours beside them."""
    return [
        {
            "group": "GPT-3",
            "panel": f"{entry['task']}, T={entry['temperature']}: {quantity}",
            "series": f"length {entry['length']}",
            "n_params": entry["n_params"],
            "paper": entry[column],
        }
        for entry in published.gpt3().iter_rows(named=True)
        for quantity, _, _, _, column in MEASURES
    ]


def fig3(found: Arithmetic) -> Figure:
    """The figure; panels of tasks that the family has no answers to are left out and said."""
    tasks = [task for task in PAPER_TASKS if found.has(task) or found.has(task, 1)]
    panels = []
    for quantity, y, column, sign, theirs in MEASURES:
        domain = (-0.03, 1.05) if sign > 0 else (-_furthest(found), 0.15)
        panels.append(Panel(("Model of section 2",), model_layers(quantity, RANGE), y, RANGE, domain))
        for task in PAPER_TASKS:
            panels.append(
                Panel((f"GPT-3, {task} (digitised)",), gpt3_layers(task, theirs), y, GPT3_RANGE, domain)
            )
        for task in tasks:
            own = size_range(found.table)
            layers = trained_layers(found, task, column, sign)
            panels.append(Panel((f"{family_title(found)}, {task}",), layers, y, own, domain))
    chart = grid(
        panels,
        columns=3 + len(tasks),
        title="Figure 3. The same outputs by accuracy (top) and by token edit distance (bottom)",
        subtitle=(
            "Solid: temperature 0. Dashed: temperature 1. Model of section 2: curves, and the paper's "
            "four sizes.",
        ),
        series=SERIES,
        legend="Digits (tokens) of the answer",
    )
    shown = [row for row in beside_the_paper() if row["series"].startswith("length")]
    rows = [*shown, *gpt3_rows(), *measured_rows(found)]
    says = [sentence for task in tasks if (sentence := _spread(found, task))]
    return Figure(
        "fig3",
        "Accuracy and token edit distance by length of the answer",
        {"fig3": chart},
        numbers(rows),
        (_gpt3_spread(), *says),
        (
            "The GPT-3 models can no longer be queried: their panels are the paper's numbers, read off "
            "its drawing. "
            "The paper's legend lists multiplication of length 5, which it does not draw.",
            *found.notes,
        ),
    )


def _furthest(found: Arithmetic) -> float:
    """A little more than the largest edit distance in any panel."""
    theirs = -float(published.gpt3()["neg_token_edit_distance"].min())  # type: ignore[arg-type]
    ours = found.table["distance"].max()
    return 1.03 * max(theirs, float(ours) if ours is not None else 0.0)  # type: ignore[arg-type]


def _gpt3_spread() -> str:
    longest = published.gpt3().filter(pl.col("temperature") == 0)
    parts = []
    for task in PAPER_TASKS:
        rows = longest.filter(pl.col("task") == task, pl.col("length") == LENGTHS[task]).sort("n_params")
        accuracy, distance = rows["accuracy"].to_list(), rows["neg_token_edit_distance"].to_list()
        parts.append(
            f"{task} of length {LENGTHS[task]}: accuracy {', '.join(f'{v:.2g}' for v in accuracy)}, minus "
            "edit "
            f"distance {', '.join(f'{v:.2f}' for v in distance)}"
        )
    return (
        f"GPT-3 at temperature 0, {'; '.join(parts)}. Of the way from the smallest to the largest, the "
        "last step "
        f"makes {_last_share('accuracy'):.0%} in accuracy and "
        f"{_last_share('neg_token_edit_distance'):.0%} in edit "
        "distance at least."
    )


def _last_share(column: str) -> float:
    """The smallest share, over both tasks at their longest answers, of the range that the last step makes."""
    rows = published.gpt3().filter(pl.col("temperature") == 0).sort("n_params")
    shares = []
    for task in PAPER_TASKS:
        y = rows.filter(pl.col("task") == task, pl.col("length") == LENGTHS[task])[column].to_list()
        shares.append((y[-1] - y[-2]) / (y[-1] - y[0]))
    return float(min(shares))


def _spread(found: Arithmetic, task: str) -> str | None:
    table = found.of(task)
    if table.is_empty():
        return None
    longest = int(table["length"].max())  # type: ignore[arg-type]
    parts = []
    for column, words, sign in (("accuracy", "accuracy", 1.0), ("distance", "minus edit distance", -1.0)):
        means = mean_over_models(table.filter(pl.col("length") == longest), column)
        y = [sign * v for v in means[column].to_list()]
        steps = [b - a for a, b in pairwise(y)]
        share = max(steps) / (max(y) - min(y)) if steps and max(y) > min(y) else 0.0
        parts.append(
            f"{words} goes from {y[0]:.3g} to {y[-1]:.3g}, its largest step is {share:.0%} of the range"
        )
    sizes = table["n_params"].n_unique()
    what = f"{family_title(found)}, {task} of length {longest} at temperature 0 over {sizes} sizes"
    return f"{what}: {'; '.join(parts)}."
